"""The bank of a simulation: one set of records behind every rail, with faults told beforehand.

What happens to a request is decided by a `Plan` that the workload made from its seed, never by the
moment at which it arrives. The bank believes nobody: a request that would take more than was
authorized, or give back more than was taken, is written down as a `violation`.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from online.rails.domain import (
    AuthorizeRequest,
    CaptureRequest,
    ExtendRequest,
    MandateRequest,
    MandateRevokeRequest,
    NameFound,
    Operation,
    Outcome,
    OutcomeKind,
    Payee,
    PayoutRequest,
    RailDispute,
    RailRequest,
    RefundRequest,
    ReleaseRequest,
    ReverseRequest,
    VoidRequest,
)
from online.rails.mandates import MandateNotice, RailMandate

# A request that did not arrive within the rail's window is never taken in afterwards; that is
# what makes "not found" final for the gateway.
WINDOW = timedelta(seconds=290)


class Fate(StrEnum):
    """What becomes of a request at the bank."""

    DONE = "done"
    DECLINED = "declined"
    FAILED = "failed"
    LOST = "lost"  # never arrives, nobody says so
    LATE = "late"  # arrives after a while, nobody says so
    WAITS = "waits"  # until the payer, or the bank, has acted
    WAITS_IN_VAIN = "waits_in_vain"  # and then says no
    DEEMED = "deemed"  # the payer is debited, and the payee's bank says yes later
    DEEMED_IN_VAIN = "deemed_in_vain"  # and then sends it back


@dataclass(frozen=True)
class Plan:
    """`silent`: the answer is lost on its way. `hold`: the call hangs, before or after it counts.

    `deaf`: so many enquiries are not answered.
    """

    fate: Fate = Fate.DONE
    silent: bool = False
    hold: str = ""
    delay: timedelta = timedelta(seconds=60)
    deaf: int = 0

    def __str__(self) -> str:
        parts = [self.fate, "silent" * self.silent, self.hold and f"hangs {self.hold}"]
        return " ".join(part for part in (*parts, f"deaf {self.deaf}" * bool(self.deaf)) if part)


@dataclass
class Record:
    """One operation as the bank's own books have it."""

    reference: str
    operation: Operation
    rail: str
    amount: int
    original: str | None
    captures: bool  # an authorization that captures at once
    asked_at: datetime
    plan: Plan
    state: str = "absent"  # absent | waits | done | declined | failed | withdrawn
    settled_at: datetime | None = None
    turned: bool = False  # its no has become a yes
    sent_back: bool = False  # it was taken, and went back by itself


@dataclass
class Hanging:
    """A call on the line: `let_go` makes the bank go on with it."""

    reference: str
    let_go: asyncio.Event = field(default_factory=asyncio.Event)


_FINAL = {
    "done": OutcomeKind.APPROVED,
    "declined": OutcomeKind.DECLINED,
    "withdrawn": OutcomeKind.DECLINED,
    "failed": OutcomeKind.FAILED,
    "waits": OutcomeKind.PENDING,
    "deemed": OutcomeKind.DEEMED,
}
_MANDATES = {Operation.MANDATE, Operation.MANDATE_REVOKE}
_SAYS = {
    OutcomeKind.APPROVED: "00",
    OutcomeKind.DECLINED: "05",
    OutcomeKind.FAILED: "96",
    OutcomeKind.PENDING: "01",
    OutcomeKind.DEEMED: "RB",
    OutcomeKind.UNKNOWN: "no_answer",
    OutcomeKind.NOT_FOUND: "not_found",
}


