"""A settlement's states, its batch and its dates. Pure: events in, rows out."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status
from online.ledger.days import DaySums


class Status(StrEnum):
    CREATED = "created"  # stays so when nothing is owed: the balance is carried forward
    PAYOUT_SENT = "payout_sent"
    PAID = "paid"
    PAYOUT_FAILED = "payout_failed"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.SettlementCreated): S.CREATED,
    (S.CREATED, ev.SettlementPayoutSent): S.PAYOUT_SENT,
    (S.PAYOUT_SENT, ev.SettlementPaid): S.PAID,
    (S.PAYOUT_SENT, ev.SettlementPayoutFailed): S.PAYOUT_FAILED,
}


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `settlements`; amounts in minor units of `currency`."""

    id: UUID
    merchant_id: UUID
    business_date: date
    currency: str
    status: Status
    gross_minor: int
    refunds_minor: int
    disputes_minor: int
    fees_minor: int
    tax_minor: int
    reserve_minor: int
    net_minor: int
    payout_attempt_id: UUID | None
    utr: str | None
    warehouse_snapshot: int | None
    version: int
    livemode: bool
    created_at: datetime


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What offline says a merchant's day amounts to, in minor units; signs as in `DaySums`."""

    merchant_id: UUID
    business_date: date
    currency: str
    sums: DaySums
    reserve_minor: int
    net_minor: int
    count: int
    snapshot: int | None

    @property
    def settlement_id(self) -> UUID:
        merchant = ids.encode("mrc", self.merchant_id)
        return ids.derived("settlement", merchant, self.business_date.isoformat(), self.currency)

    def created(self) -> ev.SettlementCreated:
        return ev.SettlementCreated(
            merchant_id=ids.encode("mrc", self.merchant_id),
            business_date=self.business_date.isoformat(),
            currency=self.currency,
            gross=self.sums.gross_minor,
            refunds=self.sums.refunds_minor,
            disputes=self.sums.disputes_minor,
            fees=self.sums.fees_minor,
            tax=self.sums.tax_minor,
            reserve=self.reserve_minor,
            net=self.net_minor,
            count=self.count,
            warehouse_snapshot=self.snapshot,
        )


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Batch minus books, in minor units; what agrees is zero."""

    gross_minor: int
    refunds_minor: int
    disputes_minor: int
    fees_minor: int
    tax_minor: int
    net_minor: int

    def __bool__(self) -> bool:
        return any(msgspec.structs.astuple(self))

    def __str__(self) -> str:
        fields = msgspec.structs.asdict(self)
        named = [f"{name.removesuffix('_minor')} by {by}" for name, by in fields.items() if by]
        return "differs from the ledger: " + ", ".join(named)


def difference(batch: Batch, books: DaySums) -> Difference:
    """Every sum is compared, so that two mistakes cannot cancel out in the net."""
    return Difference(
        gross_minor=batch.sums.gross_minor - books.gross_minor,
        refunds_minor=batch.sums.refunds_minor - books.refunds_minor,
        disputes_minor=batch.sums.disputes_minor - books.disputes_minor,
        fees_minor=batch.sums.fees_minor - books.fees_minor,
        tax_minor=batch.sums.tax_minor - books.tax_minor,
        net_minor=batch.net_minor - (books.net_minor - batch.reserve_minor),
    )


def apply(state: Settlement | None, occurred: Occurred) -> Settlement:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.SettlementCreated):
        return _created(event, occurred)
    assert state is not None
    return msgspec.structs.replace(
        state, status=status, version=occurred.version, **_changes(event)
    )


def _created(event: ev.SettlementCreated, occurred: Occurred) -> Settlement:
    return Settlement(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        business_date=date.fromisoformat(event.business_date),
        currency=event.currency,
        status=Status.CREATED,
        gross_minor=event.gross,
        refunds_minor=event.refunds,
        disputes_minor=event.disputes,
        fees_minor=event.fees,
        tax_minor=event.tax,
        reserve_minor=event.reserve,
        net_minor=event.net,
        payout_attempt_id=None,
        utr=None,
        warehouse_snapshot=event.warehouse_snapshot,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
    )


def _changes(event: Event) -> dict[str, Any]:
    match event:
        case ev.SettlementPayoutSent():
            return {"payout_attempt_id": ids.decode("att", event.attempt_id)}
        case ev.SettlementPaid():
            return {"utr": event.utr}
        case _:
            return {}


# ── dates ────────────────────────────────────────────────────────────────────────────────


def is_bank_day(day: date) -> bool:
    """Indian banks rest on Sundays and on the second and fourth Saturday of a month."""
    if day.weekday() == 6:
        return False
    return not (day.weekday() == 5 and (day.day - 1) // 7 in {1, 3})


def settle_on(business_day: date, settlement_days: int) -> date:
    """T+n, counted in bank days; never before a bank day."""
    day, left = business_day, settlement_days
    while left or not is_bank_day(day):
        day += timedelta(days=1)
        left -= bool(left) and is_bank_day(day)
    return day
