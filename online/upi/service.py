"""Links of ours, and what anybody's link says: the public face of the slice."""

from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from online.kernel import ids
from online.upi import domain
from online.upi.domain import Link
from online.upi.keys import LinkKeys
from online.upi.terms import Collect, CollectRule, Mode, UpiTerms

HANDLE: Final = "khata"
# Plain and secure: of a link that opens the payer's app, of a code made for one payment, of one
# that is printed once.
_MODES: Final = {"intent": ("04", "05"), "dynamic": ("22", "23"), "static": ("01", "02")}
Signature = Literal["none", "valid", "invalid", "not_ours"]


class Purchase(Struct, frozen=True, kw_only=True):
    """What a payer is to pay, and to whom. Amount in paise; none: the payer enters it."""

    merchant_id: UUID
    merchant_name: str
    mcc: str
    amount_minor: int | None = None
    reference: str | None = None
    transaction_id: str | None = None
    note: str | None = None
    purpose: str | None = None


class PayLinks(Struct, frozen=True):
    """The same payment to open in an app and to scan."""

    intent: str
    qr: str


class Reading(Struct, frozen=True, kw_only=True):
    """A link that was read, what its mode means, and whether its signature holds. Of a link whose
    payee is with somebody else only they can tell."""

    link: Link
    mode: Mode | None
    signature: Signature


class Upi:
    """Use cases on links; needs nothing but rules and keys."""

    def __init__(self, terms: UpiTerms, keys: LinkKeys) -> None:
        self.terms = terms
        self.keys = keys

    def payment(self, purchase: Purchase) -> PayLinks:
        """Made for one payment."""
        return PayLinks(self._link(purchase, "intent"), self._link(purchase, "dynamic"))

    def static(self, purchase: Purchase) -> str:
        """Good for any number of payments."""
        return self._link(purchase, "static")

    def read(self, text: str) -> Reading:
        """Raises `InvalidLink`, which names what is wrong."""
        link = domain.parse(text)
        mode = self.terms.modes.get(link.mode) if link.mode else None
        return Reading(link=link, mode=mode, signature=self._signature(text, link))

    def check_collect(self, asked: Collect) -> CollectRule:
        return self.terms.check_collect(asked)

    def _link(self, of: Purchase, kind: Literal["intent", "dynamic", "static"]) -> str:
        terms = self.terms.links
        link = Link(
            pa=payee_vpa(of.merchant_id),
            pn=of.merchant_name[: domain.LONGEST_NAME],
            mc=of.mcc,
            tid=of.transaction_id,
            tr=of.reference,
            tn=of.note,
            am=of.amount_minor,
            mode=_MODES[kind][terms.signed],
            purpose=of.purpose or terms.purpose,
            orgid=terms.orgid if terms.signed else None,
        )
        text = domain.build(link)
        if not terms.signed:
            return text
        return domain.build(domain.signed(link, self.keys.sign(text)))

    def _signature(self, text: str, link: Link) -> Signature:
        part = domain.signed_part(text)
        if link.sign is None or part is None:
            return "none"
        if self.keys.holds(part, link.sign):
            return "valid"
        ours = link.pa.lower().endswith(f"@{HANDLE}")
        return "invalid" if ours else "not_ours"


def payee_vpa(merchant_id: UUID) -> str:
    """Where a merchant is paid."""
    return f"{ids.encode('mrc', merchant_id)}@{HANDLE}"
