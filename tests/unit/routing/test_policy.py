"""Rules and volume splits: what a file may say, and what it makes of a choice."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from online.kernel import ids
from online.platform.settings import ROOT
from online.routing.domain import Policy, RouteHealth, RouteImpossible, RouteRequest, choose
from online.routing.policy import PolicyRefused, load_policy, read_policy
from tests.unit.routing.test_choose import LAKH, ROUTES, request, route

DAY = date(2026, 6, 15)
MERCHANT = UUID("0193a000-0000-7000-8000-00000000000a")
RULE = {"name": "r", "prefer": ["upi_icici"], "valid_from": date(2026, 1, 1)}
SPLIT = {
    "name": "s",
    "shares": {"upi_hdfc": 70, "upi_icici": 30},
    "valid_from": date(2026, 1, 1),
}


def policy(*, rules: Sequence[Any] = (), splits: Sequence[Any] = (), **fields: Any) -> Policy:
    raw = {"version": 3, "rules": list(rules), "splits": list(splits), **fields}
    return read_policy(deepcopy(raw), ROUTES)


def chosen(asked: RouteRequest, of: Policy, **health: RouteHealth) -> tuple[str, str]:
    decision = choose(asked, ROUTES, health, of, DAY)
    return decision.route, decision.reason


def test_the_shipped_file_is_good_and_lets_strategies_decide():
    shipped = load_policy(ROOT / "config" / "routing.yaml", ROUTES)
    assert (shipped.rules, shipped.splits, shipped.explore_percent) == ((), (), 0)
    assert choose(request(), ROUTES, {}, shipped, DAY).config_version == shipped.version
    assert shipped.version.startswith("1-")


# ── rules ────────────────────────────────────────────────────────────────────────────────

MET = {
    "methods": ["upi"],
    "currencies": ["INR"],
    "networks": ["rupay"],
    "fundings": ["credit"],
    "mccs": ["5814"],
    "merchants": [ids.encode("mrc", MERCHANT)],
    "min_amount_minor": 500_00,
    "max_amount_minor": 500_00,
}
UNMET = {
    "methods": ["card"],
    "currencies": ["USD"],
    "networks": ["visa"],
    "fundings": ["debit"],
    "mccs": ["5411"],
    "merchants": [ids.encode("mrc", UUID(int=1))],
    "min_amount_minor": 500_01,
    "max_amount_minor": 499_99,
}
ASKED = request(network="rupay", funding="credit", mcc="5814", merchant_id=MERCHANT)


@pytest.mark.parametrize("condition", [*MET, "none", "all"])
def test_a_rule_whose_conditions_are_met_decides(condition: str):
    when = {"none": {}, "all": MET}.get(condition, {condition: MET.get(condition)})
    decision = choose(ASKED, ROUTES, {}, policy(rules=[RULE | {"when": when}]), DAY)
    assert (decision.route, decision.reason, decision.rule) == ("upi_icici", "rule", "r")


@pytest.mark.parametrize("condition", UNMET)
def test_one_condition_that_is_not_met_is_enough(condition: str):
    when = MET | {condition: UNMET[condition]}
    if condition == "min_amount_minor":
        del when["max_amount_minor"]
    if condition == "max_amount_minor":
        del when["min_amount_minor"]
    decision = choose(ASKED, ROUTES, {}, policy(rules=[RULE | {"when": when}]), DAY)
    assert (decision.route, decision.rule) == ("upi_hdfc", None)


def test_what_is_not_known_meets_no_condition():
    assert chosen(request(), policy(rules=[RULE | {"when": {"networks": ["rupay"]}}])) == (
        "upi_hdfc",
        "best_balanced",
    )


@pytest.mark.parametrize(
    ("first", "last", "holds"),
    [
        (DAY, DAY, True),
        (date(2026, 6, 16), None, False),
        (date(2026, 1, 1), date(2026, 6, 14), False),
    ],
)
def test_a_rule_has_its_days(first: date, last: date | None, holds: bool):
    dated = policy(rules=[RULE | {"valid_from": first, "valid_to": last}])
    assert chosen(request(), dated)[1] == ("rule" if holds else "best_balanced")


def test_the_first_rule_that_fits_is_taken():
    other = RULE | {"name": "other", "prefer": ["upi_hdfc"]}
    assert chosen(request(), policy(rules=[RULE, other]))[0] == "upi_icici"
    assert chosen(request(), policy(rules=[other, RULE]))[0] == "upi_hdfc"


def test_where_no_preferred_route_can_the_others_are_tried():
    of = policy(rules=[RULE])
    assert chosen(request(), of, upi_icici=RouteHealth(state="open")) == (
        "upi_hdfc",
        "only_eligible",
    )


def test_only_leaves_the_others_out_even_when_it_cannot():
    of = policy(rules=[{"name": "r", "only": ["upi_icici"], "valid_from": DAY}])
    decision = choose(request(), ROUTES, {}, of, DAY)
    assert (decision.route, decision.reason, decision.rule) == ("upi_icici", "only_eligible", "r")
    reasons = {each.name: each.reason for each in decision.candidates}
    assert reasons["upi_hdfc"] == "excluded_by_rule"
    with pytest.raises(RouteImpossible) as caught:
        choose(request(amount_minor=LAKH + 1), ROUTES, {}, of, DAY)
    assert caught.value.param == "amount"
    with pytest.raises(RouteImpossible) as caught:
        choose(request(method="card"), ROUTES, {}, of, DAY)
    assert caught.value.param == "payment_method"


# ── splits ───────────────────────────────────────────────────────────────────────────────


def numbered(number: int, **changes: object) -> RouteRequest:
    return request(payment_id=UUID(int=number), **changes)


def test_a_split_says_who_and_how_probable_it_was():
    decision = choose(request(), ROUTES, {}, policy(splits=[SPLIT]), DAY)
    assert (decision.reason, decision.split) == ("split", "s")
    chances = {each.name: each.propensity_bps for each in decision.candidates}
    assert chances == {"upi_hdfc": 7_000, "upi_icici": 3_000, "card_a": 0, "card_b": 0}


def test_a_payment_keeps_its_bucket_when_another_route_falls_out():
    of = policy(splits=[SPLIT])
    before = [chosen(numbered(n), of)[0] for n in range(300)]
    without = [chosen(numbered(n), of, upi_hdfc=RouteHealth(state="open"))[0] for n in range(300)]
    assert set(before) == {"upi_hdfc", "upi_icici"}
    assert set(without) == {"upi_icici"}


def test_a_split_without_a_route_that_can_leaves_the_choice_to_the_strategy():
    of = policy(splits=[SPLIT | {"shares": {"card_a": 100}}])
    decision = choose(request(), ROUTES, {}, of, DAY)
    assert (decision.route, decision.reason, decision.split) == ("upi_hdfc", "best_balanced", None)


def test_a_rule_goes_before_a_split():
    assert chosen(request(), policy(rules=[RULE], splits=[SPLIT])) == ("upi_icici", "rule")


def test_a_route_without_a_share_is_not_probed():
    of = policy(splits=[SPLIT | {"shares": {"upi_hdfc": 100, "upi_icici": 0}}])
    assert chosen(request(), of, upi_icici=RouteHealth(state="half_open"))[0] == "upi_hdfc"


def test_exploring_goes_anywhere_as_often_as_it_says():
    of = policy(explore_percent=20)
    decisions = [choose(numbered(n), ROUTES, {}, of, DAY) for n in range(2_000)]
    explored = [each for each in decisions if each.reason == "explored"]
    assert {each.route for each in explored} == {"upi_icici"}
    assert 150 <= len(explored) <= 250, "half of the twenty per cent go to the best one"
    chances = {each.name: each.propensity_bps for each in explored[0].candidates}
    assert chances == {"upi_hdfc": 9_000, "upi_icici": 1_000, "card_a": 0, "card_b": 0}


# ── what a file must not say ─────────────────────────────────────────────────────────────


def rules(**changes: Any) -> dict[str, Any]:
    return {"version": 1, "rules": [RULE | changes]}


def splits(**changes: Any) -> dict[str, Any]:
    return {"version": 1, "splits": [SPLIT | changes]}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (None, "the file: Expected `object`, got `null`"),
        ([], "the file: Expected `object`, got `array`"),
        ({}, "the file: Object missing required field `version`"),
        ({"version": 0}, "version: Expected `int` >= 1"),
        ({"version": 1, "rule": []}, "the file: Object contains unknown field `rule`"),
        ({"version": 1, "explore_percent": 51}, "explore_percent: Expected `int` <= 50"),
        ({"version": 1, "prior": {"calls": 0}}, "prior.calls, prior.latency_calls: at least 1"),
        ({"version": 1, "prior": {"failure_bps": 10_001}}, "prior.failure_bps: 10000 is all"),
        ({"version": 1, "prior": {"latency_ms": -1}}, "prior.latency_ms: 0 to 100000"),
        (rules(prefer=[]), "rules[0]: needs `only` or `prefer`"),
        (rules(prefer=["upi_axis"]), "rules[0].prefer: there is no route 'upi_axis' among"),
        (rules(only=["upi_axis"]), "rules[0].only: there is no route 'upi_axis' among"),
        (rules(only=["upi_hdfc"]), "rules[0].prefer: names a route that `only` leaves out"),
        (rules(prefer=["upi_hdfc"] * 2), "rules[0].prefer: names a route twice"),
        (rules(valid_to=date(2025, 1, 1)), "rules[0].valid_to: lies before valid_from"),
        (rules(valid_from="soon"), "rules[0].valid_from: Invalid RFC3339"),
        (rules(name=""), "name: '' must be unique"),
        (rules(when={"method": "upi"}), "rules[0].when: Object contains unknown field `method`"),
        (rules(when={"methods": "upi"}), "rules[0].when.methods: Expected `array | null`, got"),
        (rules(when={"merchants": ["mrc_1"]}), "rules[0].when.merchants: 'mrc_1' is no id"),
        (
            rules(when={"min_amount_minor": 2, "max_amount_minor": 1}),
            "rules[0].when.max_amount_minor: is less than min_amount_minor",
        ),
        (splits(shares={}), "splits[0].shares: the shares add up to 0 per cent, not 100"),
        (splits(shares={"upi_hdfc": 99}), "splits[0].shares: the shares add up to 99 per cent"),
        (
            splits(shares={"upi_hdfc": 60, "upi_icici": 41}),
            "splits[0].shares: the shares add up to 101 per cent",
        ),
        (
            splits(shares={"upi_hdfc": 110, "upi_icici": -10}),
            "splits[0].shares.upi_hdfc: 0 to 100 per cent was expected, not 110",
        ),
        (splits(shares={"upi_hdfc": 99.5}), "splits[0].shares[...]: Expected `int`, got `float`"),
        (splits(shares={"upi_axis": 100}), "splits[0].shares: there is no route 'upi_axis'"),
        ({"version": 1, "rules": [RULE], "splits": [SPLIT | {"name": "r"}]}, "name: 'r' must be"),
    ],
)
def test_a_mistake_is_named(raw: Any, message: str):
    with pytest.raises(PolicyRefused) as caught:
        read_policy(deepcopy(raw), ROUTES)
    assert str(caught.value).startswith(f"routing policy: {message}")


@pytest.mark.parametrize(
    ("text", "message"), [(None, "cannot be read"), ("rules: [", "not valid YAML")]
)
def test_a_file_that_is_none(text: str | None, message: str, tmp_path: Path):
    path = tmp_path / "routing.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PolicyRefused, match=message):
        load_policy(path, ROUTES)


def test_a_version_names_the_content():
    """Comments, order of routes and white space mean nothing; anything that decides does."""
    raw: Mapping[str, Any] = {"version": 3, "rules": [RULE]}
    version = read_policy(deepcopy(raw), ROUTES).version
    assert read_policy(deepcopy(raw), ROUTES[::-1]).version == version
    others = [
        read_policy({**deepcopy(raw), "explore_percent": 1}, ROUTES),
        read_policy({"version": 3}, ROUTES),
        read_policy(deepcopy(raw), [*ROUTES, route("new")]),
    ]
    assert len({version, *(each.version for each in others)}) == 4
