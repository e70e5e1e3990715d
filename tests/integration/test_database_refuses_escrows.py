"""The database refuses holds and escrows whose amounts do not add up, whatever the service does."""

from datetime import timedelta
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.integration.test_database_refuses import NOW, add, expect
from tests.integration.test_database_refuses import app as app  # noqa: PLC0414 - a fixture
from tests.integration.test_database_refuses import books as books  # noqa: PLC0414 - a fixture

COMMON = {"currency": "INR", "version": 1, "livemode": False, "created_at": NOW, "updated_at": NOW}


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({}, None),
        ({"captured_minor": 60, "released_minor": 40}, None),
        ({"captured_minor": 60, "released_minor": 41}, "holds_cap"),
        ({"captured_minor": -1}, "holds_cap"),
        ({"released_minor": -1}, "holds_cap"),
        ({"status": "captured", "captured_minor": 99}, "holds_over"),
        ({"status": "canceled", "released_minor": 99}, "holds_over"),
        ({"status": "expired", "released_minor": 100}, None),
        ({"status": "lost"}, "holds_status_check"),
        ({"amount_minor": 0}, "holds_amount_minor_check"),
    ],
)
def test_a_hold(app, changes, constraint):
    row = {
        "id": uuid4(),
        "payment_id": uuid4(),
        "merchant_id": uuid4(),
        "status": "placed",
        "amount_minor": 100,
        "method": "card",
        **COMMON,
    }
    expect(lambda: add(app, "holds", row | changes), constraint)


EMPTY = {"status": "agreed"}


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"held_minor": 100}, None),
        (EMPTY, None),
        (EMPTY | {"held_minor": 1}, "escrows_whole"),
        ({"held_minor": 99}, "escrows_whole"),
        ({"held_minor": 101}, "escrows_whole"),
        ({"held_minor": 40, "released_minor": 60}, None),
        ({"held_minor": 40, "released_minor": 59, "refunded_minor": 1}, None),
        ({"held_minor": 110, "released_minor": -10}, "escrows_whole"),
        ({"held_minor": 100, "buyer_due_minor": 101}, "escrows_whole"),
        (
            {
                "held_minor": 10,
                "returned_minor": 10,
                "refund_open_minor": 20,
                "disputed_minor": 30,
                "charged_back_minor": 30,
            },
            None,
        ),
        ({"status": "closed", "released_minor": 100}, None),
        ({"status": "closed", "held_minor": 1, "released_minor": 99}, "escrows_closed"),
        ({"status": "closed", "refund_open_minor": 1, "released_minor": 99}, "escrows_closed"),
        ({"status": "closed", "disputed_minor": 1, "released_minor": 99}, "escrows_closed"),
        ({"status": "lost", "held_minor": 100}, "escrows_status_check"),
        ({"held_minor": 100, "on_expiry": "keep"}, "escrows_on_expiry_check"),
    ],
)
def test_an_escrow(app, changes, constraint):
    row = {
        "id": uuid4(),
        "merchant_id": uuid4(),
        "status": "funded",
        "amount_minor": 100,
        "release": "manual",
        "on_expiry": "refund",
        "expires_at": NOW + timedelta(days=1),
        **{name: Jsonb([]) for name in ("parties", "met", "refunds", "chargebacks", "proposals")},
        "conditions": Jsonb({}),
        **COMMON,
    }
    expect(lambda: add(app, "escrows", row | changes), constraint)
