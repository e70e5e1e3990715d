"""A settlement's states, the batch it is made from, what it comes to. Pure: events in, rows out.

A period's movement is `net`; what earlier periods left is `carried`. What is due to the reserve and
the tax office is taken before the payout. Where nothing can be paid (a negative balance, less than
the minimum) nothing is posted at all: the money stays in pending, what is due stays due.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event, Occurred
from online.kernel.money import divide_half_even
from online.kernel.transitions import next_status
from online.ledger.pending import Standing, Sums
from online.merchants.domain import MIDNIGHT, Merchant
from online.settlements.periods import cutoff_at

_BPS: Final = 10_000


class Status(StrEnum):
    CREATED = "created"  # owed, and waits for its pay date
    PAYABLE = "payable"  # the merchant's to pay out, on demand
    CARRIED = "carried"  # nothing is paid: the balance goes into the next period
    PAYOUT_SENT = "payout_sent"
    PAID = "paid"
    PAYOUT_FAILED = "payout_failed"
    RETURNED = "returned"  # the bank sent back what it had paid


S = Status
# A reserve comes free whatever became of the payout.
_HELD: Final = (S.CREATED, S.PAYABLE, S.PAYOUT_SENT, S.PAID, S.PAYOUT_FAILED, S.RETURNED)
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.SettlementCreated): S.CREATED,
    (S.CREATED, ev.SettlementCarried): S.CARRIED,
    (S.CREATED, ev.SettlementMadePayable): S.PAYABLE,
    (S.CREATED, ev.SettlementPayoutSent): S.PAYOUT_SENT,
    (S.PAYOUT_SENT, ev.SettlementPaid): S.PAID,
    (S.PAYOUT_SENT, ev.SettlementPayoutFailed): S.PAYOUT_FAILED,
    (S.PAID, ev.SettlementPayoutReturned): S.RETURNED,
    (S.PAYOUT_FAILED, ev.SettlementPayoutSent): S.PAYOUT_SENT,
    (S.PAYOUT_FAILED, ev.SettlementPaid): S.PAID,  # the bank had paid it after all
    (S.RETURNED, ev.SettlementPayoutSent): S.PAYOUT_SENT,
    **{(status, ev.SettlementReserveReleased): status for status in _HELD},
}


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `settlements`; amounts in minor units of `currency`.

    `starts_at` None: since the merchant's beginning. `reserve_minor` and `tds_minor` were taken,
    of what was due; `withheld_minor` is what the balance no longer held when it was settled.
    """

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
    starts_at: datetime | None
    ends_at: datetime
    released_minor: int
    carried_minor: int
    reserve_due_minor: int
    tds_due_minor: int
    tds_minor: int
    withheld_minor: int
    payout_minor: int
    carried_out_minor: int
    pay_on: date
    release_on: date | None
    reserve_released_on: date | None
    payout_code: str | None

    @property
    def reference(self) -> str:
        return ids.encode("stl", self.id)

    @property
    def left(self) -> "Left":
        """What it leaves due to the next one."""
        return Left(
            reserve_minor=self.reserve_due_minor - self.reserve_minor,
            tds_minor=self.tds_due_minor - self.tds_minor,
        )


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Due, and not taken yet because nothing could be paid."""

    reserve_minor: int = 0
    tds_minor: int = 0


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What offline says a merchant's period amounts to, in minor units; signs as in `Sums`.

    None is what it does not say: then the books' own number holds. `reserve_minor` and
    `tds_minor` are what is due, `payout_minor` what is owed after them, negative too.
    """

    merchant_id: UUID
    business_date: date
    currency: str
    sums: Sums
    net_minor: int
    count: int
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    carried_minor: int | None = None
    reserve_minor: int | None = None
    tds_minor: int | None = None
    payout_minor: int | None = None
    snapshot: int | None = None


class Outturn(msgspec.Struct, frozen=True, kw_only=True):
    """What a period comes to by the books: what is due, owed, and can be paid now."""

    standing: Standing
    reserve_due_minor: int
    tds_due_minor: int
    owed_minor: int
    payout_minor: int  # 0: all stays in pending

    @property
    def is_paid(self) -> bool:
        return self.payout_minor > 0

    @property
    def posted_minor(self) -> int:
        """What leaves pending."""
        if not self.is_paid:
            return 0
        return self.payout_minor + self.reserve_due_minor + self.tds_due_minor

    @property
    def carried_out_minor(self) -> int:
        return self.standing.carried_minor + self.standing.sums.net_minor - self.posted_minor


