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
TransactionId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{35}\Z")]
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
    mandate: Reference | None = None  # a debit under it
    factor_required: bool = False  # with the payer's PIN all the same


class MandatePart(Struct, frozen=True, forbid_unknown_fields=True):
    """What the payer is asked to permit; the amount is that of the request."""

    amount_rule: Literal["exact", "max"]
    frequency: Annotated[str, Meta(pattern=r"^[a-z_]{1,20}\Z")]
    start_on: date
    end_on: date
    name: ShortText
    debit_rule: Literal["on", "before", "after"] | None = None
    debit_day: Annotated[int, Meta(ge=1, le=31)] | None = None


class CardPart(Struct, frozen=True, forbid_unknown_fields=True):
    pan: Annotated[str, Meta(pattern=r"^[0-9]{12,19}$")]
    exp_month: Annotated[int, Meta(ge=1, le=12)]
    exp_year: Annotated[int, Meta(ge=2000, le=2099)]
    cvc: Annotated[str, Meta(pattern=r"^[0-9]{3,4}\Z")] | None = None
    cryptogram: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{4,100}={0,2}\Z")] | None = None
    eci: Annotated[str, Meta(pattern=r"^0[0-7]\Z")] | None = None

    def __repr__(self) -> str:
        return "CardPart(…)"


class Beneficiary(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account with its IFSC, or a VPA."""

    name: Annotated[str, Meta(pattern=_PRINTABLE, max_length=100)]
    account: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{4,34}$")] | None = None
    ifsc: Annotated[str, Meta(pattern=r"^[A-Za-z]{4}0[A-Za-z0-9]{6}$")] | None = None
    vpa: Vpa | None = None


class NameRequest(Struct, frozen=True, forbid_unknown_fields=True):
    beneficiary: Beneficiary


class NameAnswer(Struct, frozen=True):
    name: str


class OperationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    reference: Reference
    amount: AmountMinor
    currency: Literal["INR"]
    original_reference: Reference | None = None
    capture: bool = True
    kind: Literal["p2m", "p2p"] = "p2m"  # to a merchant of the gateway's, or between people
    upi: UpiPart | None = None
    card: CardPart | None = None
    beneficiary: Beneficiary | None = None
    mandate: MandatePart | None = None
    mode: Literal["upi", "imps", "neft", "rtgs"] | None = None  # of a payout; else NEFT
    purpose: Annotated[str, Meta(pattern=r"^[0-9A-Z]{2}\Z")] | None = None
    return_url: Annotated[str, Meta(pattern=r"^https?://\S+\Z", max_length=2048)] | None = None
    txn_id: TransactionId | None = None  # of UPI; without one the bank makes it


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
    beneficiary_name: str | None = None  # of a payout that was paid


class PayerAction(Struct, frozen=True, forbid_unknown_fields=True):
    """`funding`: what a UPI payer chooses in their app."""

    reference: Reference
    funding: Funding = "bank"


class ScanLink(Struct, frozen=True, forbid_unknown_fields=True):
    """A link or QR code of a payment, and what its payer does with it."""

    link: Annotated[str, Meta(max_length=4096)]
    approve: bool = True
    funding: Funding = "bank"


class OpenDispute(Struct, frozen=True, forbid_unknown_fields=True):
    """Without an amount, all that is left of the payment."""

    original_reference: Reference
    amount: AmountMinor | None = None
    reason_code: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,20}\Z")] | None = None


class Evidence(Struct, frozen=True, forbid_unknown_fields=True):
    evidence: Annotated[str, Meta(min_length=1, max_length=50_000)]


class Notice(Struct, frozen=True, forbid_unknown_fields=True):
    """What the payer is told before a debit; `reference` is the gateway's execution."""

    reference: Reference
    amount: AmountMinor
    currency: Literal["INR"]
    debit_from: Annotated[datetime, Meta(tz=True)]


class MandateView(Struct, frozen=True):
    reference: str
    status: str
    umn: str


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
    wrong_status: SmallCount = 0


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
    "release": "original_reference",
    "extend": "original_reference",
    "reverse": "original_reference",
    "refund": "original_reference",
    "payout": "beneficiary",
    "mandate": "upi",
    "mandate_revoke": "original_reference",
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
    if request.beneficiary is not None:
        check_beneficiary(request.beneficiary, request.mode)
    if request.txn_id is not None and rail.method != "upi":
        raise InvalidRequest("a UPI transaction id belongs to UPI", param="txn_id")
    if request.kind == "p2p":
        _check_p2p(rail, operation, request)
    _check_mandate(rail, operation, request)
    upi = request.upi
    nobody = upi is not None and upi.payer_vpa is None and upi.mandate is None
    if upi is not None and upi.flow == "collect" and nobody:
        raise InvalidRequest("a collect request needs the payer's VPA", param="upi.payer_vpa")


def _check_mandate(rail: Rail, operation: Operation, request: OperationRequest) -> None:
    """By UPI alone; a mandate has terms, and nothing else has."""
    if operation.startswith("mandate") and rail.method != "upi":
        raise InvalidRequest(f"rail {rail.name} does not offer {operation}", param="operation")
    if (operation == "mandate") != (request.mandate is not None):
        raise InvalidRequest("a mandate, and nothing else, has terms", param="mandate")


def check_beneficiary(payee: Beneficiary, mode: str | None) -> None:
    """An account is reached by IMPS, NEFT and RTGS, a VPA by UPI."""
    if (payee.account is None) != (payee.ifsc is None):
        raise InvalidRequest("an account has an IFSC", param="beneficiary.ifsc")
    if (payee.account is None) == (payee.vpa is None):
        raise InvalidRequest("an account, or a VPA", param="beneficiary.vpa")
    if mode is not None and (mode == "upi") != (payee.vpa is not None):
        raise InvalidRequest(f"{mode} does not reach it", param="mode")


def _check_p2p(rail: Rail, operation: Operation, request: OperationRequest) -> None:
    """Between people: by UPI, from a payer who is known, at once. There is no collect."""
    upi = request.upi
    if rail.method != "upi" or operation != "authorize" or upi is None:
        raise InvalidRequest(f"{operation} on {rail.name} is not between people", param="kind")
    if upi.payer_vpa is None or not upi.payee_vpa:
        raise InvalidRequest("a transfer names both people", param="upi.payer_vpa")
    if upi.flow == "collect":
        raise InvalidRequest("people do not collect from each other", param="upi.flow")
    if not request.capture:
        raise InvalidRequest("a transfer is not held", param="capture")
