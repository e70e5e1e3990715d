"""The bank's records as plain rows, for those who compare them with books of their own.

Belongs here: reading by reference and as a list. Does not: anything that changes them.
"""

import sqlite3
from typing import Any, Final

from online.sandbox.records import AGAIN

_OPERATION: Final = (
    *("reference", "rail", "operation", "amount", "root", "status", "code", "capture"),
    *("rail_reference", "pending_kind", "captured", "refunded", "voided", "reversed"),
    "created_at",
)
_MOVEMENT: Final = (
    *("reference", "rail", "type", "amount", "moved_at", "bank_day", "rrn"),
    *("network_ref", "reported_on"),
)
_OPERATIONS: Final = """
    select reference, rail, operation, amount, root, status, answer ->> '$.code', capture,
        rail_reference, pending_kind, captured, refunded, voided, reversed, created_at
    from operations """
_MOVEMENTS: Final = """
    select reference, rail, type, amount, moved_at, bank_day, rrn, network_ref, reported_on
    from movements """
# What moved under it once more comes after it: "0" is next to "/".
_MOVED_BY: Final = (
    _MOVEMENTS
    + "where reference = ?1 or reference > ?2 and reference < ?1 || '0' order by reference"
)
_PAGE: Final = "where (?1 is null or rail = ?1) and reference > ?2 order by reference limit ?3"


def operation(db: sqlite3.Connection, reference: str) -> dict[str, Any] | None:
    """One operation with what it moved."""
    row = db.execute(_OPERATIONS + "where reference = ?", (reference,)).fetchone()
    if row is None:
        return None
    moved = db.execute(_MOVED_BY, (reference, reference + AGAIN)).fetchall()
    return {**_named(_OPERATION, row), "movements": [_named(_MOVEMENT, row) for row in moved]}


def operations(db: sqlite3.Connection, rail: str | None, after: str, limit: int) -> dict[str, Any]:
    """A page of them by reference, which is by time as the gateway makes them."""
    rows = db.execute(_OPERATIONS + _PAGE, (rail, after, limit + 1)).fetchall()
    return _page(_OPERATION, rows, limit)


def movements(db: sqlite3.Connection, rail: str | None, after: str, limit: int) -> dict[str, Any]:
    """A page of what moved, by reference."""
    rows = db.execute(_MOVEMENTS + _PAGE, (rail, after, limit + 1)).fetchall()
    return _page(_MOVEMENT, rows, limit)


def _page(names: tuple[str, ...], rows: list[Any], limit: int) -> dict[str, Any]:
    return {"data": [_named(names, row) for row in rows[:limit]], "has_more": len(rows) > limit}


def _named(names: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    return {
        name: bool(value) if name in ("capture", "voided", "reversed") else value
        for name, value in zip(names, row, strict=True)
    }