def reckon(standing: Standing, left: Left, terms: Merchant, tds_bps: int) -> Outturn:
    """Refunds after the period may have used what it earned: no more is paid than there is."""
    base = max(standing.sums.gross_minor, 0)
    reserve = left.reserve_minor + divide_half_even(base * terms.reserve_bps, _BPS)
    tds = left.tds_minor + divide_half_even(base * tds_bps, _BPS)
    owed = standing.carried_minor + standing.sums.net_minor - reserve - tds
    payable = min(owed, standing.balance_minor - reserve - tds)
    return Outturn(
        standing=standing,
        reserve_due_minor=reserve,
        tds_due_minor=tds,
        owed_minor=owed,
        payout_minor=payable if payable >= max(terms.min_payout_minor, 1) else 0,
    )


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Batch minus books, in minor units; what agrees is zero."""

    gross_minor: int
    refunds_minor: int
    disputes_minor: int
    fees_minor: int
    tax_minor: int
    released_minor: int
    net_minor: int
    carried_minor: int
    reserve_minor: int
    tds_minor: int
    payout_minor: int

    def __bool__(self) -> bool:
        return any(msgspec.structs.astuple(self))

    def __str__(self) -> str:
        fields = msgspec.structs.asdict(self)
        named = [f"{name.removesuffix('_minor')} by {by}" for name, by in fields.items() if by]
        return "differs from the ledger: " + ", ".join(named)

    @property
    def param(self) -> str:
        """The field to look at first: the net, if it is off, since all parts end there."""
        fields = msgspec.structs.asdict(self)
        off = "net_minor" if self.net_minor else next(name for name, by in fields.items() if by)
        return off.removesuffix("_minor")


def difference(batch: Batch, books: Outturn) -> Difference:
    """Every sum is compared, so that two mistakes cannot cancel out in the net."""
    said, found = (msgspec.structs.asdict(each) for each in (batch.sums, books.standing.sums))

    def gap(claimed: int | None, right: int) -> int:
        return 0 if claimed is None else claimed - right

    return Difference(
        **{name: value - found[name] for name, value in said.items()},
        net_minor=batch.net_minor - books.standing.sums.net_minor,
        carried_minor=gap(batch.carried_minor, books.standing.carried_minor),
        reserve_minor=gap(batch.reserve_minor, books.reserve_due_minor),
        tds_minor=gap(batch.tds_minor, books.tds_due_minor),
        payout_minor=gap(batch.payout_minor, books.owed_minor),
    )


def settlement_id(merchant_id: UUID, currency: str, starts_at: datetime | None) -> UUID:
    """By where it begins: two batches for what follows the same settlement are one."""
    begins = starts_at.astimezone(UTC).isoformat() if starts_at else "first"
    return ids.derived("settlement", ids.encode("mrc", merchant_id), currency, begins)


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
    """Events of before there were periods say a day, and nothing of what follows from terms."""
    day = date.fromisoformat(event.business_date)
    payout = max(event.net, 0) if event.payout is None else event.payout
    midnight = cutoff_at(day, MIDNIGHT)
    old = event.ends_at is None
    return Settlement(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        business_date=day,
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
        starts_at=midnight - timedelta(days=1) if old else event.starts_at,
        ends_at=event.ends_at or midnight,
        released_minor=event.reserve_released,
        carried_minor=event.carried,
        reserve_due_minor=event.reserve_due,
        tds_due_minor=event.tds_due,
        tds_minor=event.tds,
        withheld_minor=event.withheld,
        payout_minor=payout,
        carried_out_minor=min(event.net, 0) if event.carried_out is None else event.carried_out,
        pay_on=date.fromisoformat(event.pay_on) if event.pay_on else day,
        release_on=date.fromisoformat(event.release_on) if event.release_on else None,
        reserve_released_on=None,
        payout_code=None,
    )


def _changes(event: Event) -> dict[str, Any]:
    match event:
        case ev.SettlementPayoutSent():
            sent = ids.decode("att", event.attempt_id)
            return {"payout_attempt_id": sent, "utr": None, "payout_code": None}
        case ev.SettlementPaid():
            return {"utr": event.utr}
        case ev.SettlementPayoutFailed() | ev.SettlementPayoutReturned():
            return {"payout_code": event.code}
        case ev.SettlementReserveReleased():
            return {"reserve_released_on": date.fromisoformat(event.business_date)}
        case _:
            return {}
