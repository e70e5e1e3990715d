"""How a payer pays, as it comes over the wire, and what it becomes inside."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from online.customers.domain import mask_vpa
from online.kernel import ids
from online.kernel.errors import InvalidRequest
from online.payments.orders import Instrument
from online.platform.wire import WireStruct
from online.rails.domain import CardReference, Upi
from online.vault.service import Vault

# DOMAIN: 2 to 255 characters before the one @, then a handle of letters and digits.
Vpa = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{2,255}@[A-Za-z][A-Za-z0-9]{1,63}\Z")]
Token = Annotated[str, Meta(pattern=r"^tok_[0-9a-z]{26}\Z")]


class UpiMethod(WireStruct, frozen=True, kw_only=True):
    """`intent`: a link for the payer's app; `qr`: the same to scan. A VPA, where it is known,
    sends the request straight to the payer's app."""

    flow: Literal["intent", "qr"] = "intent"
    vpa: Vpa | None = None


class CardMethod(WireStruct, frozen=True, kw_only=True):
    """A card by its token, from `POST /api/v1/cards/tokens`."""

    token: Token


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

    async def _card(self, card: CardMethod, merchant_id: UUID) -> Instrument:
        token_id = ids.decode("tok", card.token)
        token = await self._vault.token(token_id, merchant_id)
        reference = CardReference(token_id=token_id, merchant_id=merchant_id)
        return Instrument(method="card", key=token.fingerprint, mask=token.mask, card=reference)
