"""Trust is a sum of named parts within bounds, and never takes risk away."""

from datetime import date, timedelta

import msgspec
import pytest

from online.devices.domain import Status
from online.devices.rulebook import load_device_rules
from online.devices.rules import on
from online.devices.trust import PaymentByDevice, Use, reasons, trust
from online.platform.settings import ROOT
from tests.builders import AT, MERCHANT
from tests.unit.devices.test_domain import bound, device

RULES = load_device_rules(ROOT / "config" / "devices.yaml")
SCALE = on(RULES.trust, date(2026, 3, 10))
POINTS = on(RULES.risk, date(2026, 3, 10))
COOLING_MINOR = on(RULES.binding, date(2026, 3, 10)).cooling_amount_per_day_minor


@pytest.mark.parametrize(
    ("state", "use", "days", "score", "level", "codes"),
    [
        (device(), Use(50, 1), 0, 0, "none", ["pending"]),
        (bound(Status.SUSPENDED), Use(50, 1), 90, 0, "none", ["suspended"]),
        (bound(Status.REVOKED), Use(50, 1), 90, 0, "none", ["revoked"]),
        (bound(Status.COOLING), Use(0, 0), 0, 300, "low", ["possession", "sim", "limited"]),
        (bound(Status.COOLING), Use(0, 0), 1, 505, "medium", ["possession", "sim", "age"]),
        (bound(Status.ACTIVE), Use(0, 0), 0, 500, "medium", ["possession", "sim"]),
        (bound(Status.ACTIVE), Use(20, 1), 10, 750, "high", ["possession", "sim", "age", "use"]),
        (
            bound(Status.ACTIVE),
            Use(900, 1),
            900,
            1000,
            "high",
            ["possession", "sim", "age", "use"],
        ),
        (
            bound(Status.ACTIVE),
            Use(20, 3),
            10,
            450,
            "medium",
            ["possession", "sim", "age", "use", "other_customers"],
        ),
        (
            bound(Status.ACTIVE),
            Use(1, 9),
            0,
            0,
            "none",
            ["possession", "sim", "use", "other_customers", "limited"],
        ),
    ],
)
def test_the_score_is_the_sum_of_its_parts(state, use, days, score, level, codes):
    found = trust(state, use, SCALE, AT + timedelta(days=days))
    assert (found.score, found.level) == (score, level)
    assert [part.code for part in found.parts] == codes
    assert sum(part.points for part in found.parts) == found.score


def payment(**fields: object) -> PaymentByDevice:
    known = {
        "merchant_id": MERCHANT,
        "device_id": "installation-1",
        "customer_id": None,
        "amount_minor": 100_00,
        "spent_minor": 0,
        "use": Use(0, 0),
        "at": AT,
    }
    return PaymentByDevice(**known | fields)


@pytest.mark.parametrize(
    ("state", "own", "fields", "codes"),
    [
        (Status.ACTIVE, True, {"amount_minor": 10**9}, []),
        (Status.PENDING, True, {"amount_minor": 10**9}, []),
        (Status.COOLING, True, {"amount_minor": 5_000_00}, []),
        (Status.COOLING, True, {"amount_minor": 5_000_01}, ["device_cooling_over_amount"]),
        (
            Status.COOLING,
            True,
            {"amount_minor": 1_00, "spent_minor": 5_000_00},
            ["device_cooling_over_amount"],
        ),
        (Status.SUSPENDED, True, {}, ["device_suspended"]),
        (Status.REVOKED, False, {}, ["device_revoked", "device_of_other_customer"]),
        (Status.ACTIVE, False, {}, ["device_of_other_customer"]),
    ],
)
def test_what_a_device_adds_to_the_risk(state, own, fields, codes):
    found = reasons(state, payment(**fields), POINTS, own=own, cooling_minor=COOLING_MINOR)
    assert [part.code for part in found] == codes
    assert all(part.points > 0 for part in found)


def test_the_row_of_the_day_counts():
    row = RULES.binding[0]
    later = msgspec.structs.replace(row, valid_from=date(2027, 1, 1), wrong_proofs=5)
    assert on((later, row), date(2026, 12, 31)).wrong_proofs == 3
    assert on((later, row), date(2027, 1, 1)).wrong_proofs == 5
    with pytest.raises(LookupError):
        on((later,), date(2026, 12, 31))


def test_every_row_says_where_it_comes_from():
    for row in (*RULES.binding, *RULES.trust, *RULES.risk):
        assert len(row.source) > 10
