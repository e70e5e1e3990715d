"""What rails billed on a day against what their contracts say.

Belongs here: the contracts as data, and auditing a day in one transaction. Does not: the
arithmetic (`sql/fee_audit_*.sql`), or what is done about a finding.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import polars as pl
import yaml
from msgspec import Meta

from warehouse.connection import Lake, Warehouse, sql_text

CONTRACTS: Final = Path(__file__).parent.parent / "config" / "rail_contracts.yaml"

BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]
Minor = Annotated[int, Meta(ge=0)]
# As stg_rail_rows has them.
LineType = Literal["capture", "refund", "reversal", "chargeback"]

# Ties to the even neighbour, as `online.kernel.money.divide_half_even`; `minor` is not negative.
_HALF_EVEN: Final = """
CREATE OR REPLACE TEMP MACRO half_even(minor, bps) AS
    (minor::HUGEINT * bps) // 10000 + CASE
        WHEN (minor::HUGEINT * bps) % 10000 > 5000 THEN 1
        WHEN (minor::HUGEINT * bps) % 10000 = 5000 THEN ((minor::HUGEINT * bps) // 10000) % 2
        ELSE 0
    END
"""


class Rate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of a contract; what it leaves open fits everything."""

    rail: str
    fee_bps: BasisPoints
    gst_bps: BasisPoints
    valid_from: date
    source: str
    charged_on: Annotated[list[LineType], Meta(min_length=1)]
    returned_on: list[LineType] = []
    valid_to: date | None = None
    funding: Annotated[list[str], Meta(min_length=1)] | None = None
    min_amount_minor: Minor | None = None
    max_amount_minor: Minor | None = None
    fixed_minor: Minor = 0
    cap_minor: Minor | None = None


def load_contracts(path: Path = CONTRACTS) -> list[Rate]:
    """In the order of the file; refuses a row that cannot fit anything."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    rates = msgspec.convert(found["contracts"], list[Rate])
    for rate in rates:
        if rate.valid_to is not None and rate.valid_to < rate.valid_from:
            raise ValueError(f"{path.name}: {rate.rail} ends before it begins")
        if rate.max_amount_minor is not None and rate.max_amount_minor < (
            rate.min_amount_minor or 0
        ):
            raise ValueError(f"{path.name}: {rate.rail} has a band without an amount in it")
        if set(rate.charged_on) & set(rate.returned_on):
            raise ValueError(f"{path.name}: {rate.rail} charges and returns on the same rows")
    return rates


def audit_day(warehouse: Warehouse, day: date, rates: list[Rate]) -> None:
    """Replace fee_audit and fee_audit_lines of a settlement day, in one transaction."""

    def body(lake: Lake) -> None:
        _lay_out(lake, rates)
        if any(rate.funding for rate in rates):
            lake.execute(f"INSERT INTO rail_funding {sql_text('fee_audit_funding')}", day=day)
        priced = sql_text("fee_audit_priced")
        lake.execute(f"CREATE OR REPLACE TEMP TABLE fee_audit_rows AS {priced}", day=day)
        for table in ("fee_audit", "fee_audit_lines"):
            lake.execute(f"DELETE FROM {table} WHERE settled_on = $day", day=day)
            lake.execute(f"INSERT INTO {table} BY NAME {sql_text(table)}")

    warehouse.transaction(body)


_COLUMNS: Final[dict[str, Any]] = {
    "contract": pl.Int32,
    "rail": pl.String,
    "fee_bps": pl.Int64,
    "gst_bps": pl.Int64,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
    "charged_on": pl.List(pl.String),
    "returned_on": pl.List(pl.String),
    "funding": pl.List(pl.String),
    "min_amount_minor": pl.Int64,
    "max_amount_minor": pl.Int64,
    "fixed_minor": pl.Int64,
    "cap_minor": pl.Int64,
}


def _lay_out(lake: Lake, rates: list[Rate]) -> None:
    """The contracts as the temporary table rail_rates, and an empty rail_funding."""
    rows = [
        {"contract": place, **msgspec.structs.asdict(rate)}
        for place, rate in enumerate(rates, start=1)
    ]
    frame = pl.DataFrame([{name: row[name] for name in _COLUMNS} for row in rows], schema=_COLUMNS)
    lake.execute(_HALF_EVEN)
    lake.connection.register("rates_given", frame.to_arrow())
    try:
        lake.execute("CREATE OR REPLACE TEMP TABLE rail_rates AS FROM rates_given")
    finally:
        lake.connection.unregister("rates_given")
    lake.execute("CREATE OR REPLACE TEMP TABLE rail_funding (reference VARCHAR, funding VARCHAR)")
