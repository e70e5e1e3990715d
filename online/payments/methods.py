"""How a payer pays, as it comes over the wire, and what it becomes inside."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from online.customers.domain import mask_vpa
from online.kernel import ids
from online.kernel.errors import InvalidRequest
from online.payments.orders import Instrument
from online.platform.wire import WireStruct, id_of
from online.rails.domain import CardReference, Upi
from online.vault.domain import CardToken, Cryptogram, SecurityCode, check_cvc, check_proof
from online.vault.service import Vault

# A page of the merchant's; never ours, so no relative address.
ReturnUrl = Annotated[str, Meta(pattern=r"^https?://[^\s\x00-\x1f]+\Z", max_length=2000)]
# DOMAIN: 2 to 255 characters before the one @, then a handle of letters and digits.
Vpa = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{2,255}@[A-Za-z][A-Za-z0-9]{1,63}\Z")]
Token = Annotated[str, id_of("tok")]
# Wide bounds: how many digits it has to have, the vault says by the card's network.
Cvc = Annotated[str, Meta(min_length=1, max_length=8, description="3 digits, 4 for Amex")]
CryptogramText = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{24,56}={0,2}\Z")]
Eci = Annotated[str, Meta(pattern=r"^0[0-7]\Z")]
_PLACE: Final = "payment_method.card"


class UpiMethod(WireStruct, frozen=True, kw_only=True):
    """`intent`: a link for the payer's app; `qr`: the same to scan. A VPA, where it is known,
    sends the request straight to the payer's app."""

    flow: Literal["intent", "qr"] = "intent"
    vpa: Vpa | None = None


class CardMethod(WireStruct, frozen=True, kw_only=True):
    """A card by its token, from `POST /api/v1/cards/tokens`.

    `cvc` is passed on to the card's bank and never stored. A network token needs the `cryptogram`
    (base64) that was made for this payment, with its `eci`; a card has neither.
    """

    token: Token
    cvc: Cvc | None = None
    cryptogram: CryptogramText | None = None
    eci: Eci | None = None

    def __repr__(self) -> str:
        return f"CardMethod(token={self.token!r})"

    def __reduce__(self) -> str:
        raise TypeError("what a card is paid with is not pickled")


class PaymentMethod(WireStruct, frozen=True, kw_only=True):
    """`type` names which of the other fields is given."""

    type: Literal["upi", "card"]
    upi: UpiMethod | UnsetType = UNSET
    card: CardMethod | UnsetType = UNSET


class Instruments:
    """Turns a payment method into an instrument, with the vault's help."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def of(self, method: PaymentMethod, merchant_id: UUID, payer: str) -> Instrument:
        """`payer` stands in for a UPI payer whose VPA is not known before they pay."""
        if method.type == "card":
            if not method.card:
                raise InvalidRequest("a card payment needs `card`", "payment_method.card")
            return await self._card(method.card, merchant_id)
        upi = method.upi or UpiMethod()
        payee = f"{ids.encode('mrc', merchant_id)}@khata"
        key = self._vault.instrument_hash(upi.vpa or payer)
        mask = mask_vpa(upi.vpa) if upi.vpa else "upi"
        rail_part = Upi(flow=upi.flow, payee_vpa=payee, payer_vpa=upi.vpa)
        return Instrument(method="upi", key=key, mask=mask, upi=rail_part)

    def address(self, of_payer: str | None) -> str | None:
        """The payer's internet address as a keyed hash: it is stored in no other form."""
        return None if of_payer is None else self._vault.ip_hash(of_payer)

    async def _card(self, card: CardMethod, merchant_id: UUID) -> Instrument:
        token_id = ids.decode("tok", card.token)
        token = await self._vault.token(token_id, merchant_id)
        check_cvc(card.cvc, token.network, param=f"{_PLACE}.cvc")
        check_proof(
            token.kind, token.network, cryptogram=card.cryptogram, eci=card.eci, param=_PLACE
        )
        reference = CardReference(
            token_id=token_id,
            merchant_id=merchant_id,
            cvc=SecurityCode(card.cvc) if card.cvc is not None else None,
            cryptogram=Cryptogram(card.cryptogram) if card.cryptogram is not None else None,
            eci=card.eci,
        )
        return Instrument(
            method="card",
            key=token.fingerprint,
            mask=token.mask,
            funding=token.funding,
            facts=card_facts(token),
            card=reference,
        )


def card_facts(token: CardToken) -> dict[str, Any]:
    """What the vault knows of a card, as events carry it."""
    return {
        "network": token.network,
        "issuer": token.issuer,
        "country": token.country,
        "category": token.category,
        "kind": token.kind,
    }
