"""`POST /api/v1/cards/tokens`: the only door a card number comes in by."""

from typing import Annotated

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.platform.wire import WireStruct
from online.security.domain import Principal, allow
from online.vault.domain import CardToken
from online.vault.service import Vault


class TokenizeCard(WireStruct, frozen=True, kw_only=True):
    """Bounds are wide: what exactly is wrong with a card is said by the vault, without it."""

    number: Annotated[str, Meta(min_length=1, max_length=40)]
    exp_month: Annotated[int, Meta(ge=1, le=12)]
    exp_year: Annotated[int, Meta(ge=2000, le=2100)]
    cvc: Annotated[str, Meta(max_length=8)] | None = None

    def __repr__(self) -> str:
        return "TokenizeCard(…)"


class CardTokenView(Struct, frozen=True, kw_only=True):
    id: str
    brand: str
    first6: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str
    livemode: bool

    @classmethod
    def of(cls, token: CardToken) -> "CardTokenView":
        return cls(
            id=ids.encode("tok", token.id),
            brand=token.network,
            first6=token.first6,
            last4=token.last4,
            exp_month=token.exp_month,
            exp_year=token.exp_year,
            fingerprint=token.fingerprint,
            livemode=token.livemode,
        )


@post(
    "/cards/tokens",
    summary="Exchange a card number for a token",
    tags=["cards"],
    opt=allow("cards:write", publishable=True),
)
async def create_card_token(
    data: JSONBody[TokenizeCard],
    vault: NamedDependency[Vault],
    principal: NamedDependency[Principal],
) -> CardTokenView:
    token = await vault.tokenize(
        merchant_id=principal.merchant,
        livemode=principal.livemode,
        number=data.number,
        exp_month=data.exp_month,
        exp_year=data.exp_year,
        cvc=data.cvc,
    )
    return CardTokenView.of(token)


router = Router("/api/v1", route_handlers=[create_card_token])
