"""Decisions of routing in the lake: a row a try, with its outcome as known by now."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import dagster as dg
import msgspec
import pytest

from assets import routing
from assets.checks import COLUMN_RULES
from online.kernel import ids
from online.routing.domain import Policy, Route, RouteRequest, choose
from tests.architecture.source import ROOT
from tests.unit.models.risk_days import RiskDays
from tests.unit.warehouse.books import DAY, NEXT_DAY, noon
from warehouse.routing import decide_routes

ROUTES = [
    Route(
        name=name,
        provider=name,
        methods=frozenset({method}),
        max_amount_minor=10**9,
        priority=priority,
        fee_bps=50 + priority,
    )
    for name, method, priority in [("a", "upi", 1), ("b", "upi", 2), ("c", "card", 1)]
]
PAYMENT = ids.derived("payment", "one")


class Log:
    """Writes what online writes of a payment's tries."""

    def __init__(self, lake: Any) -> None:
        self._days = RiskDays(lake)
        self._versions: dict[UUID, int] = {}
        self.routes: dict[UUID, str] = {}  # by attempt

    def event(self, of: UUID, kind: str, at: datetime, data: dict[str, Any]) -> None:
        self._versions[of] = self._versions.get(of, 0) + 1
        self._days.event(of, self._versions[of], kind, at, data)

    def created(self, payment: UUID, at: datetime) -> None:
        terms = {"method": "upi", "amount": 500_00, "currency": "INR", "mcc": "5814"}
        self.event(payment, "payment.created", at, terms)

    def tried(
        self, payment: UUID, name: str, at: datetime, *, exclude: str = "", explore: int = 0
    ) -> UUID:
        """A try of the payment, decided by the real choice; its attempt."""
        request = RouteRequest(
            payment_id=payment,
            method="upi",
            amount_minor=500_00,
            currency="INR",
            exclude=frozenset(exclude),
        )
        decision = choose(request, ROUTES, {}, Policy(explore_percent=explore))
        attempt = ids.derived("attempt", name)
        self.routes[attempt] = decision.route
        data = {
            "attempt_id": ids.encode("att", attempt),
            "route": decision.route,
            "rail": decision.route,
            "risk": {},
            "route_decision": msgspec.to_builtins(decision),
        }
        self.event(payment, "payment.processing", at, data)
        self.event(attempt, "attempt.sent", at + timedelta(milliseconds=1), {"route": name})
        return attempt

    def heard(self, attempt: UUID, kind: str, at: datetime, **data: Any) -> None:
        self.event(attempt, f"attempt.{kind}", at, data)

    def write(self) -> None:
        self._days.write()


@pytest.fixture
def log(warehouse):
    return Log(warehouse)


def decided(warehouse, day: date = DAY) -> list[dict[str, Any]]:
    found = warehouse.frame(
        "FROM route_decisions WHERE business_date = $day ORDER BY decided_at", day=day
    )
    return found.rows(named=True)


def test_a_cascade_is_two_rows_with_their_outcomes(warehouse, log):
    log.created(PAYMENT, noon(DAY))
    first = log.tried(PAYMENT, "first", noon(DAY))
    log.heard(first, "failed", noon(DAY, 1), code="UP", latency_ms=30, enquiry=0)
    second = log.tried(PAYMENT, "second", noon(DAY, 1), exclude="a")
    log.heard(second, "succeeded", noon(DAY, 2), code="00", latency_ms=45, enquiry=0)
    log.write()
    assert decide_routes(warehouse, DAY) == [DAY]
    one, other = decided(warehouse)
    assert {
        "attempt_id": first, "payment_id": PAYMENT, "try_number": 1, "route": "a", "rail": "a",
        "method": "upi", "amount_minor": 500_00, "mcc": "5814", "strategy": "balanced",
        "outcome": "failed", "answered": "failed", "code": "UP", "latency_ms": 30,
        "eligible_routes": 2, "propensity_bps": 10_000, "propensities_bps": 10_000, "late": False,
    }.items() <= {**one, "attempt_id": UUID(str(one["attempt_id"])),
                  "payment_id": UUID(str(one["payment_id"]))}.items()  # fmt: skip
    assert (other["try_number"], other["route"], other["outcome"]) == (2, "b", "succeeded")
    assert (other["reason"], other["eligible_routes"]) == ("only_eligible", 1)
    reasons = {each["name"]: each["reason"] for each in other["candidates"]}
    assert reasons == {"a": "already_tried", "b": "ok", "c": "method_not_supported"}


