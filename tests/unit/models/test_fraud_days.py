"""A day's decisions, what became of them, and how far they moved: as tables of a lake."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from models.fraud import drift, gauges
from models.fraud.bundle import Reference
from models.fraud.drift import SCORE, Watched, count_day, store_day
from models.fraud.features import feature_names
from models.fraud.watching import binned
from tests.unit.models.risk_days import RiskDays, features_of
from tests.unit.warehouse.books import DAY, NEXT_DAY, noon
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.fraud_watch import decide_day, watch_day

LATER = noon(DAY + timedelta(days=20))


@pytest.fixture(scope="module")
def one_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("lake")
    config = LakeConfig(catalog=str(folder / "l.ducklake"), data_path=str(folder / "lake"))
    with Warehouse(config) as made:
        schema.ensure(made)
        yield made


@pytest.fixture
def lake(one_lake: Warehouse) -> Warehouse:
    """Empty: a new one takes a second."""
    for table in ("raw_events", "stg_payments", "fraud_decisions", "fraud_watch", "fraud_drift"):
        one_lake.execute(f"DELETE FROM {table}")
    return one_lake


@pytest.fixture
def days(lake: Warehouse) -> RiskDays:
    return RiskDays(lake)


def watched(lake: Warehouse, day=DAY, role="champion") -> dict[str, Any]:
    (row,) = lake.frame(
        "FROM fraud_watch WHERE business_date = $day AND role = $role", day=day, role=role
    ).rows(named=True)
    return row


def made(lake: Warehouse, days: RiskDays, day=DAY) -> list[Any]:
    days.write()
    decide_day(lake, day)
    return watch_day(lake, day)


# ── decisions ────────────────────────────────────────────────────────────────────────────


def test_a_decision_is_there_once_as_it_was_stored(lake, days):
    payment = days.pay(DAY, rules=40, probability=0.3)
    days.pay(NEXT_DAY)
    days.write()
    assert decide_day(lake, DAY) == 1
    assert decide_day(lake, DAY) == 1
    (row,) = lake.frame("FROM fraud_decisions").rows(named=True)
    assert row["payment_id"] == payment or str(row["payment_id"]) == str(payment)
    assert (row["score"], row["decision"], row["factors_sum"]) == (70, "review", 70)
    assert (row["rules_points"], row["model_version"], row["probability"]) == (40, "1", 0.3)
    assert (row["has_customer"], row["has_device"], row["has_ip"]) == (True, False, False)
    assert row["shadow_rules"] == ["watched"]


def test_the_past_of_a_simulation_was_decided_by_nobody(lake, days):
    payment = days.pay(DAY)
    days._rows[-1]["data"] = '{"risk": {"score": 0, "decision": "allow", "source": "history"}}'
    days.write()
    assert payment
    assert decide_day(lake, DAY) == 0


def test_of_two_decisions_the_first_counts(lake, days):
    payment = days.pay(DAY, rules=40)
    days.event(payment, 3, "payment.processing", noon(DAY, 60), {"risk": {"score": 1}})
    days.write()
    decide_day(lake, DAY)
    assert lake.rows("SELECT score FROM fraud_decisions") == [(50,)]


@pytest.mark.parametrize(
    ("rules", "champion", "challenger", "decision", "instead"),
    [
        (50, 0.3, 0.1, "block", "review"),
        (0, 0.1, 0.9, "allow", "block"),
        (50, 0.1, 0.0, "review", "challenge"),
        (90, 0.5, 0.0, "block", "block"),  # the cap is taken off before another model is put in
    ],
)
def test_what_the_challenger_would_have_decided(
    lake, days, rules, champion, challenger, decision, instead
):
    days.pay(DAY, rules=rules, probability=champion, challenger=("2", challenger))
    days.write()
    decide_day(lake, DAY)
    found = lake.rows("SELECT decision, challenger_decision FROM fraud_decisions")
    assert found == [(decision, instead)]


# ── rates and labels ─────────────────────────────────────────────────────────────────────


def test_rates_of_a_day_by_model_and_role(lake, days):
    for _ in range(6):
        days.pay(DAY)
    days.pay(DAY, rules=55, challenger=("2", 0.0))
    days.pay(DAY, rules=90, challenger=("2", 0.9))
    days.pay(DAY, probability=None)
    days.pay(DAY, probability=None, failure="late", features={}, decision="review", score=0)
    made(lake, days)
    champion = lake.frame("FROM fraud_watch WHERE role = 'champion' ORDER BY model_version").rows(
        named=True
    )
    assert [row["model_version"] for row in champion] == ["1", "rules"]
    one, rules = champion
    assert (one["decisions"], one["allowed"], one["reviewed"], one["blocked"]) == (8, 6, 1, 1)
    assert (one["amount_minor"], one["alerted_minor"]) == (80_000, 20_000)
    assert (rules["decisions"], rules["without_model"], rules["by_failure_mode"]) == (2, 2, 1)
    other = watched(lake, role="challenger")
    assert (other["model_version"], other["decisions"]) == ("2", 2)
    assert (other["challenged"], other["blocked"]) == (1, 1)


def test_labels_are_counted_when_they_are_known_and_the_last_word_holds(lake, days):
    caught, wronged, missed = days.pay(DAY, rules=60), days.pay(DAY, rules=60), days.pay(DAY)
    unknown = days.pay(DAY, rules=60)
    for paid in (caught, unknown):
        days.event(paid, 3, "payment.captured", noon(DAY, 5), {"amount": 10_000})
    days.label(caught, fraud=True, at=noon(NEXT_DAY))
    days.label(wronged, fraud=True, at=noon(NEXT_DAY))
    days.label(wronged, fraud=False, at=noon(NEXT_DAY, 5))
    days.label(missed, fraud=True, at=noon(NEXT_DAY))
    made(lake, days)
    row = watched(lake)
    assert (row["alerts_known"], row["alerts_fraud"]) == (2, 1)
    assert (row["alerts_paid"], row["alerts_paid_known"], row["captured"]) == (2, 1, 2)
    assert (row["passed_known"], row["passed_fraud"]) == (1, 1)


def test_a_late_label_brings_its_day_back_and_no_other(lake, days):
    first = days.pay(DAY, rules=60)
    days.pay(NEXT_DAY, rules=60)
    assert made(lake, days) == [DAY]
    assert made(lake, days, NEXT_DAY) == [NEXT_DAY]
    days.label(first, fraud=True, at=LATER)
    after = LATER.date()
    days.pay(after)
    assert made(lake, days, after) == [DAY, after]
    assert watched(lake)["alerts_fraud"] == 1
    assert watched(lake, NEXT_DAY)["alerts_known"] == 0


def test_labels_that_were_counted_bring_nothing_back(lake, days):
    days.label(days.pay(DAY), fraud=False, at=noon(NEXT_DAY))
    made(lake, days)
    second = days.pay(DAY + timedelta(days=19))
    days.label(second, fraud=False, at=LATER)
    made(lake, days, DAY + timedelta(days=19))
    days.pay(LATER.date())
    assert DAY not in made(lake, days, LATER.date())


def test_what_came_long_ago_is_left_alone(lake, days):
    old = days.pay(DAY)
    made(lake, days)
    late = DAY + timedelta(days=300)
    days.label(old, fraud=True, at=noon(late))
    days.pay(late)
    assert made(lake, days, late) == [late]


# ── drift ────────────────────────────────────────────────────────────────────────────────


def reference(amounts, scores) -> Reference:
    """As training fills it, for one input and the score."""
    return Reference(
        rows=len(scores), score=binned(scores), inputs={"customer_count_24h": binned(amounts)}
    )


def vary(days: RiskDays, day, *, count: int, shift: int = 0, **more: Any) -> None:
    for place in range(count):
        known = features_of(customer_count_24h=place % 20 + shift)
        days.pay(day, probability=(place % 50) / 100, features=known, **more)


EVEN = reference([place % 20 for place in range(10_000)], [(p % 50) / 100 for p in range(10_000)])


def drift_of(lake: Warehouse, day, **references: Reference) -> dict[tuple[str, str], Any]:
    decide_day(lake, day)
    counted = count_day(lake, day, {name.removeprefix("v"): r for name, r in references.items()})
    rows = lake.transaction(lambda body: store_day(body, day, counted))
    return {(str(row["role"]), str(row["input"])): row for row in rows}


def test_the_input_of_a_model_is_one_of_its_vector():
    assert "customer_count_24h" in feature_names()


def test_a_day_like_training_has_not_moved(lake, days):
    vary(days, DAY, count=400)
    days.write()
    found = drift_of(lake, DAY, v1=EVEN)
    assert found["champion", SCORE]["verdict"] == "steady"
    assert found["champion", "customer_count_24h"]["verdict"] == "steady"
    assert found["champion", "customer_count_24h"]["psi"] < 0.01
    assert found["champion", "customer_count_24h"]["rows"] == 400


def test_an_input_that_moved_is_named(lake, days):
    vary(days, DAY, count=400, shift=8)
    days.write()
    found = drift_of(lake, DAY, v1=EVEN)
    assert found["champion", "customer_count_24h"]["verdict"] == "drifted"
    assert found["champion", SCORE]["verdict"] == "steady"


def test_few_decisions_have_no_number_until_a_week_has_enough(lake, days):
    verdicts = []
    for place in range(7):
        day = DAY + timedelta(days=place)
        vary(days, day, count=100)
        days.write()
        row = drift_of(lake, day, v1=EVEN)["champion", SCORE]
        assert row["psi"] is None
        verdicts.append(row["verdict"])
    assert verdicts[0] == "too few"
    assert verdicts[-1] == "steady"


def test_a_day_made_again_is_the_same_day(lake, days):
    vary(days, DAY, count=300)
    days.write()
    assert drift_of(lake, DAY, v1=EVEN) == drift_of(lake, DAY, v1=EVEN)
    assert lake.count("fraud_drift") == 2


def test_the_challenger_is_held_against_its_own_training(lake, days):
    other = reference([0] * 5_000 + list(range(5_000)), [0.9] * 9_000 + [0.1] * 1_000)
    vary(days, DAY, count=400, challenger=("2", 0.05))
    days.write()
    found = drift_of(lake, DAY, v1=EVEN, v2=other)
    assert found["challenger", SCORE]["verdict"] == "drifted"
    assert found["champion", SCORE]["verdict"] == "steady"


def test_what_cannot_be_compared_is_left_out(lake, days):
    days.pay(DAY, feature_set="of another day")
    days.pay(DAY, failure="late", features={}, probability=None)
    days.pay(DAY, model="9")
    days.write()
    decide_day(lake, DAY)
    assert count_day(lake, DAY, {"1": EVEN}) == {}


def test_a_sample_is_the_same_each_time(lake, days):
    vary(days, DAY, count=100)
    days.write()
    decide_day(lake, DAY)
    first = count_day(lake, DAY, {"1": EVEN}, sampled=40)
    again = count_day(lake, DAY, {"1": EVEN}, sampled=40)
    key = Watched(False, "champion", "1")
    assert sum(first[key].counts[SCORE]) == 40
    assert first[key].counts == again[key].counts


def test_blocks_add_up(lake, days, monkeypatch):
    vary(days, DAY, count=100)
    days.write()
    decide_day(lake, DAY)
    key = Watched(False, "champion", "1")
    whole = count_day(lake, DAY, {"1": EVEN})[key].counts
    monkeypatch.setattr(drift, "_AT_ONCE", 7)
    assert count_day(lake, DAY, {"1": EVEN})[key].counts == whole


def episodes(lake: Warehouse) -> list[tuple[str, Any]]:
    return [
        (row["model_version"], row["since"])
        for row in lake.query("fraud_drift_episodes").iter_rows(named=True)
    ]


def test_an_episode_begins_when_the_score_drifts_and_ends_when_it_does_not(lake):
    def say(day, verdict, *, version="1", name=SCORE, role="champion"):
        lake.execute(
            "INSERT INTO fraud_drift (business_date, livemode, role, model_version, input, verdict)"
            " VALUES ($day, false, $role, $version, $name, $verdict)",
            day=day,
            role=role,
            version=version,
            name=name,
            verdict=verdict,
        )

    at = [DAY + timedelta(days=place) for place in range(8)]
    assert episodes(lake) == []
    say(at[0], "drifted")
    assert episodes(lake) == [("1", at[0])]
    say(at[1], "drifted")
    assert episodes(lake) == [("1", at[0])]
    say(at[2], "moved")
    assert episodes(lake) == []
    say(at[3], "drifted")
    say(at[4], "drifted")
    assert episodes(lake) == [("1", at[3])]
    say(at[5], "drifted", name="customer_count_24h", version="2")
    say(at[5], "drifted", role="challenger", version="2")
    assert episodes(lake) == [("1", at[3])]
    say(at[6], "steady", version="2")
    assert episodes(lake) == []


# ── the file for Prometheus ──────────────────────────────────────────────────────────────


def test_prometheus_reads_the_newest_day(lake, days):
    from prometheus_client.parser import text_string_to_metric_families

    vary(days, DAY, count=400, shift=8)
    days.label(days.pay(DAY, rules=80), fraud=True, at=noon(NEXT_DAY))
    made(lake, days)
    drift_of(lake, DAY, v1=EVEN)
    families = {f.name: f for f in text_string_to_metric_families(gauges.written(lake))}
    labels = {"model_version": "1", "role": "champion", "mode": "test"}
    (precision,) = families["khata_model_precision"].samples
    assert (precision.labels, precision.value) == (labels, 1.0)
    (until,) = families["khata_model_watched_until_seconds"].samples
    assert until.value == noon(DAY).timestamp() + 12 * 3_600
    moved = {s.labels["input"]: s.value for s in families["khata_model_psi"].samples}
    assert moved["customer_count_24h"] > 0.25 > moved[SCORE]
    ((share, *_),) = [families["khata_model_alert_ratio"].samples]
    assert share.value == pytest.approx(1 / 401)


def test_without_a_day_there_is_no_sample(lake):
    assert all(line.startswith("#") for line in gauges.written(lake).splitlines())


def test_the_file_is_replaced_whole(tmp_path):
    path = tmp_path / "metrics" / "fraud.prom"
    gauges.replace(path, "one\n")
    gauges.replace(path, "two\n")
    assert path.read_text() == "two\n"
    assert [each.name for each in path.parent.iterdir()] == ["fraud.prom"]


def test_probabilities_are_doubles_all_the_way(lake, days):
    value = float(np.float32(0.1))
    days.pay(DAY, probability=value)
    days.write()
    decide_day(lake, DAY)
    assert lake.rows("SELECT probability FROM fraud_decisions") == [(value,)]
