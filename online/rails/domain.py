"""What a rail is asked and what it may answer: the contract between payments and every adapter.

A rail never raises for trouble on the way: it answers with an `Outcome`. The one question that
matters for money is whether the effect may have happened, so `unknown` is an answer of its own,
given whenever a request may have reached the other side and no readable answer came back.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol
from uuid import UUID

from msgspec import Struct, structs

from online.rails.mandates import MandateNotice, MandateTerms, RailMandate


class Operation(StrEnum):
    """What changes something at the rail; an enquiry changes nothing and is not one."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    RELEASE = "release"  # a part of what is authorized
    EXTEND = "extend"  # the time of an authorization
    REVERSE = "reverse"
    REFUND = "refund"
    PAYOUT = "payout"
    MANDATE = "mandate"  # the payer is asked for a standing permission
    MANDATE_REVOKE = "mandate_revoke"


class OutcomeKind(StrEnum):
    APPROVED = "approved"
    DECLINED = "declined"  # a business answer: funds, PIN, fraud; final, never cascades
    PENDING = "pending"  # the payer (or the rail) has still to act
    FAILED = "failed"  # a definite technical failure: nothing was done, another route may try
    UNKNOWN = "unknown"  # it may have happened: keep the holds, enquire, never send again
    DEEMED = "deemed"  # the payer was debited, the credit is not confirmed: settled as a success
    NOT_FOUND = "not_found"  # an enquiry only: the rail does not know the reference (yet)


class NextAction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the payer has to do, such as open a UPI link or scan it as a QR code."""

    type: Literal["upi_intent", "upi_qr", "redirect"]
    link: str  # upi://… or the page of the card's bank
    qr: str | None = None  # what a QR code has to hold, for UPI
    return_url: str | None = None  # where the page sends the payer afterwards


Authentication = Literal["challenged", "frictionless", "attempted", "failed", "none"]
UpiFunding = Literal["bank", "ppi", "rupay_credit", "credit_line"]


class CardChecks(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the issuer said beside yes or no, as letters and numbers of the networks.

    `cvc`: M match, N no match, P not processed, S should be there, U not supported. `avs`: Y, A,
    Z, N, U and more. `eci`: 05/06/07 (Visa, Amex, JCB, RuPay) or 02/01/00 (Mastercard): fully
    authenticated, attempted, not authenticated.
    """

    avs: str | None = None
    cvc: str | None = None
    eci: str | None = None
    authentication: Authentication | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """One answer. `decline_code`, `message` and `retryable` come from the code table, so that
    each rail's dialect reads alike; `code` is what the rail itself said.
    """

    kind: OutcomeKind
    code: str
    message: str = ""
    rail_reference: str | None = None  # RRN; a payout's UTR
    network_reference: str | None = None  # UPI transaction id, ARN
    auth_code: str | None = None
    decline_code: str | None = None
    retryable: bool = False
    next_action: NextAction | None = None
    checks: CardChecks | None = None
    funding: str | None = None  # of a UPI payment: bank, ppi, rupay_credit, credit_line
    payee_name: str | None = None  # of a payout: whose account it is, as the bank has it

    @property
    def is_final(self) -> bool:
        """Whether the payment can move on without asking the rail again."""
        return self.kind in (OutcomeKind.APPROVED, OutcomeKind.DECLINED, OutcomeKind.FAILED)


class VpaReference(Struct, frozen=True, kw_only=True):
    """Which VPA, never the text: the adapter asks its source at the last moment. `purpose` names
    the kind of object that `id` is of (`handle`, `delegation`)."""

    purpose: str
    id: UUID
    merchant_id: UUID

    def __repr__(self) -> str:
        return f"VpaReference(id={self.id!r})"


class Upi(Struct, frozen=True, kw_only=True):
    """How a UPI payment reaches the payer's app; the payer by a VPA, or by a reference to one."""

    flow: Literal["intent", "qr", "collect"]
    payee_vpa: str
    payer_vpa: str | None = None
    payer: VpaReference | None = None
    payee: VpaReference | None = None  # of a person; `payee_vpa` is empty then
    note: str = ""
    payee_name: str | None = None  # what the payer's app shows
    mcc: str | None = None  # of the payee; a merchant's link must have it
    mandate: str | None = None  # the attempt that asked for the mandate this is a debit of
    factor_required: bool = False  # such a debit needs the payer's PIN all the same

    def to(self, payee_name: str, mcc: str) -> "Upi":
        """The same, naming whom the payer pays."""
        return structs.replace(self, payee_name=payee_name, mcc=mcc)

    def __repr__(self) -> str:
        return f"Upi(flow={self.flow!r})"


class CardReference(Struct, frozen=True, kw_only=True):
    """Which card, never its number: the adapter asks its `CardSource` at the last moment.

    `cvc` and `cryptogram` are good for this one authorization: passed on, never stored.
    """

    token_id: UUID
    merchant_id: UUID
    cvc: "SecretText | None" = None
    cryptogram: "SecretText | None" = None
    eci: str | None = None  # that came with the cryptogram

    def __repr__(self) -> str:
        return f"CardReference(token_id={self.token_id!r})"


class Beneficiary(Struct, frozen=True, kw_only=True):
    """A bank account that a payout goes to."""

    account: str
    ifsc: str
    name: str

    def __repr__(self) -> str:
        return f"Beneficiary(ifsc={self.ifsc!r})"


class VpaBeneficiary(Struct, frozen=True, kw_only=True):
    """A UPI address that a payout goes to."""

    vpa: str
    name: str

    def __repr__(self) -> str:
        return "VpaBeneficiary(…)"


Payee = Beneficiary | VpaBeneficiary
PayoutMode = Literal["upi", "imps", "neft", "rtgs"]