def test_propensities_are_those_of_an_exploring_choice(warehouse, log):
    for number in range(40):
        payment = ids.derived("payment", str(number))
        log.created(payment, noon(DAY, number))
        log.tried(payment, str(number), noon(DAY, number), explore=40)
    log.write()
    decide_routes(warehouse, DAY)
    rows = decided(warehouse)
    chances = {(row["route"], row["propensity_bps"]) for row in rows}
    assert chances == {("a", 8_000), ("b", 2_000)}
    assert {row["propensities_bps"] for row in rows} == {10_000}
    assert {row["outcome"] for row in rows} == {"sent"}


def test_the_documented_estimate_of_another_policy(warehouse, log):
    """`a` is the cheaper one and always succeeds, `b` never: always `a` would have succeeded."""
    for number in range(60):
        payment = ids.derived("payment", str(number))
        log.created(payment, noon(DAY, number))
        attempt = log.tried(payment, str(number), noon(DAY, number), explore=40)
        taken = "succeeded" if log.routes[attempt] == "a" else "failed"
        log.heard(attempt, taken, noon(DAY, number), latency_ms=1, enquiry=0)
    log.write()
    decide_routes(warehouse, DAY)
    page = (ROOT / "docs" / "warehouse.md").read_text("utf-8")
    blocks = (part.partition("```")[0] for part in page.split("```sql")[1:])
    (statement,) = (block for block in blocks if "route_decisions" in block)
    ((estimate,),) = warehouse.rows(statement.strip().rstrip(";"))
    by_a = sum(route == "a" for route in log.routes.values())
    assert 0 < by_a < 60
    assert estimate == pytest.approx(by_a / 0.8 / 60)


def test_a_late_outcome_makes_its_day_again(warehouse, log):
    log.created(PAYMENT, noon(DAY))
    attempt = log.tried(PAYMENT, "first", noon(DAY))
    log.heard(attempt, "unknown", noon(DAY, 1), code="no_answer", latency_ms=30_000, enquiry=0)
    log.write()
    decide_routes(warehouse, DAY)
    assert [row["outcome"] for row in decided(warehouse)] == ["unknown"]
    assert decide_routes(warehouse, NEXT_DAY) == [NEXT_DAY]  # nothing more is known
    later = Log(warehouse)
    later._versions = log._versions
    later.heard(attempt, "succeeded", noon(NEXT_DAY), code="00", enquiry=1, late=True)
    later.write()
    assert decide_routes(warehouse, NEXT_DAY) == [DAY, NEXT_DAY]
    (row,) = decided(warehouse)
    assert (row["answered"], row["outcome"], row["late"]) == ("unknown", "succeeded", True)
    assert row["latency_ms"] == 30_000  # of the call, not of the enquiry
    assert decide_routes(warehouse, NEXT_DAY) == [NEXT_DAY]


def test_a_payment_over_midnight_keeps_the_number_of_its_try(warehouse, log):
    midnight = noon(DAY) + timedelta(hours=12)
    log.created(PAYMENT, midnight - timedelta(seconds=1))
    log.tried(PAYMENT, "first", midnight - timedelta(seconds=1))
    log.tried(PAYMENT, "second", midnight + timedelta(seconds=1), exclude="a")
    log.write()
    decide_routes(warehouse, DAY)
    decide_routes(warehouse, NEXT_DAY)
    assert [row["try_number"] for row in decided(warehouse)] == [1]
    (second,) = decided(warehouse, NEXT_DAY)
    assert (second["try_number"], second["amount_minor"]) == (2, 500_00)


def test_a_rerun_replaces_the_day(warehouse, log):
    log.created(PAYMENT, noon(DAY))
    log.tried(PAYMENT, "first", noon(DAY))
    log.write()
    for _ in range(2):
        decide_routes(warehouse, DAY)
    assert len(decided(warehouse)) == 1


def test_the_asset_shows_its_routes_and_its_rules_hold(warehouse, log):
    log.created(PAYMENT, noon(DAY))
    attempt = log.tried(PAYMENT, "first", noon(DAY))
    log.heard(attempt, "succeeded", noon(DAY, 1), code="00", latency_ms=40, enquiry=0)
    log.write()
    rules = [each for each in COLUMN_RULES if "route_decisions" in str(each.check_keys)]
    assert len(rules) == 1
    result = dg.materialize(
        [*routing.ASSETS, *rules],
        partition_key=DAY.isoformat(),
        resources={"warehouse": warehouse, "folders": None},
        raise_on_error=False,
    )
    (made,) = result.asset_materializations_for_node("route_decisions")
    assert made.metadata["dagster/row_count"].value == 1
    assert "| a | 1 | 0 | 1 | 0 | 40 |" in made.metadata["by_route"].value
