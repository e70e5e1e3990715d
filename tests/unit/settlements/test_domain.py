"""A settlement's transition table, what differs from the books, and bank days."""

from datetime import UTC, date, datetime
from itertools import product
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import IllegalMove
from online.kernel.events import Occurred
from online.ledger.days import DaySums
from online.settlements.domain import (
    TRANSITIONS,
    Batch,
    Settlement,
    Status,
    apply,
    difference,
    is_bank_day,
    settle_on,
)

AT = datetime(2026, 11, 17, 19, 30, tzinfo=UTC)
MERCHANT, ATTEMPT = UUID(int=4), UUID(int=5)
SUMS = DaySums(gross_minor=1_100, refunds_minor=200, disputes_minor=100, fees_minor=18, tax_minor=3)
BATCH = Batch(
    merchant_id=MERCHANT,
    business_date=date(2026, 11, 16),
    currency="INR",
    sums=SUMS,
    reserve_minor=0,
    net_minor=779,
    count=3,
    snapshot=12,
)
REFERENCE = ids.encode("att", ATTEMPT)
EVENTS = (
    BATCH.created(),
    ev.SettlementPayoutSent(attempt_id=REFERENCE, amount=779),
    ev.SettlementPaid(attempt_id=REFERENCE, utr="HDFCN12026111700001"),
    ev.SettlementPayoutFailed(attempt_id=REFERENCE, code="05"),
)


def occurred(event: ev.Event, version: int = 1) -> Occurred:
    return Occurred(
        aggregate_id=BATCH.settlement_id,
        version=version,
        at=AT,
        merchant_id=MERCHANT,
        livemode=False,
        event=event,
    )


def settlement(status: Status = Status.CREATED) -> Settlement:
    return msgspec.structs.replace(apply(None, occurred(EVENTS[0])), status=status)


@pytest.mark.parametrize(("status", "event"), list(product([None, *Status], EVENTS)))
def test_the_table_says_every_move_and_no_other(status, event):
    state = None if status is None else settlement(status)
    if (status, type(event)) in TRANSITIONS:
        assert apply(state, occurred(event, 2)).status is TRANSITIONS[status, type(event)]
    else:
        with pytest.raises(IllegalMove):
            apply(state, occurred(event, 2))


def test_every_status_is_reached():
    assert set(TRANSITIONS.values()) == set(Status)


def test_the_row_is_what_the_batch_said():
    row = settlement()
    assert (row.gross_minor, row.refunds_minor, row.disputes_minor) == (1_100, 200, 100)
    assert (row.fees_minor, row.tax_minor) == (18, 3)
    assert (row.net_minor, row.warehouse_snapshot) == (779, 12)
    sent = apply(row, occurred(EVENTS[1], 2))
    assert sent.payout_attempt_id == ATTEMPT
    assert apply(sent, occurred(EVENTS[2], 3)).utr == "HDFCN12026111700001"


def test_a_settlement_has_one_id_on_every_machine():
    other = msgspec.structs.replace(BATCH, sums=DaySums(), net_minor=0)
    assert BATCH.settlement_id == other.settlement_id
    tomorrow = msgspec.structs.replace(BATCH, business_date=date(2026, 11, 17))
    assert BATCH.settlement_id != tomorrow.settlement_id


@pytest.mark.parametrize(
    ("books", "net", "gap"),
    [
        (SUMS, 779, None),
        (replace(SUMS, gross_minor=1_101), 779, -1),
        (replace(SUMS, refunds_minor=199, fees_minor=19), 779, 0),
        (replace(SUMS, refunds_minor=300, disputes_minor=0), 779, 0),
        (SUMS, 780, 1),
    ],
)
def test_every_sum_is_compared(books, net, gap):
    found = difference(msgspec.structs.replace(BATCH, net_minor=net), books)
    assert bool(found) is (gap is not None)
    assert found.net_minor == (gap or 0)


@pytest.mark.parametrize(
    ("day", "rests"),
    [
        (date(2026, 11, 15), True),  # a Sunday
        (date(2026, 11, 7), False),  # the first Saturday
        (date(2026, 11, 14), True),  # the second
        (date(2026, 11, 21), False),
        (date(2026, 11, 28), True),  # the fourth
        (date(2026, 8, 29), False),  # a fifth one
        (date(2026, 11, 16), False),
    ],
)
def test_bank_days(day, rests):
    assert is_bank_day(day) is not rests


@pytest.mark.parametrize(
    ("day", "days", "on"),
    [
        (date(2026, 11, 16), 1, date(2026, 11, 17)),
        (date(2026, 11, 16), 0, date(2026, 11, 16)),
        (date(2026, 11, 15), 0, date(2026, 11, 16)),  # never on a day of rest
        (date(2026, 11, 13), 1, date(2026, 11, 16)),  # over a second Saturday
        (date(2026, 11, 20), 1, date(2026, 11, 21)),  # the third one works
        (date(2026, 11, 13), 3, date(2026, 11, 18)),
    ],
)
def test_settlement_counts_bank_days(day, days, on):
    assert settle_on(day, days) == on
