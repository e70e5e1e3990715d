"""A transfer's transition table, and until when a deemed one may stay so."""

from datetime import UTC, date, datetime
from itertools import product
from uuid import UUID

import msgspec
import pytest

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import IST
from online.kernel.errors import IllegalMove
from online.kernel.events import LimitTaken, Occurred
from online.platform.settings import ROOT
from online.transfers.domain import (
    OPEN,
    OVER,
    TERMINAL,
    TRANSITIONS,
    Status,
    Transfer,
    apply,
    request_cancel,
)
from online.transfers.terms import Term, due_at, load_terms

AT = datetime(2026, 11, 16, 4, 30, tzinfo=UTC)
TRANSFER, ATTEMPT, MERCHANT, CUSTOMER = (UUID(int=n) for n in (1, 2, 3, 4))
REFERENCE = ids.encode("att", ATTEMPT)
TAKEN = LimitTaken(
    rule="p2p.amount_per_day", subject="customer:4", window_start=date(2026, 11, 16), amount=600,
    cap=10_000,
)  # fmt: skip
CREATED = ev.TransferCreated(
    merchant_id=ids.encode("mrc", MERCHANT),
    amount=600,
    currency="INR",
    customer_id=ids.encode("cus", CUSTOMER),
    device_id="phone-1",
    payer="a" * 64,
    payer_mask="as***@ybl",
    payee="b" * 64,
    payee_mask="ra***@oksbi",
    limits=(TAKEN,),
)
EVENTS: tuple[ev.Event, ...] = (
    CREATED,
    ev.TransferProcessing(
        attempt_id=REFERENCE, route="upi_hdfc", rail="upi_hdfc", risk={}, route_decision={}
    ),
    ev.TransferBlocked(risk={"score": 90}),
    ev.TransferRequiresAction(attempt_id=REFERENCE),
    ev.TransferUnknown(attempt_id=REFERENCE),
    ev.TransferDeemed(attempt_id=REFERENCE, code="RB", due_at=AT),
    ev.TransferSucceeded(attempt_id=REFERENCE, rail_reference="123456789012"),
    ev.TransferFailed(attempt_id=REFERENCE, code="rail_failed"),
    ev.TransferReturned(attempt_id=REFERENCE, code="RET"),
    ev.TransferCancelRequested(attempt_id=REFERENCE),
    ev.TransferCancelFailed(attempt_id=REFERENCE, code="12"),
    ev.TransferCanceled(attempt_id=REFERENCE),
)


def occurred(event: ev.Event, version: int = 1) -> Occurred:
    return Occurred(
        aggregate_id=TRANSFER,
        version=version,
        at=AT,
        merchant_id=MERCHANT,
        livemode=False,
        event=event,
    )


def transfer(status: Status = Status.PROCESSING, **fields: object) -> Transfer:
    made = apply(None, occurred(CREATED))
    return msgspec.structs.replace(made, status=status, **fields)


@pytest.mark.parametrize(("status", "event"), list(product([None, *Status], EVENTS)))
def test_every_state_takes_what_the_table_says_and_nothing_else(
    status: Status | None, event: ev.Event
) -> None:
    before = transfer(status) if status else None
    wanted = TRANSITIONS.get((status, type(event)))
    if wanted is None:
        with pytest.raises(IllegalMove):
            apply(before, occurred(event, 2))
    else:
        assert apply(before, occurred(event, 2)).status is wanted


def test_every_event_of_a_transfer_is_tried() -> None:
    assert {type(event) for event in EVENTS} == {event for _, event in TRANSITIONS}


def test_every_state_is_reached_and_the_last_ones_have_no_way_out() -> None:
    assert set(TRANSITIONS.values()) == set(Status)
    assert {before for before, _ in TRANSITIONS}.isdisjoint(TERMINAL)
    assert OVER.isdisjoint(OPEN)


def test_what_was_taken_of_limits_is_kept_from_the_first_event() -> None:
    assert transfer().limits == (TAKEN,)


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.REQUIRES_ACTION])
def test_only_what_waits_for_its_payer_is_called_off(status: Status) -> None:
    with pytest.raises(IllegalMove):
        request_cancel(transfer(status), REFERENCE)
    assert request_cancel(transfer(Status.REQUIRES_ACTION), REFERENCE).attempt_id == REFERENCE


def term(days: int, start: date, end: date | None = None, *types: str) -> Term:
    return Term(rail="upi_*", days=days, valid_from=start, valid_to=end, row_types=types)


@pytest.mark.parametrize(
    ("at", "days"),
    [
        (datetime(2026, 11, 16, 0, 0, tzinfo=IST), 1),
        (datetime(2026, 11, 16, 23, 59, 59, tzinfo=IST), 1),
        (datetime(2026, 11, 19, 12, 0, tzinfo=IST), 1),
        (datetime(2026, 11, 20, 0, 0, tzinfo=IST), 0),  # the next row is in force
    ],
)
def test_a_deemed_transfer_is_decided_by_the_end_of_the_last_calendar_day(
    at: datetime, days: int
) -> None:
    terms = (
        term(1, date(2019, 10, 15), date(2026, 11, 19), "p2p"),
        term(0, date(2026, 11, 20), None, "p2p"),
        term(5, date(2019, 10, 15)),
    )

    due = due_at(terms, "upi_hdfc", at).astimezone(IST)

    assert (due.date() - at.date()).days == days + 1
    assert (due.hour, due.minute, due.second) == (0, 0, 0)


def test_the_terms_in_force_are_those_of_the_circular() -> None:
    """RBI/2019-20/67: UPI transfer of funds, T+1."""
    at = datetime(2026, 11, 16, 22, 30, tzinfo=IST)
    due = due_at(load_terms(ROOT / "config" / "tat.yaml"), "upi_icici", at)
    assert due == datetime(2026, 11, 18, tzinfo=IST)
