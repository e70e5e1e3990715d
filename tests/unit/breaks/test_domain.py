"""A break's transition table, which news a finding is, and what leaves suspense for where."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from uuid import UUID

import msgspec
import pytest

from online.breaks.domain import (
    HOUSE,
    TRANSITIONS,
    Break,
    Finding,
    NothingInSuspense,
    OwedToCustomer,
    SamePerson,
    State,
    age_bucket,
    apply,
    check_second,
    check_write_off,
    news,
)
from online.breaks.moves import explained, returned
from online.breaks.terms import load_write_off_terms
from online.kernel import events as ev
from online.kernel.errors import IllegalMove
from online.kernel.events import Event, Occurred
from online.ledger import accounts as chart
from online.platform.settings import ROOT

AT = datetime(2026, 11, 17, 19, 30, tzinfo=UTC)
BREAK = UUID(int=9)
OPENED = ev.BreakOpened(
    kind="missing_external",
    side="rail",
    row_ids=["a", "b"],
    business_date="2026-11-16",
    currency="INR",
    reason="no row",
    rail="upi_hdfc",
    expected=500,
    at_stake=500,
    suspense=-500,
    suspense_account="suspense:upi_hdfc",
    suspense_cause=str(BREAK),
)
CLOSED = ev.BreakClosed(reason="came late")
ASSIGNED = ev.BreakAssigned(owner="asha", by="me")
COMMENTED = ev.BreakCommented(text="asked the rail", by="me")
RESOLVED = ev.BreakResolved(explanation="x", by="me", account="bank:hdfc", amount=-500)
ASKED = ev.BreakWriteOffRequested(reason="rounding", by="maker")
APPROVED = ev.BreakWriteOffApproved(by="checker", account="writeoff:rounding", amount=-500)
REJECTED = ev.BreakWriteOffRejected(by="checker")
WRITTEN_OFF = ev.BreakWrittenOff(
    reason="rounding", by="maker", account="writeoff:rounding", amount=-500
)
EVENTS = [
    *(OPENED, CLOSED, ASSIGNED, COMMENTED, RESOLVED, ASKED, APPROVED, REJECTED, WRITTEN_OFF),
]
PATHS: dict[State | None, list[Event]] = {
    None: [],
    State.OPEN: [OPENED],
    State.ASSIGNED: [OPENED, ASSIGNED],
    State.WRITE_OFF_REQUESTED: [OPENED, ASKED],
    State.RESOLVED: [OPENED, RESOLVED],
    State.WRITTEN_OFF: [OPENED, WRITTEN_OFF],
    State.CLOSED: [OPENED, CLOSED],
}


def occurred(event: Event, version: int) -> Occurred:
    return Occurred(
        aggregate_id=BREAK, version=version, at=AT, merchant_id=HOUSE, livemode=False, event=event
    )


def after(*events: Event) -> Break:
    state = None
    for version, event in enumerate(events, start=1):
        state = apply(state, occurred(event, version))
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("state", "event"),
    list(product(PATHS, EVENTS)),
    ids=lambda value: value.TYPE if isinstance(value, Event) else str(value),
)
def test_the_table_says_every_move_and_no_other(state, event):
    known = after(*PATHS[state]) if state else None
    if (state, type(event)) in TRANSITIONS:
        assert apply(known, occurred(event, 9)).state is TRANSITIONS[state, type(event)]
    else:
        with pytest.raises(IllegalMove):
            apply(known, occurred(event, 9))


def test_opening_again_forgets_all_that_was_decided():
    again = after(OPENED, ASKED, APPROVED, CLOSED, OPENED)
    fresh = after(OPENED)
    known = {"generation": 2, "version": 5}
    assert again == msgspec.structs.replace(fresh, **known)


@pytest.mark.parametrize(
    ("told", "generation", "is_open", "events"),
    [
        ([], 1, True, [OPENED]),
        ([OPENED], 1, True, []),
        ([OPENED], 1, False, [0]),
        ([], 1, False, [OPENED, 0]),
        ([OPENED, CLOSED], 1, True, []),  # a history sent again does not open it again
        ([OPENED, CLOSED], 1, False, []),
        ([OPENED, CLOSED], 2, True, [OPENED]),
        ([OPENED, CLOSED, OPENED], 2, False, [0]),
        ([OPENED], 2, True, [0, OPENED]),
        # Whatever people did meanwhile, reconciliation's history goes on where it was.
        ([OPENED, ASSIGNED, COMMENTED], 1, True, []),
        ([OPENED, ASSIGNED, COMMENTED], 1, False, [0]),
        ([OPENED, WRITTEN_OFF], 1, True, []),
        ([OPENED, WRITTEN_OFF], 1, False, [-500]),
        ([OPENED, RESOLVED], 2, False, [-500, OPENED, 0]),
        ([OPENED, WRITTEN_OFF, CLOSED], 1, False, []),
    ],
)
def test_news(told, generation, is_open, events):
    finding = Finding(break_id=BREAK, generation=generation, is_open=is_open, opened=OPENED)
    wanted = [
        ev.BreakClosed(reason="no row", returned=each) if isinstance(each, int) else each
        for each in events
    ]
    assert news(after(*told) if told else None, finding) == wanted


def test_what_was_written_off_comes_back_to_the_unit():
    open_, written = after(OPENED), after(OPENED, ASKED, APPROVED)
    gone = explained(open_, "break_written_off", chart.writeoff("rounding"), AT)
    back = returned(written, AT)
    legs = {p.account.code: p.amount_minor for p in gone.postings}
    assert legs == {"suspense:upi_hdfc": 500, "writeoff:rounding": -500}
    assert {p.account.code: -p.amount_minor for p in back.postings} == legs
    assert (back.forced, back.cause == gone.cause) == (True, False)
    second = after(OPENED, CLOSED, OPENED)
    assert explained(second, "x", chart.bank("hdfc"), AT).cause != gone.cause


def test_only_what_is_in_suspense_and_no_payer_s_can_be_written_off():
    check_write_off(after(OPENED))
    with pytest.raises(NothingInSuspense):
        check_write_off(after(msgspec.structs.replace(OPENED, suspense=0)))
    with pytest.raises(OwedToCustomer):
        check_write_off(after(msgspec.structs.replace(OPENED, tat_due_on="2026-11-21")))


def test_the_maker_is_never_the_checker():
    asked = after(OPENED, ASKED)
    check_second(asked, "checker")
    with pytest.raises(SamePerson):
        check_second(asked, "maker")


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        *((0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3"), (4, "4-7"), (7, "4-7"), (8, "8-30")),
        *((30, "8-30"), (31, "31-90"), (90, "31-90"), (91, ">90"), (4_000, ">90")),
    ],
)
def test_age_buckets(days, bucket):
    assert age_bucket(days) == bucket


def test_the_clock_of_a_payer_s_money_stops_when_it_is_put_right():
    owed = msgspec.structs.replace(OPENED, tat_due_on="2026-11-21", tat_per_day=10_000)
    standing = after(owed)
    days = [standing.tat_days(date(2026, 11, day)) for day in (16, 21, 22, 25)]
    assert days == [0, 0, 1, 4]
    resolved = after(owed, RESOLVED)  # on the 18th, in India
    assert resolved.tat_days(date(2026, 11, 30)) == 0
    late = msgspec.structs.replace(resolved, decided_at=AT + timedelta(days=5))
    assert late.tat_days(date(2026, 11, 30)) == 2


def test_limits_are_dated_and_a_currency_without_one_takes_two():
    terms = load_write_off_terms(ROOT / "config" / "write_offs.yaml")
    day = date(2026, 11, 17)
    assert not terms.needs_two(10_000, "INR", day)
    assert not terms.needs_two(-10_000, "INR", day)
    assert terms.needs_two(-10_001, "INR", day)
    assert terms.needs_two(1, "JPY", day)
    assert terms.needs_two(1, "INR", date(2019, 12, 31))


def test_a_break_belongs_to_no_merchant():
    opened = after(OPENED)
    assert opened.merchant_id == HOUSE
    assert "merchant_id" not in msgspec.structs.asdict(opened)
