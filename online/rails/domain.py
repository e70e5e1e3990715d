"""What a rail is asked and what it may answer: the contract between payments and every adapter.

A rail never raises for trouble on the way: it answers with an `Outcome`. The one question that
matters for money is whether the effect may have happened, so `unknown` is an answer of its own,
given whenever a request may have reached the other side and no readable answer came back.
"""

from enum import StrEnum
from typing import Literal, Protocol
from uuid import UUID

from msgspec import Struct


class Operation(StrEnum):
    """What changes something at the rail; an enquiry changes nothing and is not one."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    PAYOUT = "payout"


class OutcomeKind(StrEnum):
    APPROVED = "approved"
    DECLINED = "declined"  # a business answer: funds, PIN, fraud; final, never cascades
    PENDING = "pending"  # the payer (or the rail) has still to act
    FAILED = "failed"  # a definite technical failure: nothing was done, another route may try
    UNKNOWN = "unknown"  # it may have happened: keep the holds, enquire, never send again
    NOT_FOUND = "not_found"  # an enquiry only: the rail does not know the reference (yet)


class NextAction(Struct, frozen=True, kw_only=True):
    """What the payer has to do, such as open a UPI link or scan it as a QR code."""

    type: Literal["upi_intent", "upi_qr"]
    link: str


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

    @property
    def is_final(self) -> bool:
        """Whether the payment can move on without asking the rail again."""
        return self.kind in (OutcomeKind.APPROVED, OutcomeKind.DECLINED, OutcomeKind.FAILED)


class Upi(Struct, frozen=True, kw_only=True):
    """How a UPI payment reaches the payer's app."""

    flow: Literal["intent", "qr", "collect"]
    payee_vpa: str
    payer_vpa: str | None = None
    note: str = ""

    def __repr__(self) -> str:
        return f"Upi(flow={self.flow!r})"


class CardReference(Struct, frozen=True, kw_only=True):
    """Which card, never its number: the adapter asks its `CardSource` at the last moment."""

    token_id: UUID
    merchant_id: UUID


class Beneficiary(Struct, frozen=True, kw_only=True):
    account: str
    ifsc: str
    name: str

    def __repr__(self) -> str:
        return f"Beneficiary(ifsc={self.ifsc!r})"


class AuthorizeRequest(Struct, frozen=True, kw_only=True):
    """`reference` is the attempt's TypeID: the rail's idempotency key and its order reference."""

    reference: str
    amount_minor: int
    currency: str
    capture: bool  # capture at once, in the same call
    upi: Upi | None = None
    card: CardReference | None = None


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


class RefundRequest(Struct, frozen=True, kw_only=True):
    reference: str
    original_reference: str  # the attempt that captured
    amount_minor: int
    currency: str


class PayoutRequest(Struct, frozen=True, kw_only=True):
    reference: str
    amount_minor: int
    currency: str
    beneficiary: Beneficiary


RailRequest = AuthorizeRequest | CaptureRequest | VoidRequest | RefundRequest | PayoutRequest


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

    async def refund(self, request: RefundRequest) -> Outcome: ...

    async def payout(self, request: PayoutRequest) -> Outcome: ...

    async def enquire(self, reference: str) -> Outcome:
        """What became of `reference`; `not_found` is not yet proof that nothing happened."""
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
    """Where an adapter gets card data from; `vault` fulfils it, wired in `app.py`."""

    async def reveal(self, token_id: UUID, merchant_id: UUID) -> ClearCard: ...
