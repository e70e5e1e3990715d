"""The engine: from rows of ledger, rails and bank to matches and breaks.

Belongs here: the order in which statements run. The matching itself is `sql/recon_*.sql`, over
plain relations (`in_ledger`, `in_rail`, `in_bank`, `in_through`), so that days of the lake and
plain files go through one engine. Does not: what is stored (`days.py`, `files.py`).
"""

from datetime import date
from uuid import UUID

import polars as pl

from online.kernel import ids
from warehouse.connection import Lake, sql_text
from warehouse.reconciliation.rules import Rules

_FIRST = (
    *("recon_rail_keys", "recon_rail_returns", "recon_rail_groups"),
    *("recon_bank_expected", "recon_bank_links"),
)
# Labels spread along links in one step each; real groups are stars, two steps wide.
_MAX_STEPS = 100


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


def found_breaks(lake: Lake) -> pl.DataFrame:
    """The breaks of the last `match`, each with its id, in a fixed order."""
    frame = lake.frame("SELECT * FROM found_breaks ORDER BY business_date, side, kind, row_ids")
    found = [
        str(break_id(kind, row_ids))
        for kind, row_ids in zip(frame["kind"], frame["row_ids"].to_list(), strict=True)
    ]
    return frame.insert_column(0, pl.Series("break_id", found, dtype=pl.String))


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