class Bank:
    """Everything the rails of one simulation know."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.records: dict[str, Record] = {}
        self.later: defaultdict[str, list[Record]] = defaultdict(list)  # by their authorization
        self.disputes: dict[str, RailDispute] = {}
        self.plans: list[Plan] = []
        self.nameless = 0  # so many times it does not say whose account it is
        self.asked: list[Record] = []
        self.told: list[tuple[str, OutcomeKind]] = []  # every answer, in order
        self.hanging: dict[str, Hanging] = {}
        self.violations: list[str] = []
        self.stirred = asyncio.Event()  # set whenever a call begins to hang

    # ── what the gateway asks ────────────────────────────────────────────────────────────

    async def take(self, rail: str, operation: Operation, request: RailRequest) -> Outcome:
        plan = self.plans.pop(0) if self.plans else Plan()
        record = self._receive(rail, operation, request, plan)
        if plan.hold == "before":
            await self._hang(record)
            if self.now() - record.asked_at > WINDOW:
                record.state = "failed"
        if plan.fate in {Fate.WAITS, Fate.WAITS_IN_VAIN} and record.state == "absent":
            record.state = "waits"
        elif plan.fate in {Fate.DEEMED, Fate.DEEMED_IN_VAIN} and record.state == "absent":
            record.state = "deemed"
        elif plan.fate not in {Fate.LOST, Fate.LATE}:
            self._settle(record)
        if plan.hold == "after":
            await self._hang(record)
        if plan.silent or record.state == "absent":
            return self._say(record.reference, OutcomeKind.UNKNOWN)
        return self._tell(record)

    async def enquire(self, reference: str) -> Outcome:
        record = self.records.get(reference)
        if record is None:
            return self._say(reference, OutcomeKind.NOT_FOUND)
        self._arrive(record)
        if record.plan.deaf:
            record.plan = Plan(record.plan.fate, delay=record.plan.delay, deaf=record.plan.deaf - 1)
            return self._say(reference, OutcomeKind.UNKNOWN)
        return self._tell(record)

    def calls_back(self, reference: str) -> tuple[str, str]:
        """Status and code as the rail tells them by itself; what goes on is no news."""
        kind = _FINAL.get(self.records[reference].state, OutcomeKind.PENDING)
        if kind is not OutcomeKind.PENDING:
            self._say(reference, kind)
        # The switch has no status for what is deemed: its code says so.
        return "failed" if kind is OutcomeKind.DEEMED else str(kind), _SAYS[kind]

    def _receive(self, rail: str, operation: Operation, request: RailRequest, plan: Plan) -> Record:
        reference = request.reference
        record = Record(
            reference=reference,
            operation=operation,
            rail=rail,
            amount=request.amount_minor,
            original=getattr(request, "original_reference", None),
            captures=getattr(request, "capture", False),
            asked_at=self.now(),
            plan=plan,
        )
        if reference in self.records:
            self.violations.append(f"{reference} was sent twice")
        self._check(record)
        self.records[reference] = record
        if record.original:
            self.later[record.original].append(record)
        self.asked.append(record)
        return record

    def _check(self, record: Record) -> None:
        """Whether the gateway may ask this at all, counting all that may still happen."""
        if record.operation in {Operation.AUTHORIZE, Operation.PAYOUT, *_MANDATES}:
            return
        original = self.records.get(record.original or "")
        if original is None:
            self.violations.append(f"{record.operation} of an unknown {record.original}")
            return
        open_ = Counter[Operation]()
        for each in self.later[original.reference]:
            self._arrive(each)
            open_[each.operation] += each.amount * self._may_count(each)
        taken = self.taken(original.reference)
        if any(each.turned for each in self.later[original.reference]):
            return  # it cannot be held to what we have contradicted ourselves about
        match record.operation:
            case Operation.CAPTURE | Operation.RELEASE if (
                open_[Operation.CAPTURE] + open_[Operation.RELEASE] + record.amount
                > original.amount
            ):
                self.violations.append(f"more taken or let go than authorized: {record}")
            case Operation.REFUND if open_[Operation.REFUND] + record.amount > taken:
                self.violations.append(f"more refunded than taken: {record}")
            case Operation.REVERSE if open_[Operation.REFUND] or record.amount != taken:
                self.violations.append(f"a reversal of what is not whole: {record}")

    def _may_count(self, record: Record) -> bool:
        """Whether it took effect, or still may."""
        if record.state == "absent":
            in_time = self.now() - record.asked_at <= WINDOW
            return in_time and record.plan.fate is not Fate.LOST
        return record.state in {"waits", "done"}

    # ── what becomes of it ───────────────────────────────────────────────────────────────

    def _arrive(self, record: Record) -> None:
        late = record.plan.fate is Fate.LATE and record.state == "absent"
        if late and self.now() - record.asked_at >= record.plan.delay:
            self._settle(record)

    def _settle(self, record: Record) -> None:
        if record.state not in {"absent", "waits", "deemed"}:
            return
        no = {Fate.DECLINED: "declined", Fate.WAITS_IN_VAIN: "declined", Fate.FAILED: "failed"}
        no[Fate.DEEMED_IN_VAIN] = "declined"
        record.settled_at = self.now()
        record.sent_back = record.state == "deemed" and record.plan.fate in no
        record.state = no.get(record.plan.fate) or ("done" if self._can(record) else "declined")
        if record.state == "done" and record.operation is Operation.VOID:
            original = self.records[record.original or ""]
            original.state = "withdrawn"

    def _can(self, record: Record) -> bool:
        """As a bank would see it: the second of two that exclude each other is declined."""
        original = self.records.get(record.original or "")
        if record.operation in _MANDATES:
            return True
        if original is None:
            return record.operation in {Operation.AUTHORIZE, Operation.PAYOUT}
        taken, back = self.taken(original.reference), self.given_back(original.reference)
        if record.operation is Operation.VOID:
            return original.state in {"waits", "done", "withdrawn"} and not taken
        if original.state not in {"done", "deemed"} or self.reversed(original.reference):
            return False
        match record.operation:
            case Operation.CAPTURE | Operation.RELEASE:
                gone = taken + self._sum(original.reference, Operation.RELEASE)
                return gone + record.amount <= original.amount
            case Operation.EXTEND:
                return True
            case Operation.REFUND:
                return back + record.amount <= taken
            case _:
                return back == 0 and record.amount == taken

    def may_turn(self, record: Record) -> bool:
        """Whether the bank may have done after all what it had said no to.

        It never takes more than was authorized; money it may give back twice.
        """
        if record.state in {"waits", "done", "deemed"} or record.reference in self.hanging:
            return False
        if record.original is None:
            return True
        return record.operation in {Operation.REFUND, Operation.REVERSE} or self._can(record)

    def turn(self, record: Record) -> None:
        if record.state != "done":
            record.plan = Plan()
            record.state, record.settled_at, record.turned = "done", self.now(), True
            if record.operation is Operation.VOID:
                self.records[record.original or ""].state = "withdrawn"

    def act(self, reference: str) -> None:
        """The payer, or the bank itself, has acted: what waited is decided."""
        record = self.records[reference]
        if record.state in {"waits", "deemed"}:
            self._settle(record)

    def waiting(self) -> list[str]:
        return [e.reference for e in self.records.values() if e.state in {"waits", "deemed"}]

    # ── answers ──────────────────────────────────────────────────────────────────────────

    async def _hang(self, record: Record) -> None:
        hanging = self.hanging[record.reference] = Hanging(record.reference)
        self.stirred.set()
        try:
            await hanging.let_go.wait()
        except asyncio.CancelledError:
            if record.state == "absent":  # it died with its caller, before it arrived
                record.plan = Plan(Fate.LOST)
            raise
        finally:
            self.hanging.pop(record.reference, None)

    def _tell(self, record: Record) -> Outcome:
        return self._say(record.reference, _FINAL.get(record.state, OutcomeKind.NOT_FOUND))

    def _say(self, reference: str, kind: OutcomeKind) -> Outcome:
        self.told.append((reference, kind))
        known = kind is OutcomeKind.APPROVED
        return Outcome(
            kind=kind,
            code=_SAYS[kind],
            decline_code="do_not_honor" if kind is OutcomeKind.DECLINED else None,
            rail_reference=f"{len(self.told):012d}" if known else None,
        )

    # ── sums, for whoever audits us ──────────────────────────────────────────────────────

    def _sum(self, original: str, *operations: Operation) -> int:
        return sum(
            each.amount
            for each in self.later[original]
            if each.operation in operations and each.state == "done"
        )

    def taken(self, authorization: str) -> int:
        record = self.records[authorization]
        if record.captures:
            there = record.state in {"done", "deemed"}
            return record.amount * (there + record.sent_back)
        return self._sum(authorization, Operation.CAPTURE)

    def given_back(self, authorization: str) -> int:
        record = self.records[authorization]
        by_itself = record.amount if record.captures and record.sent_back else 0
        return by_itself + self._sum(authorization, Operation.REFUND, Operation.REVERSE)

    def reversed(self, authorization: str) -> int:
        return self._sum(authorization, Operation.REVERSE)


class BankRail:
    """One rail to the bank."""

    def __init__(self, name: str, bank: Bank) -> None:
        self._name = name
        self._bank = bank

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> frozenset[Operation]:
        return frozenset(Operation)

    async def authorize(self, request: AuthorizeRequest) -> Outcome:
        return await self._bank.take(self._name, Operation.AUTHORIZE, request)

    async def capture(self, request: CaptureRequest) -> Outcome:
        return await self._bank.take(self._name, Operation.CAPTURE, request)

    async def void(self, request: VoidRequest) -> Outcome:
        return await self._bank.take(self._name, Operation.VOID, request)

    async def release(self, request: ReleaseRequest) -> Outcome:
        return await self._bank.take(self._name, Operation.RELEASE, request)

    async def extend(self, request: ExtendRequest) -> Outcome:
        return await self._bank.take(self._name, Operation.EXTEND, request)

    async def reverse(self, request: ReverseRequest) -> Outcome:
        return await self._bank.take(self._name, Operation.REVERSE, request)

    async def refund(self, request: RefundRequest) -> Outcome:
        return await self._bank.take(self._name, Operation.REFUND, request)

    async def payout(self, request: PayoutRequest) -> Outcome:
        return await self._bank.take(self._name, Operation.PAYOUT, request)

    async def name_of(self, payee: Payee) -> NameFound | None:
        if self._bank.nameless:
            self._bank.nameless -= 1
            return None
        return NameFound(name=payee.name)

    async def create_mandate(self, request: MandateRequest) -> Outcome:
        return await self._bank.take(self._name, Operation.MANDATE, request)

    async def revoke_mandate(self, request: MandateRevokeRequest) -> Outcome:
        return await self._bank.take(self._name, Operation.MANDATE_REVOKE, request)

    async def notify_payer(self, notice: MandateNotice) -> bool:
        return notice.mandate in self._bank.records

    async def mandate(self, reference: str) -> RailMandate | None:
        return None  # its payers do nothing by themselves

    async def enquire(self, reference: str) -> Outcome:
        return await self._bank.enquire(reference)

    async def dispute(self, reference: str) -> RailDispute | None:
        return self._bank.disputes.get(reference)

    async def contest(self, reference: str, evidence: str) -> bool:
        return reference in self._bank.disputes
