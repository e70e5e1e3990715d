"""Nothing that comes later changes what a payment looked like: on the side of training (DuckDB)
and on the side of the service (PostgreSQL, through tiles)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from models.fraud.compile_duckdb import compile_features
from online.kernel import ids
from online.risk.store import QUERIES, parameters
from tests.integration.risk_rows import appends, risk_input
from tests.unit.models.strategies import histories
from tests.unit.models.synthetic import Label, Payment, event_log
from warehouse import macros
from warehouse.connection import sql_text

_QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@dataclass(frozen=True)
class Told:
    """A history as it is, and as it might have gone on after the moment of `payment`."""

    payment: Payment
    was: tuple[list[Payment], list[Label]]
    became: tuple[list[Payment], list[Label]]


@st.composite
def goings_on(draw: Any) -> Told:
    """Later events, and those of the same microsecond, are dropped, changed, moved or added to."""
    payments, said = draw(histories())
    labels = [label for label in said if label.known_at >= label.payment.at]
    payment = draw(st.sampled_from(payments))
    others: list[Payment] = []
    for other in payments:
        stays = other.at < payment.at or other is payment
        others += [other] if stays else draw(_another(other))
    known: list[Label] = []
    for label in labels:
        known += [label] if label.known_at < payment.at else draw(_another_label(label))
    for number, other in enumerate(draw(st.lists(st.sampled_from(payments), max_size=4))):
        added = ids.derived("added", str(number))
        others.append(replace(other, id=added, at=max(other.at, payment.at)))
        known.append(Label(other, payment.at, draw(st.booleans())))
    return Told(payment, (payments, labels), (others, known))


def _another(other: Payment) -> st.SearchStrategy[list[Payment]]:
    return st.one_of(
        st.just([]),
        st.just([other]),
        st.integers(1, 10**12).map(lambda amount: [replace(other, amount=amount)]),
        st.sampled_from(["cus_a", "cus_b", None]).map(lambda who: [replace(other, customer=who)]),
        st.integers(0, 10**13).map(
            lambda later: [replace(other, at=other.at + timedelta(microseconds=later))]
        ),
    )


def _another_label(label: Label) -> st.SearchStrategy[list[Label]]:
    return st.one_of(
        st.just([]),
        st.just([label]),
        st.just([replace(label, fraud=not label.fraud)]),
        st.just([label, replace(label, fraud=not label.fraud)]),
        st.integers(0, 10**13).map(
            lambda later: [replace(label, known_at=label.known_at + timedelta(microseconds=later))]
        ),
    )


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        for statement in macros.statements():
            connection.execute(statement)
        yield connection


def trained_on(
    connection: duckdb.DuckDBPyConnection, payments: Sequence[Payment], labels: Sequence[Label]
) -> dict[Any, dict[str, Any]]:
    event_log(connection, list(payments), list(labels))
    everything = {"livemode": False, "from_us": 0, "until_us": 2 * 10**15}
    for name in ("payments", "labels"):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS {sql_text(f'feature_{name}')}", everything
        )
    cursor = connection.execute(compile_features())
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row["payment_id"]: row for row in rows}


@settings(max_examples=30, deadline=None, suppress_health_check=_QUIET)
@given(goings_on())
def test_training_sees_nothing_of_what_comes_later(duck: Any, told: Told) -> None:
    was, became = trained_on(duck, *told.was), trained_on(duck, *told.became)
    assert was[told.payment.id] == became[told.payment.id]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, row_factory=dict_row) as opened:
        yield opened


def served_from(
    connection: psycopg.Connection[Any],
    payment: Payment,
    payments: Sequence[Payment],
    labels: Sequence[Label],
) -> dict[str, Any]:
    for append in appends(payments, labels):
        columns = ", ".join(append.table.columns)
        places = ", ".join(["%s"] * len(append.table.columns))
        connection.cursor().executemany(
            f"insert into {append.table.name} ({columns}) values ({places})", append.rows
        )
    found = connection.execute(QUERIES["raw_features"], parameters(risk_input(payment))).fetchone()
    connection.rollback()
    assert found is not None
    del found["snapshot"]
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=_QUIET)
@given(goings_on())
def test_the_service_sees_nothing_of_what_comes_later(connection: Any, told: Told) -> None:
    was = served_from(connection, told.payment, *told.was)
    assert served_from(connection, told.payment, *told.became) == was
