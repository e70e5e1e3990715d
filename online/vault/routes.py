"""`/api/v1/cards/tokens`: the only door a card number comes in by."""

from typing import Annotated, Literal

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.platform.wire import WireStruct
from online.security.domain import Principal, allow
from online.vault.domain import CardToken
from online.vault.service import Vault


class TokenizeCard(WireStruct, frozen=True, kw_only=True):
    """A card, or a network token: then `number` is the token's own (the DPAN).

    A `cvc` is checked for its shape and forgotten; what a payment needs is sent with the payment.
    """

    # Bounds are wide: what exactly is wrong with a card is said by the vault, without it.
    number: Annotated[str, Meta(min_length=1, max_length=40)]
    exp_month: Annotated[int, Meta(ge=1, le=12)]
    exp_year: Annotated[int, Meta(ge=2000, le=2100)]
    type: Literal["card", "network_token"] = "card"
    cvc: Annotated[str, Meta(max_length=8)] | None = None

    def __repr__(self) -> str:
        return "TokenizeCard(…)"


class CardTokenView(Struct, frozen=True, kw_only=True):
    """`funding` (credit, debit, prepaid), `issuer`, `country` and `category` are what the first
    digits tell; null where nobody lists them.
    """

    id: str
    type: str
    brand: str
    first6: str
    last4: str
    exp_month: int
    exp_year: int
    funding: str | None
    issuer: str | None
    country: str | None
    category: str | None
    fingerprint: str
    livemode: bool

    @classmethod
    def of(cls, token: CardToken) -> "CardTokenView":
        return cls(
            id=ids.encode("tok", token.id),
            type=token.kind,
            brand=token.network,
            first6=token.first6,
            last4=token.last4,
            exp_month=token.exp_month,
            exp_year=token.exp_year,
            funding=token.funding,
            issuer=token.issuer,
            country=token.country,
            category=token.category,
            fingerprint=token.fingerprint,
            livemode=token.livemode,
        )


@post(
    "/cards/tokens",
    summary="Exchange a card number for a token",
    description="`type: network_token` takes a network's token (DPAN) in place of a card number; "
    "its cryptogram comes with each payment. Send a `cvc` with the payment too: here it is only "
    "checked for its shape, and never stored.",
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
        kind=data.type,
    )
    return CardTokenView.of(token)


@get(
    "/cards/tokens/{token_id:str}",
    summary="What a card token shows",
    tags=["cards"],
    opt=allow("cards:write"),
)
async def read_card_token(
    token_id: FromPath[str],
    vault: NamedDependency[Vault],
    principal: NamedDependency[Principal],
) -> CardTokenView:
    return CardTokenView.of(await vault.token(ids.decode("tok", token_id), principal.merchant))


router = Router("/api/v1", route_handlers=[create_card_token, read_card_token])
