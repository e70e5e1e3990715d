"""What may be done with a payment in review is what `payments` would not refuse."""

import pytest

from online.payments.domain import Status
from online.reviews.actions import actions
from tests.builders import payment


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"status": Status.PROCESSING}, []),
        ({"status": Status.REQUIRES_ACTION}, ["cancel"]),
        ({"status": Status.AUTHORIZED, "authorized_minor": 100}, ["capture", "cancel"]),
        (
            {"status": Status.CAPTURED, "authorized_minor": 100, "captured_minor": 100},
            ["refund"],
        ),
        (
            {"status": Status.CAPTURED, "authorized_minor": 100, "captured_minor": 60},
            ["capture", "refund"],
        ),
        (
            {
                "status": Status.CAPTURED,
                "authorized_minor": 100,
                "captured_minor": 100,
                "refund_open_minor": 100,
            },
            [],
        ),
        ({"status": Status.FAILED}, []),
        ({"status": Status.REFUNDED, "captured_minor": 100, "refunded_minor": 100}, []),
    ],
)
def test_actions(fields, allowed):
    assert actions(payment(**fields)) == allowed
