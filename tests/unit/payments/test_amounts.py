"""What each event does to a payment's amounts, and which requests are refused."""

from datetime import timedelta

import pytest

from online.kernel import events as ev
from online.kernel.errors import Conflict, IllegalMove, InvalidRequest, OverCapture, OverRefund
from online.payments.decisions import (
    AlreadySettled,
    expiry,
    refund_done,
    request_capture,
    request_refund,
    request_reversal,
    request_void,
)
from online.payments.domain import Status, apply
from tests.builders import AT, an, occurred, payment

ATT = "att_" + "0" * 26
RFD = "rfd_" + "0" * 26


def after(*events, **fields):
    state = payment(**fields)
    for version, event in enumerate(events, start=2):
        state = apply(state, occurred(event, version=version))
    return state


def captured(amount, fee=0, tax=0):
    return an(ev.PaymentCaptured, amount=amount, fee=fee, tax=tax)


@pytest.mark.parametrize(
    ("events", "amounts"),
    [
        # authorized, capture open, captured, refund open, refunded
        ([an(ev.PaymentAuthorized, amount=100)], (100, 0, 0, 0, 0)),
        ([captured(100)], (100, 0, 100, 0, 0)),  # with the authorization, in one call
        (
            [an(ev.PaymentAuthorized, amount=100), an(ev.PaymentCaptureRequested, amount=30)],
            (100, 30, 0, 0, 0),
        ),
        (
            [
                an(ev.PaymentAuthorized, amount=100),
                an(ev.PaymentCaptureRequested, amount=30),
                an(ev.PaymentCaptureRequested, amount=50),
                an(ev.PaymentCaptureFailed, amount=30),
                captured(50),
            ],
            (100, 0, 50, 0, 0),
        ),
        # Nothing can be captured while a void is under way.
        ([an(ev.PaymentAuthorized, amount=100), an(ev.PaymentVoidRequested)], (100, 100, 0, 0, 0)),
        (
            [
                an(ev.PaymentAuthorized, amount=100),
                an(ev.PaymentVoidRequested),
                an(ev.PaymentVoidFailed),
            ],
            (100, 0, 0, 0, 0),
        ),
        (
            [
                an(ev.PaymentAuthorized, amount=100),
                an(ev.PaymentVoidRequested),
                an(ev.PaymentCanceled),
            ],
            (0, 0, 0, 0, 0),
        ),
        ([an(ev.PaymentAuthorized, amount=100), an(ev.PaymentExpired)], (0, 0, 0, 0, 0)),
        # Nor can anything move while a reversal is: it holds the refunds and the rest.
        (
            [
                an(ev.PaymentAuthorized, amount=100),
                an(ev.PaymentCaptureRequested, amount=60),
                captured(60),
                an(ev.PaymentReversalRequested, amount=60),
            ],
            (100, 40, 60, 60, 0),
        ),
        (
            [
                an(ev.PaymentAuthorized, amount=100),
                an(ev.PaymentCaptureRequested, amount=60),
                captured(60),
                an(ev.PaymentReversalRequested, amount=60),
                an(ev.PaymentReversalFailed, amount=60),
            ],
            (100, 0, 60, 0, 0),
        ),
        (
            [
                an(ev.PaymentAuthorized, amount=100),
                an(ev.PaymentCaptureRequested, amount=60),
                captured(60),
                an(ev.PaymentReversalRequested, amount=60),
                an(ev.PaymentReversed, amount=60),
            ],
            (60, 0, 60, 0, 0),
        ),
        (
            [
                an(ev.PaymentAuthorized, amount=100),
                an(ev.PaymentCaptureRequested, amount=60),
                captured(60),
                ev.PaymentAuthorizationReleased(amount=40),
            ],
            (60, 0, 60, 0, 0),
        ),
        ([captured(100), an(ev.PaymentRefundRequested, amount=40)], (100, 0, 100, 40, 0)),
        (
            [
                captured(100),
                an(ev.PaymentRefundRequested, amount=40),
                an(ev.PaymentRefundRequested, amount=60),
                an(ev.PaymentRefundFailed, amount=60),
                an(ev.PaymentPartiallyRefunded, amount=40),
            ],
            (100, 0, 100, 0, 40),
        ),
    ],
)
def test_amounts_after(events, amounts):
    state = after(*events, status=Status.PROCESSING)
    assert (
        state.authorized_minor,
        state.capture_open_minor,
        state.captured_minor,
        state.refund_open_minor,
        state.refunded_minor,
    ) == amounts


