"""What there is in a simulation, as its model knows it: amounts in minor units, states by name."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime

from tests.simulation.model_holds import Hold


@dataclass
class Refund:
    name: str
    payment: "Payment"
    amount: int
    id: str | None = None
    status: str = "pending"
    fee: int = 0  # that the merchant got back with it
    tax: int = 0


@dataclass
class Payment:
    """Amounts in minor units. `id` is None as long as no answer has told it."""

    name: str
    merchant: str
    amount: int
    manual: bool
    created_at: datetime
    payer: str  # whose limit it takes from
    intent: "Intent | None" = None
    hold: "Hold | None" = None
    id: str | None = None
    status: str = "processing"
    rail: str = ""
    authorization: str = ""  # the attempt that authorized it
    authorized: int = 0
    captured: int = 0
    capture_open: int = 0
    refunded: int = 0
    refund_open: int = 0
    reversed: int = 0
    late: int = 0  # came when it was over, or had gone on by another way
    late_returned: int = 0
    unplaced_taken: int = 0  # what the bank did beyond all room
    unplaced_back: int = 0
    deemed: str = ""  # told as a success, then confirmed or sent back by the bank
    fee: int = 0
    tax: int = 0
    expires_at: datetime | None = None
    capture_days: set[date] = field(default_factory=set)
    takes: dict[str, int] = field(default_factory=dict)  # of a handle or delegation, by counter

    @property
    def capturable(self) -> int:
        return self.authorized - self.captured - self.capture_open

    @property
    def refundable(self) -> int:
        return self.captured - self.refunded - self.refund_open - self.reversed

    def shown(self) -> dict[str, object]:
        """The fields of the API's answer that we know."""
        return {
            "status": self.status,
            "amount": self.amount,
            "amount_authorized": self.authorized,
            "amount_captured": self.captured,
            "amount_refunded": self.refunded,
            "amount_reversed": self.reversed,
            "amount_late": self.late,
            "amount_late_returned": self.late_returned,
            "deemed": self.deemed == "deemed",
        }


@dataclass
class Dispute:
    name: str
    payment: Payment
    amount: int
    reference: str  # the rail's
    respond_by: datetime
    id: str | None = None
    status: str = "needs_response"
    fee: int = 0

    @property
    def open(self) -> bool:
        return self.status not in {"won", "lost"}


@dataclass
class Intent:
    name: str
    merchant: str
    id: str
    amount: int
    manual: bool
    methods: tuple[str, ...]
    expires_at: datetime
    status: str = "requires_payment_method"
    payment: Payment | None = None

    @property
    def waiting(self) -> bool:
        return self.status in {"requires_payment_method", "requires_confirmation"}

    def follow(self, payment: Payment, now: datetime) -> None:
        """An intent goes along with its payment."""
        over = "expired" if now >= self.expires_at else "canceled"
        after = {
            "requires_action": "requires_action",
            "authorized": "requires_capture",
            "captured": "succeeded",
            "failed": "requires_payment_method",
            "blocked": "requires_payment_method",
            "canceled": over,
            "expired": "expired",
        }
        if self.status not in {"succeeded", "canceled", "expired"}:
            self.payment = payment
            self.status = after.get(payment.status, self.status)


@dataclass
class Attempt:
    """One request at the bank, by its reference."""

    reference: str
    operation: str
    amount: int
    of: "Payment | Refund | Settlement | LateItem"
    sent_at: datetime
    rail: str = ""
    bank_operation: str = ""  # what the bank calls it
    open: bool = True
    verdict: str = ""  # how it ended
    enquired: bool = False  # somebody has asked about it while its call was on the line


@dataclass
class LateItem:
    """What one attempt brought too late, and how far its return is."""

    payment: Payment
    reference: str
    rail: str
    amount: int
    captured: bool
    operation: str  # by which it goes back next
    due_at: datetime | None
    tries: list[str] = field(default_factory=list)
    returning: str = ""  # the try under way
    returned: bool = False
    twice: int = 0  # what went back beyond that

    @property
    def name(self) -> str:
        return f"late money of {self.payment.name}"


@dataclass
class Settlement:
    merchant: str
    day: date  # the last of its period
    payout: int
    reserve: int
    release_on: date
    status: str = "payout_sent"
    released: bool = False

    @property
    def name(self) -> str:
        return f"settlement of {self.merchant} {self.day}"


@dataclass
class Merchant:
    id: str
    exposure: int
    balance: int = 0  # pending account, posted layer
    held: int = 0  # pending account, pending layer
    payable: int = 0
    disputed: int = 0
    returns_fees: bool = False  # with a refund
    days: defaultdict[date, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    settled_until: date = date.min
    # Terms: shares in basis points, of what was captured less what was reversed.
    reserve_bps: int = 0
    reserve_days: int = 0
    tds_bps: int = 0
    min_payout: int = 1
    on_demand: bool = False  # settlements stay payable
    carried: int = 0  # what settled periods left in the pending account
    due: Counter[str] = field(default_factory=Counter)  # and did not take, though it was due
    reserve: int = 0
    tds: int = 0
