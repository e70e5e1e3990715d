"""A merchant and its terms, as the rest of the service needs them."""

import re
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict, replace

from online.kernel.errors import InvalidRequest

# Whether a refund gives back what the capture was charged, in proportion.
MdrOnRefund = Literal["kept", "returned"]
# Small: up to ₹20 lakh a year; some prices are lower for them.
Size = Literal["standard", "small"]
# One settlement a business day, a week, or several a day (T+0).
Schedule = Literal["daily", "weekly", "cycles"]
TdsSection = Literal["194-O"]
# Settlements are paid out by themselves, or stay payable until the merchant says where to.
PayoutManner = Literal["automatic", "on_demand"]

MIDNIGHT: Final = "24:00"  # the end of the calendar day
_BASE36: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# State, PAN (five letters, four digits, one letter), registration within the state, kind, check.
_GSTIN: Final = re.compile(r"[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z][A-Z][0-9A-Z]")


class Merchant(Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    mcc: str
    state_code: str  # GST state, decides between IGST and CGST + SGST
    settlement_days: int
    exposure_limit_minor: int  # how far refunds and disputes may take the balance below zero
    mdr_on_refund: MdrOnRefund
    size: Size
    requires_signature: bool
    version: int
    livemode: bool
    created_at: datetime
    legal_name: str
    gstin: str | None = None
    address: str | None = None
    settlement_schedule: Schedule = "daily"
    settlement_weekday: int | None = None  # ISO, of `weekly`: the day that ends a period
    settlement_cycles: tuple[str, ...] = ()  # of `cycles`: HH:MM in India, the last is `cutoff`
    cutoff: str = MIDNIGHT  # HH:MM in India at which a business day ends for settlement
    min_payout_minor: int = 0  # less than this stays in pending
    reserve_bps: int = 0  # of what was captured
    reserve_days: int = 0
    tds_section: TdsSection | None = None
    tds_bps: int | None = None  # None: the section's own rate
    payouts: PayoutManner = "automatic"
    verified: bool = False  # its business was checked: categories of UPI have higher limits


class NewTerms(Struct, frozen=True, kw_only=True):
    """Terms to change; None leaves one as it is. A schedule comes with its weekday and cycles, a
    section with its rate; an empty text takes away what the merchant had."""

    settlement_days: int | None = None
    exposure_limit_minor: int | None = None
    mdr_on_refund: MdrOnRefund | None = None
    size: Size | None = None
    requires_signature: bool | None = None
    legal_name: str | None = None
    gstin: str | None = None
    address: str | None = None
    settlement_schedule: Schedule | None = None
    settlement_weekday: int | None = None
    settlement_cycles: tuple[str, ...] | None = None
    cutoff: str | None = None
    min_payout_minor: int | None = None
    reserve_bps: int | None = None
    reserve_days: int | None = None
    tds_section: Literal["194-O", ""] | None = None
    tds_bps: int | None = None
    payouts: PayoutManner | None = None
    verified: bool | None = None

    def over(self, merchant: Merchant) -> Merchant:
        """The merchant under its new terms, which are checked; the version stays."""
        named = asdict(self).items()
        given = {name: value for name, value in named if value is not None}
        if "settlement_schedule" in given:
            given["settlement_weekday"] = self.settlement_weekday
            given["settlement_cycles"] = self.settlement_cycles or ()
        if "tds_section" in given:
            given["tds_bps"] = self.tds_bps
        for name in ("gstin", "address", "tds_section"):
            if given.get(name) == "":
                given[name] = None
        return checked(replace(merchant, **given))


def checked(merchant: Merchant) -> Merchant:
    """The merchant, if its terms go together; `InvalidRequest` names the field that does not."""
    if merchant.gstin is not None:
        _check_gstin(merchant.gstin, merchant.state_code)
    weekly, cycles = (merchant.settlement_schedule == kind for kind in ("weekly", "cycles"))
    if weekly != (merchant.settlement_weekday is not None):
        raise InvalidRequest("a weekly schedule alone has a weekday", "settlement_weekday")
    times = merchant.settlement_cycles
    if cycles != bool(times):
        raise InvalidRequest("a schedule of cycles alone has times", "settlement_cycles")
    if list(times) != sorted(set(times)) or (times and times[-1] >= merchant.cutoff):
        raise InvalidRequest("must rise and end before the cut-off", "settlement_cycles")
    if (merchant.reserve_bps == 0) != (merchant.reserve_days == 0):
        raise InvalidRequest("a reserve has a rate and a number of days", "reserve_days")
    if merchant.tds_bps is not None and merchant.tds_section is None:
        raise InvalidRequest("a rate belongs to a section", "tds_bps")
    return merchant


def _check_gstin(gstin: str, state_code: str) -> None:
    """Form and check digit as the GST network computes it (base 36, weights 1 and 2 in turn)."""
    if _GSTIN.fullmatch(gstin) is None:
        raise InvalidRequest("is not a GSTIN", "gstin")
    if not gstin.startswith(state_code):
        raise InvalidRequest(f"belongs to another state than {state_code}", "gstin")
    total = 0
    for place, character in enumerate(gstin[:14]):
        product = _BASE36.index(character) * (1 + place % 2)
        total += product // 36 + product % 36
    if _BASE36[-total % 36] != gstin[14]:
        raise InvalidRequest("its check digit is wrong", "gstin")