def test_fees_and_taxes_add_up_over_captures():
    authorized = an(ev.PaymentAuthorized, amount=100)
    asked = an(ev.PaymentCaptureRequested, amount=50)
    state = after(authorized, asked, captured(50, 3, 1), asked, captured(50, 4, 2),
                  status=Status.PROCESSING)  # fmt: skip
    assert (state.fee_minor, state.tax_minor, state.captured_minor) == (7, 3, 100)


def test_a_payment_tells_why_it_failed_and_forgets_once_it_succeeds():
    failed = after(
        ev.PaymentFailed(code="payment_declined", decline_code="05", message="No"),
        status=Status.PROCESSING,
    )
    assert failed.last_error == {
        "code": "payment_declined", "decline_code": "05", "message": "No"
    }  # fmt: skip
    unknown = after(an(ev.PaymentUnknown, message="no answer"), status=Status.PROCESSING)
    assert unknown.last_error == {"code": "payment_timeout", "message": "no answer"}
    assert apply(unknown, occurred(captured(100))).last_error is None
    blocked = after(an(ev.PaymentBlocked), status=Status.CREATED)
    assert blocked.last_error == {"code": "fraud_blocked"}


@pytest.mark.parametrize(
    ("authorized", "taken", "open_", "asked", "outcome"),
    [
        (100, 0, 0, 100, 100),
        (100, 0, 0, 1, 1),
        (100, 0, 0, None, 100),
        (100, 30, 30, None, 40),
        (100, 30, 30, 40, 40),
        (100, 30, 30, 41, OverCapture),
        (100, 0, 0, 101, OverCapture),
        (100, 100, 0, None, OverCapture),
        (100, 0, 100, 1, OverCapture),  # a void is under way, or it is all asked for
        (100, 0, 0, 0, OverCapture),
        (100, 0, 0, -1, OverCapture),
    ],
)
def test_what_may_be_captured(authorized, taken, open_, asked, outcome):
    state = payment(
        status=Status.AUTHORIZED,
        authorized_minor=authorized,
        captured_minor=taken,
        capture_open_minor=open_,
    )
    if isinstance(outcome, int):
        assert request_capture(state, ATT, asked) == ev.PaymentCaptureRequested(
            attempt_id=ATT, amount=outcome
        )
    else:
        with pytest.raises(outcome):
            request_capture(state, ATT, asked)


@pytest.mark.parametrize(
    ("taken", "refunded", "open_", "reversed_", "asked", "outcome"),
    [
        (100, 0, 0, 0, 100, 100),
        (100, 0, 0, 0, None, 100),
        (100, 40, 20, 0, None, 40),
        (100, 40, 20, 0, 40, 40),
        (100, 40, 20, 0, 41, OverRefund),
        (100, 40, 60, 0, None, OverRefund),
        (100, 0, 0, 100, 1, OverRefund),
        (100, 0, 0, 0, 0, InvalidRequest),
        (100, 0, 0, 0, -1, InvalidRequest),
    ],
)
def test_what_may_be_refunded(taken, refunded, open_, reversed_, asked, outcome):
    state = payment(
        status=Status.CAPTURED,
        captured_minor=taken,
        refunded_minor=refunded,
        refund_open_minor=open_,
        reversed_minor=reversed_,
    )
    if isinstance(outcome, int):
        assert request_refund(state, RFD, asked) == ev.PaymentRefundRequested(
            refund_id=RFD, amount=outcome
        )
    else:
        with pytest.raises(outcome):
            request_refund(state, RFD, asked)


CAPTURABLE = {Status.AUTHORIZED, Status.CAPTURED, Status.PARTIALLY_REFUNDED}
REFUNDABLE = {Status.CAPTURED, Status.PARTIALLY_REFUNDED}
CANCELABLE = {Status.AUTHORIZED, Status.REQUIRES_ACTION}


