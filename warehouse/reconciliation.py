"""Three-way reconciliation: ledger ↔ rail file ↔ bank statement.

Belongs here: the order of the passes and what a day's run stores. The matching itself is
`sql/recon_*.sql`, over three plain relations (`in_ledger`, `in_rail`, `in_bank`), so that days of
the lake and plain files go through one engine. Does not: postings (`postings.py`) or workflow.

A group of rows belongs to the day of its ledger row, or of its announcement, or, for rows that
only the outside has, to the outside's day. Running a day again with later knowledge replaces
it: breaks that were explained vanish, and the log says so.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from uuid import UUID

import msgspec
import polars as pl
import yaml

from online.kernel import ids
from warehouse.connection import Lake, Warehouse, sql_text

_RULES = Path(__file__).parent / "reconciliation.yaml"
_INPUTS = ("in_ledger", "in_rail", "in_bank", "in_through")
_FIRST = (
    *("recon_rail_keys", "recon_rail_returns", "recon_rail_groups"),
    *("recon_bank_expected", "recon_bank_links"),
)
# Labels spread along links in one step each; real groups are stars, two steps wide.
_MAX_STEPS = 100
_BREAK_COLUMNS = (
    "business_date, kind, side, rail, row_ids, reference, expected_minor, actual_minor,"
    " currency, reason"
)


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days after its own day a row may appear elsewhere and still be in time."""

    rail_days: int = 1
    bank_days: int = 1


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`reconciliation.yaml`, or the file given to `python -m warehouse reconcile --config`."""

    lookback_days: int = 45
    windows: dict[str, Window] = {}
    statuses: dict[str, list[str]] = {}

    def window(self, rail: str | None) -> Window:
        """The window of a rail."""
        default = self.windows.get("default", Window())
        return default if rail is None else self.windows.get(rail, default)

    def status(self, word: str | None) -> str:
        """One word for all the words that mean the same."""
        stated = (word or "success").strip().lower()
        return next((ours for ours, theirs in self.statuses.items() if stated in theirs), stated)


@cache
def load_rules(path: Path = _RULES) -> Rules:
    """The rules of a YAML file."""
    return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")) or {}, Rules)


@dataclass(frozen=True, kw_only=True)
class Break:
    """One break. `state` is open or closed; `generation` counts how often it was opened."""

    break_id: UUID
    generation: int
    state: str
    business_date: date
    kind: str
    side: str
    rail: str | None
    row_ids: list[str]
    reference: str | None
    expected_minor: int
    actual_minor: int
    currency: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReconResult:
    """One day's run: what was matched and what is broken, and what changed since the last run."""

    business_date: date
    matches: int
    breaks: dict[str, int]
    opened: int
    closed: int
    money_at_stake_minor: int


def reconcile_day(
    warehouse: Warehouse, day: date, *, as_of: date, rules: Rules | None = None
) -> ReconResult:
    """Replace the day's matches and breaks by what is known now (`as_of` is today)."""
    chosen = rules or load_rules()
    return warehouse.transaction(lambda lake: _replace(lake, day, as_of, chosen))


def break_changes(warehouse: Lake, day: date) -> list[Break]:
    """Every opening and closing of the day's breaks so far, in order: what online must know."""
    found = warehouse.frame(
        f"SELECT break_id, generation, state, {_BREAK_COLUMNS} FROM recon_break_log"
        " WHERE business_date = $day ORDER BY generation, break_id, state DESC",
        day=day,
    )
    return [
        Break(**{**row, "break_id": UUID(str(row["break_id"]))})
        for row in found.iter_rows(named=True)
    ]


def days_to_revisit(warehouse: Lake, *, upto: date) -> list[date]:
    """Days whose breaks or open rows later files may explain, oldest first."""
    found = warehouse.rows(
        "SELECT business_date FROM recon_breaks UNION"
        " SELECT business_date FROM recon_totals WHERE open_count > 0 ORDER BY 1"
    )
    return [day for (day,) in found if day <= upto]


def match(lake: Lake, *, day: date | None, as_of: date | None, rules: Rules) -> None:
    """The engine: from `in_ledger`, `in_rail`, `in_bank`, `in_through` to found_matches and
    found_breaks.

    `day` limits the outcome to groups of that day, `as_of` keeps open what is not yet due.
    """
    params = {"day": day, "as_of": as_of}
    _windows(lake, rules)
    for name in _FIRST:
        _temporary(lake, name, **params)
    _label_groups(lake)
    for name in ("recon_bank_members", "recon_bank_groups"):
        _temporary(lake, name, **params)
    _union(lake, "found_matches", ("recon_rail_matches", "recon_bank_matches"), **params)
    _union(lake, "found_breaks", ("recon_rail_breaks", "recon_bank_breaks"), **params)


def break_id(kind: str, row_ids: list[str]) -> UUID:
    """The same break has the same id in every run, whatever order its rows come in."""
    return ids.derived(kind, *sorted(row_ids))


def _temporary(lake: Lake, name: str, **params: object) -> None:
    lake.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql_text(name)}", **params)


def _union(lake: Lake, table: str, names: tuple[str, ...], **params: object) -> None:
    union = " UNION ALL BY NAME ".join(f"({sql_text(name)})" for name in names)
    lake.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {union}", **params)


