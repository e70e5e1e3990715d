"""The accounts that rails settle into: what each statement shows, and its balances.

Belongs here: entries of a day and their SQL. Does not: formats (`camt.py`, `mt940.py`), or what is
settled (`closing.py`). A settlement is on the statement of the day after it, a payout on its own.
"""

import sqlite3
from collections.abc import Sequence
from datetime import date

from online.kernel.errors import Conflict
from online.sandbox import records
from online.sandbox.rails import ACCOUNTS, RAILS, BankAccount
from online.sandbox.records import Movement
from online.sandbox.settlement_faults import Shown
from online.sandbox.statements import NO_REFERENCE, Statement, StatementEntry


def set_opening(db: sqlite3.Connection, bank: str, amount_minor: int) -> None:
    """The balance before the first statement."""
    if records.last_closed(db) is not None:
        raise Conflict("a day is closed already: its statement has the opening balance")
    db.execute("insert or replace into openings values (?, ?)", (bank, amount_minor))


def keep_settlement(db: sqlite3.Connection, shown: Shown) -> None:
    """Remember what a rail will pay."""
    settled = shown.settlement
    db.execute(
        "insert into settlements (settlement_id, rail, settled_on, net, utr, is_named)"
        " values (?, ?, ?, ?, ?, ?)",
        (
            *(settled.settlement_id, settled.rail, settled.settled_on.isoformat()),
            *(settled.net_minor, settled.utr, int(shown.is_named)),
        ),
    )


def close(db: sqlite3.Connection, day: date, payouts: Sequence[Movement]) -> list[Statement]:
    """The day's statement of each account; what is on one is on no other."""
    statements = [_statement(db, account, day, payouts) for account in ACCOUNTS.values()]
    for table, until in (("settlements", "settled_on < ?1"), ("stray_credits", "value_day <= ?1")):
        db.execute(
            f"update {table} set booked_on = ?1 where booked_on is null and {until}",  # noqa: S608
            (day.isoformat(),),
        )
    for each in statements:
        row = (day.isoformat(), each.account.bank, each.opening_minor, each.closing_minor)
        db.execute("insert into statements values (?, ?, ?, ?)", row)
    return statements


def _statement(
    db: sqlite3.Connection, account: BankAccount, day: date, payouts: Sequence[Movement]
) -> Statement:
    entries = [
        *_settlement_entries(db, account, day),
        *_payout_entries([each for each in payouts if RAILS[each.rail].account == account.bank]),
        *_stray_entries(db, account, day),
    ]
    query = "select count(*) + 1 from statements where bank = ?"
    sequence = int(db.execute(query, (account.bank,)).fetchone()[0])
    return Statement(account, day, sequence, _opening(db, account.bank), entries)


def _opening(db: sqlite3.Connection, bank: str) -> int:
    """The closing balance of the last statement; before the first one, what was set."""
    row = db.execute(
        "select closing from statements where bank = ? order by bank_day desc limit 1", (bank,)
    ).fetchone()
    if row is None:
        row = db.execute("select amount from openings where bank = ?", (bank,)).fetchone()
    return 0 if row is None else int(row[0])


def _settlement_entries(
    db: sqlite3.Connection, account: BankAccount, day: date
) -> list[StatementEntry]:
    """The settlements that earlier days announced and no statement shows yet."""
    rows = db.execute(
        "select settlement_id, rail, net, utr, is_named from settlements"
        " where booked_on is null and settled_on < ? order by settled_on, settlement_id",
        (day.isoformat(),),
    )
    return [
        StatementEntry(
            kind="settlement",
            amount_minor=net_minor,
            utr=utr,
            end_to_end_id=settlement_id if is_named else NO_REFERENCE,
            narrative=" ".join(
                [RAILS[rail].method.upper(), "SETTLEMENT", *[settlement_id] * is_named]
            ),
        )
        for settlement_id, rail, net_minor, utr, is_named in rows
        if net_minor != 0 and RAILS[rail].account == account.bank
    ]


def _payout_entries(payouts: Sequence[Movement]) -> list[StatementEntry]:
    return [
        StatementEntry(
            kind="return" if payout.type == "PAYOUT_RETURN" else "payout",
            amount_minor=payout.amount_minor * (1 if payout.type == "PAYOUT_RETURN" else -1),
            utr=payout.rrn,
            end_to_end_id=payout.order_ref,
            narrative=_narrative(payout),
        )
        for payout in payouts
    ]


def _narrative(payout: Movement) -> str:
    """As banks write it: the way, the direction, the other side, our reference."""
    way = _way(payout)
    if payout.type == "PAYOUT_RETURN":
        return f"{way} CR-RETURN-{payout.payee or ''}-PAYOUT {payout.order_ref}"
    return f"{way} DR-{payout.payee or ''}-PAYOUT {payout.order_ref}"


def _way(payout: Movement) -> str:
    """The number tells; UPI alone has another one of its network."""
    if payout.network_ref is not None:
        return "UPI"
    return {12: "IMPS", 22: "RTGS"}.get(len(payout.rrn), "NEFT")


def _stray_entries(db: sqlite3.Connection, account: BankAccount, day: date) -> list[StatementEntry]:
    rows = db.execute(
        "select utr, amount, narrative from stray_credits"
        " where booked_on is null and value_day <= ? and bank = ? order by value_day, utr",
        (day.isoformat(), account.bank),
    )
    return [
        StatementEntry("stray", amount_minor, utr, NO_REFERENCE, narrative)
        for utr, amount_minor, narrative in rows
    ]