@pytest.mark.parametrize("status", Status)
def test_in_which_status_what_may_be_asked_for(status):
    held = payment(status=status, authorized_minor=100)
    taken = payment(status=status, authorized_minor=100, captured_minor=100)
    asks = [
        (CAPTURABLE, lambda: request_capture(held, ATT, 1)),
        (REFUNDABLE, lambda: request_refund(taken, RFD, 1)),
        (CANCELABLE, lambda: request_void(held, ATT)),
    ]
    for allowed, ask in asks:
        if status in allowed:
            ask()
        elif status is Status.REFUNDED and allowed is REFUNDABLE:
            with pytest.raises(OverRefund):
                ask()
        else:
            with pytest.raises(IllegalMove):
                ask()


@pytest.mark.parametrize(("taken", "open_"), [(1, 0), (0, 1)])
def test_money_that_moves_is_refunded_not_voided(taken, open_):
    state = payment(
        status=Status.AUTHORIZED,
        authorized_minor=100,
        captured_minor=taken,
        capture_open_minor=open_,
    )
    with pytest.raises(IllegalMove):
        request_void(state, ATT)


@pytest.mark.parametrize(
    ("taken", "refunded", "amount", "event"),
    [
        (100, 0, 100, ev.PaymentRefunded),
        (100, 60, 40, ev.PaymentRefunded),
        (100, 0, 99, ev.PaymentPartiallyRefunded),
        (100, 60, 39, ev.PaymentPartiallyRefunded),
    ],
)
def test_refunded_means_all_of_it(taken, refunded, amount, event):
    amounts = {"authorized_minor": taken, "captured_minor": taken, "refunded_minor": refunded}
    state = payment(status=Status.CAPTURED, **amounts)
    assert refund_done(state, RFD, amount) == event(refund_id=RFD, amount=amount)


def test_a_payment_that_was_never_sent_has_no_attempt():
    with pytest.raises(Conflict):
        _ = payment(attempt_id=None).attempt


TAKEN = {"status": Status.CAPTURED, "authorized_minor": 100, "captured_minor": 60}


def test_a_reversal_takes_all_that_was_captured():
    event = request_reversal(payment(**TAKEN), ATT, settled=False)
    assert event == ev.PaymentReversalRequested(attempt_id=ATT, amount=60)


@pytest.mark.parametrize(
    "change",
    [
        *({"status": status} for status in set(Status) - {Status.CAPTURED}),
        {"refund_open_minor": 1},
        {"refunded_minor": 1},
        {"capture_open_minor": 1},
    ],
)
def test_a_reversal_is_refused_once_anything_else_moves_the_payment(change):
    with pytest.raises(IllegalMove):
        request_reversal(payment(**TAKEN | change), ATT, settled=False)


def test_what_is_settled_is_not_reversed():
    with pytest.raises(AlreadySettled):
        request_reversal(payment(**TAKEN), ATT, settled=True)


HELD_PART = {"authorized_minor": 100, "authorization_expires_at": AT}


@pytest.mark.parametrize(
    ("fields", "events"),
    [
        ({"status": Status.AUTHORIZED}, [ev.PaymentExpired()]),
        ({"status": Status.AUTHORIZED, "capture_open_minor": 1}, []),
        (TAKEN, [ev.PaymentAuthorizationReleased(amount=40)]),
        (TAKEN | {"refund_open_minor": 1}, []),
        (TAKEN | {"captured_minor": 100}, []),
        (
            TAKEN | {"status": Status.PARTIALLY_REFUNDED, "refunded_minor": 60},
            [ev.PaymentAuthorizationReleased(amount=40), ev.PaymentRefunded()],
        ),
        ({"status": Status.CANCELED, "authorized_minor": 0}, []),
    ],
)
def test_the_end_of_an_authorization(fields, events):
    state = payment(**HELD_PART | fields)
    assert expiry(state, AT) == events
    assert expiry(state, AT - timedelta(microseconds=1)) == []
    for version, event in enumerate(events, start=2):
        state = apply(state, occurred(event, version=version))
    if events:
        assert state.capturable_minor == 0


def test_a_payment_that_can_still_be_captured_is_not_refunded_whole():
    state = payment(**TAKEN | {"refund_open_minor": 60})
    assert refund_done(state, RFD, 60) == ev.PaymentPartiallyRefunded(refund_id=RFD, amount=60)
