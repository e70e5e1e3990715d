"""Rows packed for binary COPY come out of PostgreSQL as they went in."""

import json
from datetime import UTC, date, datetime
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import tuple_row

from online.kernel.events import Metadata
from online.platform.copy_binary import Table

KINDS = {
    "u": "uuid", "s": "int2", "n": "int8", "b": "bool", "t": "text", "a": "text[]", "y": "bytea",
    "j": "jsonb", "d": "date", "z": "timestamptz",
}  # fmt: skip
TABLE = Table("packed", ", ".join(f"{name} {kind}" for name, kind in KINDS.items()))


@pytest.fixture(scope="module")
def connection(postgres):
    with psycopg.connect(postgres.url("postgres"), row_factory=tuple_row) as opened:
        columns = ", ".join(f"{name} {kind}" for name, kind in KINDS.items())
        opened.execute(f"create temporary table packed (i serial, {columns})")
        yield opened
        opened.rollback()


def through_postgres(connection, rows):
    connection.execute("truncate packed restart identity")
    with connection.cursor() as cursor, cursor.copy(TABLE.copy_statement) as copy:
        copy.write(TABLE.buffer(rows))
    return connection.execute(f"select {', '.join(KINDS)} from packed order by i").fetchall()


def one(connection, **values):
    (row,) = through_postgres(connection, [tuple(values.get(name) for name in KINDS)])
    return dict(zip(KINDS, row, strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("u", UUID(int=0)),
        ("u", UUID(int=2**128 - 1)),
        *(("s", n) for n in (0, 1, -1, 2**15 - 1, -(2**15))),
        *(("n", n) for n in (0, 1, -1, 2**63 - 1, -(2**63))),
        ("b", True),
        ("b", False),
        *(("t", text) for text in ("", "खाता ₹ 😀", "a\tb\\n\r\n", "\\N", "x" * 100_000)),
        *(("a", values) for values in ([], [""], ["upi", "card"], ["{", '"', "NULL", "é,₹"])),
        *(("y", data) for data in (b"", b"\x00\xff\\", bytes(range(256)))),
        *(("j", value) for value in ({}, [], {"a": [1, None, "₹"]}, "text", 7, True)),
        *(("d", day) for day in (date(2000, 1, 1), date(1970, 1, 1), date(1, 1, 1),
                                 date(2026, 2, 28), date(9999, 12, 31))),
        *(("z", at) for at in (
            datetime(2000, 1, 1, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
            datetime(2026, 3, 10, 6, 30, 0, 999_999, tzinfo=UTC),
            datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))),
    ],
)  # fmt: skip
def test_a_value_comes_back(connection, name, value):
    assert one(connection, **{name: value})[name] == value


@pytest.mark.parametrize("name", KINDS)
def test_none_is_null(connection, name):
    assert one(connection)[name] is None


def test_jsonb_takes_structs_and_what_is_json_already(connection):
    assert one(connection, j=Metadata(actor="x"))["j"] == {"actor": "x"}
    assert one(connection, j=b'{"a": 1}')["j"] == {"a": 1}


def test_no_rows_are_a_valid_copy(connection):
    assert through_postgres(connection, []) == []


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ValueError):
        TABLE.pack((None,))


NO_NUL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NO_NUL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NO_NUL, inner, max_size=3),
    max_leaves=5,
).filter(lambda value: value is not None)
ROWS = st.lists(
    st.tuples(
        *(
            st.none() | values
            for values in (
                st.uuids(),
                st.integers(-(2**15), 2**15 - 1),
                st.integers(-(2**63), 2**63 - 1),
                st.booleans(),
                NO_NUL,
                st.lists(NO_NUL, max_size=3),
                st.binary(max_size=20),
                JSON,
                st.dates(),
                st.datetimes(timezones=st.just(UTC)),
            )
        )
    ),
    max_size=5,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_rows_come_back_in_order(connection, rows):
    found = through_postgres(connection, rows)
    # jsonb orders keys its own way; as values they are equal.
    assert json.dumps([row[7] for row in found], sort_keys=True) == json.dumps(
        [row[7] for row in rows], sort_keys=True
    )
    assert found == rows
