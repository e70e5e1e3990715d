"""The generated SQL: what it is, and that DuckDB computes with it what a person would."""

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from models.__main__ import main
from models.fraud import compile_duckdb
from models.fraud.dataset import load_events
from models.fraud.features import FEATURES
from tests.unit.models import oracle
from tests.unit.models.strategies import histories
from tests.unit.models.synthetic import START, Label, event_log, history

GOLDEN = Path(__file__).parent / "golden" / "features_duckdb.sql"
END = START + timedelta(days=400)


@pytest.fixture(scope="module")
def duck():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        yield connection


def computed(connection, payments, labels):
    event_log(connection, payments, labels)
    load_events(connection, END, events="raw_events", livemode=False)
    cursor = connection.execute(
        compile_duckdb.compile_features("feature_payments", "feature_labels")
    )
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row.pop("payment_id"): row for row in rows}


def test_duckdb_query_is_as_written_down():
    assert compile_duckdb.compile_features() == GOLDEN.read_text()


def test_queries_of_the_service_are_up_to_date():
    assert main(["compile", "--check"]) == 0, "run: python -m models compile"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_duckdb_equals_the_oracle(duck, made):
    payments, labels = made
    found = computed(duck, payments, labels)
    for payment in payments:
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
