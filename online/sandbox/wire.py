"""What callers send and get, as types that refuse everything else.

Belongs here: the shapes on the wire, their bounds, and which operation needs which part.
Does not: decisions (`bank.py`) and routes (`app.py`).
"""

from datetime import date, datetime
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from online.kernel.errors import InvalidRequest
from online.sandbox.behaviour import Authentication, Funding, Operation, Status
from online.sandbox.rails import Rail

T = TypeVar("T")
Reference = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{4,35}$")]
Vpa = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._-]{1,255}@[A-Za-z][A-Za-z0-9]{0,63}$", max_length=255)
]
ShortText = Annotated[str, Meta(max_length=100)]
# A name ends up in the bank's XML, which has no way to write a control character.
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+$"
AmountMinor = Annotated[int, Meta(ge=1, le=10**14)]
SmallCount = Annotated[int, Meta(ge=0, le=10_000)]


class UpiPart(Struct, frozen=True, forbid_unknown_fields=True):
    flow: Literal["intent", "qr", "collect"]
    payee_vpa: Vpa
    payer_vpa: Vpa | None = None
    note: ShortText = ""
    payee_name: ShortText | None = None
    mcc: Annotated[str, Meta(pattern=r"^[0-9]{4}\Z")] | None = None


class CardPart(Struct, frozen=True, forbid_unknown_fields=True):
    pan: Annotated[str, Meta(pattern=r"^[0-9]{12,19}$")]
    exp_month: Annotated[int, Meta(ge=1, le=12)]
    exp_year: Annotated[int, Meta(ge=2000, le=2099)]
    cvc: Annotated[str, Meta(pattern=r"^[0-9]{3,4}\Z")] | None = None
    cryptogram: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{4,100}={0,2}\Z")] | None = None
    eci: Annotated[str, Meta(pattern=r"^0[0-7]\Z")] | None = None

    def __repr__(self) -> str:
        return "CardPart(…)"


class Beneficiary(Struct, frozen=True, forbid_unknown_fields=True):
    account: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{4,34}$")]
    ifsc: Annotated[str, Meta(pattern=r"^[A-Za-z]{4}0[A-Za-z0-9]{6}$")]
    name: Annotated[str, Meta(pattern=_PRINTABLE, max_length=100)]


class OperationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    reference: Reference
    amount: AmountMinor
    currency: Literal["INR"]
    original_reference: Reference | None = None
    capture: bool = True
    upi: UpiPart | None = None
    card: CardPart | None = None
    beneficiary: Beneficiary | None = None
    return_url: Annotated[str, Meta(pattern=r"^https?://\S+\Z", max_length=2048)] | None = None


class NextAction(Struct, frozen=True, omit_defaults=True):
    """What the payer does: opens the link in a UPI app, scans the QR code, or goes to a page."""

    type: Literal["upi_intent", "upi_qr", "redirect"]
    link: str
    qr: str | None = None
    return_url: str | None = None


class Checks(Struct, frozen=True):
    """What the issuer found beside its yes or no, in the networks' letters and numbers."""

    avs: str
    cvc: str
    eci: str
    authentication: Authentication


class Answer(Struct, frozen=True):
    """The bank's answer to an operation, and to an enquiry about it."""

    status: Status
    code: str
    rail_reference: str
    network_reference: str | None
    auth_code: str | None
    message: str
    next_action: NextAction | None
    checks: Checks | None = None
    funding: Funding | None = None


class PayerAction(Struct, frozen=True, forbid_unknown_fields=True):
    """`funding`: what a UPI payer chooses in their app."""

    reference: Reference
    funding: Funding = "bank"


class OpenDispute(Struct, frozen=True, forbid_unknown_fields=True):
    """Without an amount, all that is left of the payment."""

    original_reference: Reference
    amount: AmountMinor | None = None
    reason_code: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,20}\Z")] | None = None


class Evidence(Struct, frozen=True, forbid_unknown_fields=True):
    evidence: Annotated[str, Meta(min_length=1, max_length=50_000)]


class Taken(Struct, frozen=True):
    status: Literal["taken"] = "taken"


class DisputeView(Struct, frozen=True):
    """A dispute as the rail tells it; `original_reference` is the authorization."""

    reference: str
    original_reference: str
    amount: int
    currency: str
    reason_code: str
    status: Literal["open", "won", "lost"]
    respond_by: datetime


class CloseDay(Struct, frozen=True, forbid_unknown_fields=True):
    bank_day: date
    inbox: Annotated[str, Meta(min_length=1, max_length=4096)]


class Opening(Struct, frozen=True, forbid_unknown_fields=True):
    bank: Literal["hdfc", "icici"]
    amount_minor: Annotated[int, Meta(ge=-(10**15), le=10**15)]


class CloseCycle(Struct, frozen=True, forbid_unknown_fields=True):
    bank_day: date
    cycle: Annotated[str, Meta(pattern=r"^[IVX]{1,5}\Z")]
    inbox: Annotated[str, Meta(min_length=1, max_length=4096)]


class FileFaults(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a rail's files of a day goes wrong, and how: rows, then whole settlements."""

    missing: SmallCount = 0
    extra: SmallCount = 0
    wrong_amount: SmallCount = 0
    duplicate: SmallCount = 0
    late: SmallCount = 0
    unknown_credit: SmallCount = 0
    debit_without_credit: SmallCount = 0
    partial_settlement_file: SmallCount = 0
    wrong_utr: SmallCount = 0


class FaultPlan(FileFaults, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The faults of one day over all rails; the seed chooses which rows."""

    bank_day: date
    seed: int = 7
    missing: SmallCount = 2
    extra: SmallCount = 2
    wrong_amount: SmallCount = 2
    duplicate: SmallCount = 2
    late: SmallCount = 2
    unknown_credit: SmallCount = 1


# What each operation carries besides the common fields; by the rail's method for authorize.
_NEEDS: Final[dict[str, str]] = {
    "capture": "original_reference",
    "void": "original_reference",
    "reverse": "original_reference",
    "refund": "original_reference",
    "payout": "beneficiary",
}


def decode(raw: bytes, kind: type[T]) -> T:
    """Parse a body; a refusal names the field."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        detail = str(error)
        raise InvalidRequest(detail, param=field_of(detail)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from None


def field_of(detail: str) -> str | None:
    """The field in msgspec's message: `… field `x`` or `… - at `$.a.b``, or both."""
    message, _, path = detail.partition(" - at `$")
    parent = path.rstrip("`").lstrip(".")
    named = message.split("field `", 1)[1].rstrip("`") if "field `" in message else ""
    return ".".join(part for part in (parent, named) if part) or None


def check_shape(rail: Rail, operation: Operation, request: OperationRequest) -> None:
    """Refuse a request that lacks the part its operation needs or has one it cannot have."""
    if (operation == "payout") != (rail.method == "payout"):
        raise InvalidRequest(f"rail {rail.name} does not offer {operation}", param="operation")
    needed = rail.method if operation == "authorize" else _NEEDS[operation]
    for part in ("original_reference", "upi", "card", "beneficiary"):
        present = getattr(request, part) is not None
        if present and part != needed:
            raise InvalidRequest(f"{operation} on {rail.name} takes no {part}", param=part)
        if not present and part == needed:
            raise InvalidRequest(f"{operation} on {rail.name} needs {part}", param=part)
    upi = request.upi
    if upi is not None and upi.flow == "collect" and upi.payer_vpa is None:
        raise InvalidRequest("a collect request needs the payer's VPA", param="upi.payer_vpa")