def _windows(lake: Lake, rules: Rules) -> None:
    rails = lake.rows("SELECT rail FROM in_ledger UNION SELECT rail FROM in_rail UNION SELECT NULL")
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE in_window"
        " (rail VARCHAR, rail_days INTEGER, bank_days INTEGER)"
    )
    for (rail,) in rails:
        window = rules.window(rail)
        lake.execute(
            "INSERT INTO in_window VALUES ($rail, $rail_days, $bank_days)",
            rail=rail,
            rail_days=window.rail_days,
            bank_days=window.bank_days,
        )


def _label_groups(lake: Lake) -> None:
    """Expected movements and bank lines that name each other, however indirectly, share a label."""
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE recon_bank_edges AS"
        " SELECT 'E ' || node AS here, 'L ' || line_id AS there FROM recon_bank_links"
        " UNION ALL SELECT 'L ' || line_id, 'E ' || node FROM recon_bank_links"
    )
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE recon_bank_labels AS"
        " SELECT DISTINCT here AS node, here AS label FROM recon_bank_edges"
    )
    for _ in range(_MAX_STEPS):
        lake.execute(
            "CREATE OR REPLACE TEMP TABLE recon_bank_spread AS"
            " SELECT own.node, least(own.label, min(near.label)) AS label"
            " FROM recon_bank_labels AS own"
            " INNER JOIN recon_bank_edges AS edge ON edge.here = own.node"
            " INNER JOIN recon_bank_labels AS near ON near.node = edge.there"
            " GROUP BY own.node, own.label"
        )
        moved = lake.rows(
            "SELECT count(*) FROM recon_bank_spread AS after"
            " INNER JOIN recon_bank_labels AS before USING (node) WHERE after.label <> before.label"
        )[0][0]
        lake.execute("CREATE OR REPLACE TEMP TABLE recon_bank_labels AS FROM recon_bank_spread")
        if not moved:
            return


def found_breaks(lake: Lake) -> pl.DataFrame:
    """The breaks of the last `match`, each with its id, in a fixed order."""
    frame = lake.frame("SELECT * FROM found_breaks ORDER BY business_date, side, kind, row_ids")
    found = [
        str(break_id(kind, row_ids))
        for kind, row_ids in zip(frame["kind"], frame["row_ids"].to_list(), strict=True)
    ]
    return frame.insert_column(0, pl.Series("break_id", found, dtype=pl.String))


def _replace(lake: Lake, day: date, as_of: date, rules: Rules) -> ReconResult:
    for name in _INPUTS:
        lake.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS {sql_text(f'recon_{name}')}",
            day=day,
            lookback_days=rules.lookback_days,
        )
    match(lake, day=day, as_of=as_of, rules=rules)
    breaks = found_breaks(lake)
    for table in ("recon_matches", "recon_breaks", "recon_totals"):
        lake.execute(f"DELETE FROM {table} WHERE business_date = $day", day=day)
    lake.execute("INSERT INTO recon_matches BY NAME FROM found_matches")
    lake.append("recon_breaks", breaks.drop("row_type"))
    lake.execute(f"INSERT INTO recon_totals BY NAME {sql_text('recon_totals')}", day=day)
    opened, closed = _log_changes(lake, day, breaks)
    kinds = breaks.group_by("kind").len().sort("kind")
    return ReconResult(
        business_date=day,
        matches=int(lake.rows("SELECT count(*) FROM found_matches")[0][0]),
        breaks=dict(kinds.iter_rows()),
        opened=opened,
        closed=closed,
        money_at_stake_minor=_at_stake(breaks),
    )


def _at_stake(breaks: pl.DataFrame) -> int:
    gap = (breaks["expected_minor"] - breaks["actual_minor"]).abs().sum()
    return int(gap or 0)


def _log_changes(lake: Lake, day: date, breaks: pl.DataFrame) -> tuple[int, int]:
    latest = {
        str(found): (int(generation), str(state))
        for found, generation, state in lake.rows(
            "SELECT break_id, generation, state FROM recon_break_log WHERE business_date = $day"
            " QUALIFY row_number() OVER (PARTITION BY break_id"
            " ORDER BY generation DESC, state ASC) = 1",
            day=day,
        )
    }
    now = set(breaks["break_id"])
    opened = [key for key in sorted(now) if latest.get(key, (0, "closed"))[1] == "closed"]
    closed = [
        key for key, (_, state) in sorted(latest.items()) if state == "open" and key not in now
    ]
    generations = {key: latest.get(key, (0, ""))[0] + 1 for key in opened}
    if opened:
        rows = breaks.filter(pl.col("break_id").is_in(opened)).drop("row_type")
        generation = pl.col("break_id").replace_strict(generations, return_dtype=pl.Int32)
        state = pl.lit("open").alias("state")
        lake.append("recon_break_log", rows.with_columns(generation.alias("generation"), state))
    for key in closed:
        lake.execute(
            f"INSERT INTO recon_break_log (break_id, generation, state, {_BREAK_COLUMNS})"
            f" SELECT break_id, generation, 'closed', {_BREAK_COLUMNS} FROM recon_break_log"
            " WHERE break_id = $key AND generation = $generation AND state = 'open'",
            key=key,
            generation=latest[key][0],
        )
    return len(opened), len(closed)


def conservation_gap(warehouse: Lake, day: date | None = None) -> int:
    """Rows and minor units neither matched, broken nor open on a day, or on all: 0 is right."""
    return int(warehouse.scalar("recon_conservation", day=day))
