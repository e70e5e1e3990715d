"""How a payer pays, as it comes over the wire, and what it becomes inside."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from online.customers.domain import mask_vpa
from online.kernel import ids
from online.kernel.errors import InvalidRequest
from online.limits.authority import Purchase, Source, Sources
from online.payments.orders import Instrument
from online.platform.wire import WireStruct, id_of
from online.rails.domain import CardReference, Upi
from online.upi.service import payee_vpa
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
Flow = Literal["intent", "qr", "collect"]
Handle = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,128}\Z", description="hdl_… or tok_…")]
Delegation = Annotated[str, id_of("dlg")]
Platform = Literal["android", "ios", "web", "ios_web", "desktop"]
Purpose = Annotated[str, Meta(pattern=r"^[0-9A-Z]{2}\Z")]
_PLACE: Final = "payment_method.card"
_UPI: Final = "payment_method.upi"


class UpiMethod(WireStruct, frozen=True, kw_only=True):
    """`intent`: a link for the payer's app; `qr`: the same to scan; `collect`: a request to the
    payer's VPA, refused with `collect_not_allowed` where no switch carries one any more. A VPA,
    where it is known, sends the request straight to the payer's app.

    At most one of `vpa`, `handle`, `delegation` and `lite` says what pays: a VPA, an alias of one,
    a delegation by which the customer pays from somebody else's account, or the customer's own
    balance here, which takes no PIN. `platform`: where the payer's app runs. `purpose`: the code
    that UPI knows.
    """

    flow: Flow = "intent"
    vpa: Vpa | None = None
    handle: Handle | None = None
    delegation: Delegation | None = None
    lite: bool = False
    platform: Platform | None = None
    purpose: Purpose | None = None


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


class Payables(Struct, frozen=True, kw_only=True):
    """Who answers what is behind a reference; None where nobody does here."""

    handles: Sources | None = None
    delegations: Sources | None = None
    balances: Sources | None = None


_NONE: Final = Payables()


class Instruments:
    """Turns a payment method into an instrument, with the help of those who know what pays."""

    def __init__(self, vault: Vault, payables: Payables = _NONE) -> None:
        self._vault = vault
        self._payables = payables

    async def of(self, method: PaymentMethod, purchase: Purchase, payer: str) -> Instrument:
        """`payer` stands in for a UPI payer whose VPA is not known before they pay."""
        if method.type == "card":
            if not method.card:
                raise InvalidRequest("a card payment needs `card`", "payment_method.card")
            return await self._card(method.card, purchase.merchant_id)
        upi = method.upi or UpiMethod()
        purchase = structs.replace(purchase, purpose=upi.purpose)
        source = await self._source(upi, purchase)
        if source is not None:
            return structs.replace(under(source, purchase, upi.flow), platform=upi.platform)
        if upi.flow == "collect" and upi.vpa is None:
            raise InvalidRequest("a collect request needs the payer's VPA", f"{_UPI}.vpa")
        payee = payee_vpa(purchase.merchant_id)
        rail_part = Upi(flow=upi.flow, payee_vpa=payee, payer_vpa=upi.vpa)
        key = self._vault.instrument_hash(upi.vpa or payer)
        mask = mask_vpa(upi.vpa) if upi.vpa else "upi"
        return Instrument(
            method="upi",
            key=key,
            mask=mask,
            upi=rail_part,
            purpose=upi.purpose,
            platform=upi.platform,
            amount_minor=purchase.amount_minor,
        )

    async def _source(self, upi: UpiMethod, purchase: Purchase) -> Source | None:
        """What is behind a reference, if the payer names one."""
        named = [name for name in _REFERENCES if getattr(upi, name)]
        if not named:
            return None
        if len(named) > 1 or upi.vpa:
            raise InvalidRequest("one thing pays: `vpa`, or one reference", f"{_UPI}.{named[0]}")
        asked = {
            "handle": (self._payables.handles, upi.handle),
            "delegation": (self._payables.delegations, upi.delegation),
            "lite": (self._payables.balances, _customer_of(purchase) if upi.lite else None),
        }
        sources, reference = asked[named[0]]
        if sources is None or reference is None:
            raise InvalidRequest("is not offered here", f"{_UPI}.{named[0]}")
        return await sources.source(reference, purchase)

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


def under(source: Source, purchase: Purchase, flow: Flow = "intent") -> Instrument:
    """What pays when it is an authority that does; refused where that is somebody else's."""
    authority = source.authority
    if purchase.customer_id not in (None, authority.customer_id):
        raise InvalidRequest(f"this {authority.kind} belongs to another customer", "customer_id")
    return Instrument(
        method="upi",
        key=source.key,
        mask=source.mask,
        upi=Upi(flow=flow, payee_vpa=payee_vpa(purchase.merchant_id), payer=source.vpa),
        authority=authority,
        purpose=source.purpose or purchase.purpose,
        amount_minor=purchase.amount_minor,
    )


_REFERENCES: Final = ("handle", "delegation", "lite")


def _customer_of(purchase: Purchase) -> str:
    if purchase.customer_id is None:
        raise InvalidRequest("a balance is a customer's: name them", "customer_id")
    return ids.encode("cus", purchase.customer_id)


def card_facts(token: CardToken) -> dict[str, Any]:
    """What the vault knows of a card, as events carry it."""
    return {
        "network": token.network,
        "issuer": token.issuer,
        "country": token.country,
        "category": token.category,
        "kind": token.kind,
    }
