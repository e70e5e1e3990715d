"""What a break looks like on the wire: lines from reconciliation, views and requests of finance."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from online.breaks.domain import Age, Break, Finding, age_bucket
from online.breaks.store import Logged
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.platform.wire import Int64, Text, WireStruct

# Every generation before it comes with two events: a slip must not make a million of them.
Generation = Annotated[int, Meta(ge=1, le=1_000)]
BreakKind = Literal[
    "duplicate_internal",
    "duplicate_external",
    "currency_mismatch",
    "amount_mismatch",
    "status_mismatch",
    "fee_mismatch",
    "tax_mismatch",
    "reversed_unpaired",
    "timing",
    "missing_internal",
    "missing_external",
    "unexpected_credit",
]


Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Amount = Annotated[int, Meta(ge=-(10**15), le=10**15, description="minor units, credit positive")]
Word = Annotated[str, Meta(pattern=r"^[a-z][a-z_]{0,39}\Z")]
Passage = Annotated[str, Meta(min_length=1, max_length=2_000)]
SuspenseAccount = Annotated[str, Meta(pattern=r"^suspense:[a-z0-9_]{1,60}\Z")]
StateName = Literal["open", "assigned", "write_off_requested", "resolved", "written_off", "closed"]


class BreakLine(WireStruct, frozen=True, kw_only=True):
    """One break as reconciliation found it; amounts are minor units."""

    break_id: UUID
    kind: BreakKind
    side: Text
    row_ids: Annotated[list[Text], Meta(min_length=1, max_length=10_000)]
    currency: Currency
    business_date: date
    reason: Annotated[str, Meta(max_length=2000)]
    state: Literal["open", "closed"]
    rail: Text | None = None
    reference: Text | None = None
    expected: Int64 | None = None
    actual: Int64 | None = None
    generation: Generation = 1
    cause: Word = "unknown"
    owner: Text = "finance"
    opened_on: date | None = None
    at_stake: Int64 = 0
    suspense: Amount = 0
    suspense_account: SuspenseAccount | None = None
    suspense_cause: UUID | None = None
    tat_due_on: date | None = None
    tat_per_day: Annotated[int, Meta(ge=0, le=10**9)] = 0

    def finding(self) -> Finding:
        return Finding(
            break_id=self.break_id,
            generation=self.generation,
            is_open=self.state == "open",
            opened=ev.BreakOpened(
                kind=self.kind,
                side=self.side,
                row_ids=self.row_ids,
                business_date=self.business_date.isoformat(),
                currency=self.currency,
                reason=self.reason,
                rail=self.rail,
                reference=self.reference,
                expected=self.expected,
                actual=self.actual,
                cause=self.cause,
                owner=self.owner,
                opened_on=_iso(self.opened_on),
                at_stake=self.at_stake,
                suspense=self.suspense if self.suspense_account else 0,
                suspense_account=self.suspense_account,
                suspense_cause=str(self.suspense_cause) if self.suspense_cause else None,
                tat_due_on=_iso(self.tat_due_on),
                tat_per_day=self.tat_per_day,
            ),
        )


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


class BreakAnswer(Struct, frozen=True, kw_only=True):
    break_id: str | None
    status: Literal["posted", "exists", "refused"]
    detail: str | None = None
    param: str | None = None


class SuspenseView(Struct, frozen=True, kw_only=True):
    """What the break put on the account, credit positive; `moved_to` once that was explained or
    written off."""

    account: str
    amount: int
    moved_to: str | None


class TatView(Struct, frozen=True, kw_only=True):
    """The payer was debited: from the day after `due_on` each day costs us `per_day`."""

    due_on: date
    per_day: int
    days: int
    amount: int


class WriteOffView(Struct, frozen=True, kw_only=True):
    reason: str
    requested_by: str
    decided_by: str | None


class BreakView(Struct, frozen=True, kw_only=True):
    """Amounts are minor units of `currency`; the age counts from the business day."""

    id: str
    kind: str
    side: str
    rail: str | None
    reference: str | None
    row_ids: list[str]
    expected: int | None
    actual: int | None
    currency: str
    business_date: date
    reason: str
    state: str
    livemode: bool
    opened_at: datetime
    closed_at: datetime | None
    cause: str
    owner: str
    opened_on: date | None
    age_days: int
    age: Age
    at_stake: int
    suspense: SuspenseView | None
    tat: TatView | None
    explanation: str | None
    write_off: WriteOffView | None
    decided_at: datetime | None

    @classmethod
    def of(cls, found: Break, today: date) -> "BreakView":
        until = business_date(found.closed_at) if found.closed_at else today
        age_days = max(0, (until - found.business_date).days)
        return cls(
            id=ids.encode("brk", found.id),
            kind=found.kind,
            side=found.side,
            rail=found.rail,
            reference=found.reference,
            row_ids=found.row_ids,
            expected=found.expected_minor,
            actual=found.actual_minor,
            currency=found.currency,
            business_date=found.business_date,
            reason=found.reason,
            state=found.state,
            livemode=found.livemode,
            opened_at=found.opened_at,
            closed_at=found.closed_at,
            cause=found.cause,
            owner=found.owner,
            opened_on=found.opened_on,
            age_days=age_days,
            age=age_bucket(age_days),
            at_stake=found.at_stake_minor,
            suspense=_suspense(found),
            tat=_tat(found, today),
            explanation=found.explanation,
            write_off=_write_off(found),
            decided_at=found.decided_at,
        )


def _suspense(found: Break) -> SuspenseView | None:
    if found.suspense_account is None:
        return None
    return SuspenseView(
        account=found.suspense_account, amount=found.suspense_minor, moved_to=found.moved_to
    )


def _tat(found: Break, today: date) -> TatView | None:
    if found.tat_due_on is None:
        return None
    days = found.tat_days(today)
    per_day = found.tat_per_day_minor
    return TatView(due_on=found.tat_due_on, per_day=per_day, days=days, amount=days * per_day)


def _write_off(found: Break) -> WriteOffView | None:
    if found.write_off_reason is None or found.requested_by is None:
        return None
    return WriteOffView(
        reason=found.write_off_reason,
        requested_by=found.requested_by,
        decided_by=found.decided_by,
    )


class HistoryView(Struct, frozen=True, kw_only=True):
    """One thing that happened to the break; `data` as the event schema of its type says."""

    event_type: str
    version: int
    at: datetime
    actor: str | None
    data: dict[str, Any]

    @classmethod
    def of(cls, logged: Logged) -> "HistoryView":
        return cls(**msgspec.structs.asdict(logged))


class BreakDetail(Struct, frozen=True, kw_only=True):
    """The break as it is, and all that happened to it, oldest first."""

    data: BreakView
    history: list[HistoryView]


class BreakPage(Struct, frozen=True, kw_only=True):
    data: list[BreakView]
    has_more: bool


class Assign(WireStruct, frozen=True, kw_only=True):
    owner: Text


class Comment(WireStruct, frozen=True, kw_only=True):
    """No personal data: what is written stays for ever."""

    text: Passage


class Resolve(WireStruct, frozen=True, kw_only=True):
    """`account` is required while the break has money in suspense, such as
    `refunds:upi_hdfc:payable` or `rail:upi_hdfc:receivable`."""

    explanation: Passage
    account: Text | None = None


class WriteOff(WireStruct, frozen=True, kw_only=True):
    """`reason` is one of the list in `config/write_offs.yaml`."""

    reason: Text


class Reject(WireStruct, frozen=True, kw_only=True):
    explanation: Passage | None = None