class AuthorizeRequest(Struct, frozen=True, kw_only=True):
    """`reference` is the attempt's TypeID: the rail's idempotency key and its order reference.

    `kind`: to a merchant of ours, or from one person to another (`p2p`), where none of the money
    is settled to us.
    """

    reference: str
    amount_minor: int
    currency: str
    capture: bool  # capture at once, in the same call
    upi: Upi | None = None
    card: CardReference | None = None
    return_url: str | None = None  # after a challenge
    kind: Literal["p2m", "p2p"] = "p2m"


class CaptureRequest(Struct, frozen=True, kw_only=True):
    reference: str
    original_reference: str  # the authorizing attempt
    amount_minor: int
    currency: str


class VoidRequest(Struct, frozen=True, kw_only=True):
    reference: str
    original_reference: str  # the authorizing attempt
    amount_minor: int
    currency: str


class ReleaseRequest(Struct, frozen=True, kw_only=True):
    """Lets a part of an authorization go; the rest stays."""

    reference: str
    original_reference: str  # the authorizing attempt
    amount_minor: int
    currency: str


class ExtendRequest(Struct, frozen=True, kw_only=True):
    """Keeps what is left of an authorization for as long again as the network's rule says."""

    reference: str
    original_reference: str  # the authorizing attempt
    amount_minor: int  # what is left
    currency: str


class ReverseRequest(Struct, frozen=True, kw_only=True):
    """Undoes a whole payment that is not settled yet, as if it had never been."""

    reference: str
    original_reference: str  # the authorizing attempt
    amount_minor: int  # all that was captured
    currency: str


class RefundRequest(Struct, frozen=True, kw_only=True):
    reference: str
    original_reference: str  # the attempt that captured
    amount_minor: int
    currency: str


class PayoutRequest(Struct, frozen=True, kw_only=True):
    """Without a mode, the bank's usual one. `purpose` is UPI's code of what it is for."""

    reference: str
    amount_minor: int
    currency: str
    beneficiary: Payee
    mode: PayoutMode | None = None
    purpose: str | None = None


class MandateRequest(Struct, frozen=True, kw_only=True):
    """Asks the payer for a mandate; it is known by `reference` from then on."""

    reference: str
    amount_minor: int  # each debit at most, or exactly
    currency: str
    upi: Upi
    terms: MandateTerms


class MandateRevokeRequest(Struct, frozen=True, kw_only=True):
    reference: str
    original_reference: str  # the attempt that asked for the mandate
    amount_minor: int
    currency: str


RailRequest = (
    AuthorizeRequest
    | CaptureRequest
    | VoidRequest
    | ReleaseRequest
    | ExtendRequest
    | ReverseRequest
    | RefundRequest
    | PayoutRequest
    | MandateRequest
    | MandateRevokeRequest
)


class NameFound(Struct, frozen=True, kw_only=True):
    """Whose account it is, as the bank has it; None: there is no such account."""

    name: str | None

    def __repr__(self) -> str:
        return f"NameFound(found={self.name is not None})"


class RailDispute(Struct, frozen=True, kw_only=True):
    """A dispute as the rail knows it; amounts in minor units."""

    reference: str
    original_reference: str  # the attempt that authorized the payment
    amount_minor: int
    currency: str
    reason_code: str
    status: Literal["open", "won", "lost"]
    respond_by: datetime


class Rail(Protocol):
    """One way to move money. Every method may be called again with the same reference: the
    rail performs it once and repeats its answer.
    """

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[Operation]: ...

    async def authorize(self, request: AuthorizeRequest) -> Outcome: ...

    async def capture(self, request: CaptureRequest) -> Outcome: ...

    async def void(self, request: VoidRequest) -> Outcome: ...

    async def release(self, request: ReleaseRequest) -> Outcome: ...

    async def extend(self, request: ExtendRequest) -> Outcome: ...

    async def reverse(self, request: ReverseRequest) -> Outcome: ...

    async def refund(self, request: RefundRequest) -> Outcome: ...

    async def payout(self, request: PayoutRequest) -> Outcome: ...

    async def name_of(self, payee: Payee) -> NameFound | None:
        """Whose account this is; None where the rail does not answer. Moves no money."""
        ...

    async def create_mandate(self, request: MandateRequest) -> Outcome: ...

    async def revoke_mandate(self, request: MandateRevokeRequest) -> Outcome: ...

    async def notify_payer(self, notice: MandateNotice) -> bool:
        """Tells the payer of a debit; whether the rail has taken it. May be called again."""
        ...

    async def mandate(self, reference: str) -> RailMandate | None:
        """A mandate by its reference; None where the rail knows none or does not answer."""
        ...

    async def enquire(self, reference: str) -> Outcome:
        """What became of `reference`; `not_found` is not yet proof that nothing happened."""
        ...

    async def dispute(self, reference: str) -> RailDispute | None:
        """A dispute by the rail's reference; None where it knows none or does not answer."""
        ...

    async def contest(self, reference: str, evidence: str) -> bool:
        """Hands evidence in; whether the rail has taken it. May be called again."""
        ...


class SecretText(Protocol):
    """Text that does not print itself."""

    def reveal(self) -> str: ...


class ClearCard(Protocol):
    @property
    def pan(self) -> SecretText: ...

    @property
    def exp_month(self) -> int: ...

    @property
    def exp_year(self) -> int: ...


class CardSource(Protocol):
    """Where an adapter gets what is secret; `vault` fulfils it, wired in `app.py`."""

    async def reveal(self, token_id: UUID, merchant_id: UUID) -> ClearCard: ...

    async def open_vpa(self, reference: VpaReference) -> SecretText: ...
