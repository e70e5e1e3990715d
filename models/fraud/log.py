"""A labelled transaction log from files, as the two relations that features read.

Belongs here: reading, and refusing what is not such a log with the file and the column. Does not:
training or measuring (`backtest`).

transactions: transaction_id, occurred_at, customer_id, terminal_id, amount_minor
labels: transaction_id, known_at, fraud

Parquet, or CSV by the file's extension. Times without a zone are UTC. A customer of the log is one
card as well, and a terminal is a merchant; devices, addresses and VPAs are not known.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warehouse.connection import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WHOLE: Final = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
)
_TEXT: Final = ("VARCHAR", "UUID")
_TIMES: Final = (
    *("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
    *("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"),
)

_TRANSACTIONS: Final = {
    "transaction_id": (*_WHOLE, *_TEXT),
    "occurred_at": _TIMES,
    "customer_id": (*_WHOLE, *_TEXT),
    "terminal_id": (*_WHOLE, *_TEXT),
    "amount_minor": _WHOLE,
}
_LABELS: Final = {
    "transaction_id": (*_WHOLE, *_TEXT),
    "known_at": _TIMES,
    "fraud": (*_WHOLE, "BOOLEAN"),
}

_PAYMENTS: Final = """
CREATE OR REPLACE TEMP TABLE log_payments AS
SELECT
    transaction_id AS payment_id,
    epoch_us(occurred_at) AS at_us,
    customer_id::VARCHAR AS customer_key,
    customer_id::VARCHAR AS card_key,
    NULL::VARCHAR AS vpa_key,
    NULL::VARCHAR AS device_key,
    NULL::VARCHAR AS ip_key,
    terminal_id::VARCHAR AS merchant_id,
    amount_minor::BIGINT AS amount_minor
FROM {transactions} WHERE epoch_us(occurred_at) < {until_us}
"""

_KNOWN: Final = """
CREATE OR REPLACE TEMP TABLE log_labels AS
SELECT
    payment_id, customer_key, card_key, vpa_key, device_key, ip_key, merchant_id, amount_minor,
    fraud::BOOLEAN AS fraud,
    epoch_us(known_at) AS known_us
FROM log_payments JOIN {labels} ON transaction_id = payment_id
"""


class LogRefused(Exception):
    """Not such a log, or not one that these days can be tested on; the message says where."""


def read_log(
    connection: "DuckDBPyConnection", transactions: Path, labels: Path, until_us: int
) -> None:
    """Make `log_payments`, all before `until_us`, and `log_labels`, all labels of those.

    A payment may have several labels: each is an event of its own. A label of a transaction that
    is not in the log is of no use and left out.
    """
    sold, sold_id = _checked(connection, transactions, _TRANSACTIONS)
    told, told_id = _checked(connection, labels, _LABELS)
    if (sold_id in _TEXT) != (told_id in _TEXT):
        raise LogRefused(
            f"{labels.name}: transaction_id is {told_id}, but {sold_id} in {transactions.name}"
        )
    for path, wrong, rows in (
        (transactions, "amount_minor: below zero", f"{sold} WHERE amount_minor < 0"),
        (transactions, "transaction_id: there are others of the same", _repeated(sold)),
        (labels, "fraud: neither 0 nor 1", f"{told} WHERE fraud::BIGINT NOT IN (0, 1)"),
    ):
        _refuse(connection, path, wrong, rows)
    connection.execute(_PAYMENTS.format(transactions=sold, until_us=until_us))
    connection.execute(_KNOWN.format(labels=told))


def _checked(
    connection: "DuckDBPyConnection", path: Path, columns: Mapping[str, Sequence[str]]
) -> tuple[str, str]:
    """What to read the file by, and the type of its ids, when it has the columns it must have."""
    import duckdb

    if not path.is_file():
        raise LogRefused(f"{path}: no such file")
    reader = "read_csv" if path.suffix.lower() == ".csv" else "read_parquet"
    source = f"{reader}({quoted(str(path))})"
    try:
        found = {
            str(name): str(kind)
            for name, kind, *_ in connection.execute(f"DESCRIBE FROM {source}").fetchall()
        }
        for name, kinds in columns.items():
            if name not in found:
                raise LogRefused(f"{path.name}: no column {name} (there are {', '.join(found)})")
            if found[name] not in kinds:
                raise LogRefused(f"{path.name}: {name} is {found[name]}, not {_either(kinds)}")
        for name in columns:
            _refuse(connection, path, f"{name}: null", f"{source} WHERE {name} IS NULL")
    except duckdb.Error as error:
        raise LogRefused(f"{path.name}: {str(error).splitlines()[0]}") from None
    return source, found["transaction_id"]


def _refuse(connection: "DuckDBPyConnection", path: Path, wrong: str, rows: str) -> None:
    row = connection.execute(f"SELECT count(*) FROM {rows}").fetchone()  # noqa: S608
    if row and row[0]:
        raise LogRefused(f"{path.name}: {wrong} ({row[0]} rows)")


def _repeated(source: str) -> str:
    return f"(SELECT 1 FROM {source} GROUP BY transaction_id HAVING count(*) > 1)"  # noqa: S608


def _either(kinds: Sequence[str]) -> str:
    if "BOOLEAN" in kinds:
        return "0 and 1 as whole numbers or truths"
    if "TIMESTAMP" in kinds:
        return "a time stamp"
    return "whole numbers or text" if "VARCHAR" in kinds else "whole numbers"
