"""The generated SQL: what it is, and that DuckDB computes with it what a person would."""

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from models.__main__ import main
from models.fraud.compile_duckdb import compile_features
from models.fraud.dataset import load_events
from models.fraud.features import DAY, FEATURES, FILTERS, HOUR, KEYS, Feature, epoch_us
from tests.unit.models import oracle
from tests.unit.models.strategies import histories
from tests.unit.models.synthetic import START, Label, event_log, history
from warehouse import macros

GOLDEN = Path(__file__).parent / "golden"
END = START + timedelta(days=400)


def every() -> tuple[Feature, ...]:
    """Whatever can be written as a feature, not only what is one."""
    kinds = {
        "transaction": ("count", "sum", "sum_squares", "max", "last", "distinct_customers"),
        "label": ("count", "sum", "sum_squares", "max", "last", "streak"),
    }
    return tuple(
        Feature(name, 1, entity, kind, chosen, aggregate, window, default=0)
        for kind, aggregates in kinds.items()
        for entity in KEYS
        for chosen in FILTERS[kind]
        for aggregate in aggregates
        for window in (HOUR, 30 * DAY)
        for name in [f"{entity}_{aggregate}_{chosen}_{kind}_{window}"]
        if (aggregate, chosen) != ("streak", "all")
    )


EVERY = every()


@pytest.fixture(scope="module")
def duck():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        for statement in macros.statements():
            connection.execute(statement)
        yield connection


def computed(connection, payments, labels, wanted=None, features=FEATURES):
    event_log(connection, payments, labels)
    load_events(connection, livemode=False, from_us=0, until_us=epoch_us(END))
    if wanted is not None:
        ids = ", ".join(f"('{payment.id}'::UUID)" for payment in wanted)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE few AS SELECT * FROM (VALUES {ids}) AS v(payment_id)"
        )
    few = None if wanted is None else "few"
    cursor = connection.execute(
        compile_features("feature_payments", "feature_labels", few, features=features)
    )
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    found = {row.pop("payment_id"): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_duckdb_query_is_as_written_down():
    assert compile_features() == (GOLDEN / "features_duckdb.sql").read_text()
    few = compile_features(wanted="wanted")
    assert few == (GOLDEN / "features_duckdb_wanted.sql").read_text()


def test_queries_of_the_service_are_up_to_date():
    assert main(["compile", "--check"]) == 0, "run: python -m models compile"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_duckdb_equals_the_oracle(duck, made):
    payments, labels = made
    found = computed(duck, payments, labels)
    for payment in payments:
        assert found[payment.id] == oracle.raw_features(payment, payments, labels)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_any_feature_equals_the_oracle(duck, made):
    payments, labels = made
    events = {
        "transaction": [oracle.Event(payment.at, payment, None) for payment in payments],
        "label": [oracle.Event(label.known_at, label.payment, label.fraud) for label in labels],
    }
    found = computed(duck, payments, labels, features=EVERY)
    for payment in payments:
        expected = {f.name: oracle.aggregate(f, payment, events[f.kind]) for f in EVERY}
        assert found[payment.id] == expected


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_asking_for_few_gives_the_same_rows(duck, made):
    payments, labels = made
    wanted = payments[::3]
    found = computed(duck, payments, labels, wanted)
    assert found.keys() == {payment.id for payment in wanted}
    for payment in wanted:
        assert found[payment.id] == oracle.raw_features(payment, payments, labels)


def test_duckdb_equals_the_oracle_on_a_longer_history(duck):
    payments, labels = history(400, 100, seed=5)
    found = computed(duck, payments, labels)
    for payment in payments:
        assert found[payment.id] == oracle.raw_features(payment, payments, labels)


def test_what_comes_later_changes_nothing_before(duck):
    payments, labels = history(300, 40, seed=6)
    middle = payments[150].at
    labels += [Label(payment, middle + timedelta(days=9), fraud=True) for payment in payments[::7]]
    before = computed(duck, payments, labels)
    known = [label for label in labels if label.known_at < middle]
    altered = [
        Label(label.payment, label.known_at, not label.fraud)
        for label in labels
        if label.known_at >= middle
    ]
    after = computed(duck, [p for p in payments if p.at <= middle], [*known, *altered])
    for payment in payments:
        if payment.at <= middle:
            assert before[payment.id] == after[payment.id]


def test_every_feature_has_a_column(duck):
    payments, labels = history(20, 5, seed=1)
    row = next(iter(computed(duck, payments, labels).values()))
    assert list(row) == [feature.name for feature in FEATURES]
