"""A month of the ledger as a file for the general ledger (an ERP's journal import).

Belongs here: writing the CSV and holding it against the ledger. Does not: what the lines are
(`sql/journal_*.sql`), or who wants it.

Entries that only hold money (layer `pending`) are not part of a general ledger. DuckDB writes the
file, so that a month of millions of entries needs no memory here; the same month is the same
bytes. What is checked is the file itself, read back.
"""

import os
from pathlib import Path
from typing import Any, Literal

import msgspec

from online.kernel.money import exponents
from online.kernel.months import Month
from warehouse.connection import Lake, WarehouseError, quoted, sql_text
from warehouse.months import closed

COLUMNS = (
    *("date", "journal_number", "line", "account_code", "account_name", "debit", "credit"),
    *("currency", "reference", "narration"),
)
# A spreadsheet would take such a cell for a formula; names come from outside.
_CELL = """
CREATE OR REPLACE TEMP MACRO cell(text) AS
    CASE WHEN regexp_matches(text, '^[=+@\t\r-]') THEN '''' || text ELSE text END
"""
_DECIMAL = """
CREATE OR REPLACE TEMP MACRO decimal_text(minor, unit, digits) AS
    (minor // unit)::VARCHAR
    || CASE WHEN digits > 0 THEN '.' || lpad((minor % unit)::VARCHAR, digits, '0') ELSE '' END
"""


class CurrencyTotal(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds in one currency, in minor units."""

    currency: str
    journals: int
    lines: int
    debit_minor: int
    credit_minor: int
    unbalanced: int


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, and whether it agrees with the ledger. `equals_close` is None for a month
    that is not closed, whose file is a draft."""

    month: str
    status: Literal["closed", "open"]
    file: str
    totals: list[CurrencyTotal]
    accounts_off: int
    equals_close: bool | None

    @property
    def holds(self) -> bool:
        balanced = not any(total.unbalanced for total in self.totals)
        return balanced and self.accounts_off == 0 and self.equals_close is not False


def export_journal(
    lake: Lake, month: Month, out: Path, *, detail: bool = False, livemode: bool = False
) -> Journal:
    """Write the month's file, replacing it whole, and check what was written."""
    if not out.absolute().parent.is_dir():
        raise WarehouseError(f"there is no folder {out.absolute().parent}")
    about = {"first": month.first, "last": month.last, "livemode": livemode}
    _prepare(lake, "journal_detail" if detail else "journal_summary", about)
    lake.execute(f"SET VARIABLE journal_prefix = 'KJ-{month.first:%Y%m}-'")
    unfinished = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        lake.execute(
            f"COPY ({sql_text('journal_file')}) TO {quoted(str(unfinished))}"
            " (FORMAT csv, HEADER, DELIMITER ',', QUOTE '\"', ESCAPE '\"')"
        )
        _read_back(lake, unfinished)
        journal = _checked(lake, month, out, about)
        if not journal.holds:
            raise WarehouseError(f"the journal of {month} does not equal the ledger: {journal}")
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
        for table in ("journal_lines", "journal_names", "journal_exponents", "journal_read"):
            lake.execute(f"DROP TABLE IF EXISTS temp.{table}")
        lake.execute("DROP VIEW IF EXISTS temp.journal_written")
    return journal


def _prepare(lake: Lake, lines: str, about: dict[str, Any]) -> None:
    lake.execute(_CELL)
    lake.execute(_DECIMAL)
    lake.execute(f"CREATE OR REPLACE TEMP TABLE journal_lines AS {sql_text(lines)}", **about)
    lake.execute(f"CREATE OR REPLACE TEMP TABLE journal_names AS {sql_text('journal_accounts')}")
    listed = ", ".join(f"('{code}', {digits})" for code, digits in sorted(exponents().items()))
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE journal_exponents AS"
        f" FROM (VALUES {listed}) AS listed (currency, digits)"
    )


def _read_back(lake: Lake, path: Path) -> None:
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in COLUMNS)
    lake.execute(
        f"CREATE OR REPLACE TEMP VIEW journal_written AS FROM read_csv({quoted(str(path))},"
        f" header = true, delim = ',', quote = '\"', escape = '\"', columns = {{{columns}}})"
    )
    lake.execute(f"CREATE OR REPLACE TEMP TABLE journal_read AS {sql_text('journal_read_back')}")


def _checked(lake: Lake, month: Month, out: Path, about: dict[str, Any]) -> Journal:
    totals = [
        msgspec.convert(row, CurrencyTotal)
        for row in lake.query("journal_totals").iter_rows(named=True)
    ]
    as_closed = closed(lake, month)
    return Journal(
        month=str(month),
        status="closed" if as_closed else "open",
        file=str(out),
        totals=totals,
        accounts_off=lake.query("journal_against_ledger", **about).height,
        equals_close=_sums(totals) == _sums_of(as_closed.totals, about) if as_closed else None,
    )


def _sums(totals: list[CurrencyTotal]) -> dict[str, tuple[int, int]]:
    return {total.currency: (total.debit_minor, total.credit_minor) for total in totals}


def _sums_of(totals: list[dict[str, Any]], about: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """What online counted when it closed the month: posted, in this mode."""
    wanted = ("posted", about["livemode"])
    return {
        total["currency"]: (total["debit"], total["credit"])
        for total in totals
        if (total["layer"], total["livemode"]) == wanted and total["entries"]
    }
