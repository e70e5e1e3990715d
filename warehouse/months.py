"""Closed months as the lake knows them, held against its own entries.

Belongs here: whether a month is closed, and whether our books say the same as online's did when it
closed. Does not: closing one (online's).
"""

import hashlib
import json
from datetime import date

import msgspec

from online.kernel.months import Month
from warehouse.connection import Lake, sql_text


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A month as online closed it; every entry of it is in the lake. `totals` by currency, layer
    and mode."""

    month: Month
    accounts: int
    entries: int
    totals: list[dict[str, object]]
    sha256: str


def closed(lake: Lake, month: Month) -> Closed | None:
    """The month, if it is closed and all of it has arrived."""
    rows = lake.rows(
        "SELECT accounts, entries, totals::VARCHAR, sha256 FROM raw_periods WHERE month = $month",
        month=month.first,
    )
    if not rows:
        return None
    accounts, entries, totals, sha256 = rows[0]
    return Closed(
        month=month,
        accounts=int(accounts),
        entries=int(entries),
        totals=json.loads(totals),
        sha256=str(sha256),
    )


def last_closed(lake: Lake) -> Month | None:
    ((found,),) = lake.rows("SELECT max(month) FROM raw_periods")
    return Month.of(found) if isinstance(found, date) else None


def trial_balance_hash(lake: Lake, month: Month) -> str:
    """Over the lake's own trial balance, line by line as online writes it."""
    lines = f"""
        SELECT concat_ws('|', code, currency, layer, CASE WHEN livemode THEN 'live' ELSE 'test' END,
            opening_minor, debit_minor, credit_minor, closing_minor, entries) || chr(10) AS line
        FROM ({sql_text("period_trial_balance")})
    """
    found = lake.connection.execute(
        f"SELECT line FROM ({lines}) ORDER BY line", {"first": month.first, "last": month.last}
    )
    digest = hashlib.sha256()
    while part := found.fetchmany(10_000):
        digest.update("".join(line for (line,) in part).encode())
    return digest.hexdigest()
