"""What the bank should show, and which of its lines shows it.

Belongs here: the order of the bank's passes, groups of lines and movements that name each other,
the bounded search for rows that together make a line. Does not: outcomes (`sql/recon_bank_*.sql`).
"""

from collections.abc import Sequence
from itertools import combinations

import polars as pl

from warehouse.connection import Lake, WarehouseError, sql_text
from warehouse.reconciliation.rules import Pass, Rules

# Labels spread along links in one step each; real groups are stars, two steps wide.
_MAX_STEPS = 100


def expect(lake: Lake, rules: Rules, params: dict[str, object]) -> None:
    """Expected movements and bank lines, linked by the passes of the rules, in groups."""
    _table(lake, "recon_bank_expected", params)
    order = [found.name for found in rules.by("bank_name")]
    _table(lake, "recon_bank_names", {**params, "rules": order})
    _table(lake, "recon_bank_links", params)
    for found in rules.passes:
        if found.by == "bank_counterparty":
            _link_counterparties(lake, found, params)
        if found.by == "subset_sum":
            _link_subsets(lake, found, params)
    _label_groups(lake)
    _table(lake, "recon_bank_members", params)
    _table(lake, "recon_bank_groups", params)


def _table(lake: Lake, name: str, params: dict[str, object]) -> None:
    lake.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql_text(name)}", **params)


def _link_counterparties(lake: Lake, found: Pass, params: dict[str, object]) -> None:
    _table(lake, "recon_bank_counterparty", {**params, "name": found.name})
    lake.execute(
        "INSERT INTO recon_bank_links BY NAME SELECT line_no, node, rule, is_same_currency"
        " FROM recon_bank_counterparty WHERE line_choices = 1 AND node_choices = 1"
    )
    for choices, column, side in (
        ("line_choices", "line_no", "line"),
        ("node_choices", "node", "expected"),
    ):
        lake.execute(
            f"INSERT INTO recon_doubts SELECT '{side}', {column}, max({choices}), any_value(rule)"
            " FROM recon_bank_counterparty WHERE line_choices > 1 OR node_choices > 1"
            f" GROUP BY {column} HAVING max({choices}) > 1"
        )


def _link_subsets(lake: Lake, found: Pass, params: dict[str, object]) -> None:
    """Lines that one set of rows makes, and only one, take that set as what they pay."""
    lines = lake.query("recon_subset_lines", **params)
    (first,) = lake.rows("SELECT coalesce(max(node), 0) + 1 FROM recon_bank_expected")
    sets: dict[int, list[tuple[int, ...]]] = {
        line["line_no"]: subsets(
            line["amount_minor"], line["rail_nos"], line["nets_minor"], max_rows=found.max_rows
        )
        for line in lines.iter_rows(named=True)
    }
    claims: dict[int, int] = {}
    for answers in sets.values():
        for no in {no for answer in answers for no in answer}:
            claims[no] = claims.get(no, 0) + 1
    sure = [
        (line_no, answers[0])
        for line_no, answers in sets.items()
        if len(answers) == 1 and all(claims[no] == 1 for no in answers[0])
    ]
    rows = [(first[0] + at, no, line_no) for at, (line_no, set_) in enumerate(sure) for no in set_]
    schema = {"node": pl.Int64, "rail_no": pl.Int64, "line_no": pl.Int64}
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE recon_subsets (node BIGINT, rail_no BIGINT, line_no BIGINT)"
    )
    lake.append("recon_subsets", pl.DataFrame(rows, schema, orient="row"))
    lake.execute(f"INSERT INTO recon_bank_expected BY NAME {sql_text('recon_subset_nodes')}")
    lake.execute(
        "INSERT INTO recon_bank_links BY NAME SELECT DISTINCT line_no, node, $name AS rule,"
        " true AS is_same_currency FROM recon_subsets",
        name=found.name,
    )
    taken = {line_no for line_no, _ in sure}
    doubts = [
        ("line", line_no, len(answers), found.name)
        for line_no, answers in sets.items()
        if answers and line_no not in taken
    ]
    columns = {"input": pl.String, "no": pl.Int64, "choices": pl.Int64, "rule": pl.String}
    lake.append("recon_doubts", pl.DataFrame(doubts, columns, orient="row"))


def subsets(
    amount_minor: int, nos: Sequence[int], amounts: Sequence[int], *, max_rows: int
) -> list[tuple[int, ...]]:
    """Sets of two or more rows that sum to an amount; none where there are too many rows.

    One row of the amount is no set: amount and date alone never match.
    """
    if len(nos) > max_rows:
        return []
    return [
        tuple(nos[place] for place in places)
        for size in range(2, len(nos) + 1)
        for places in combinations(range(len(nos)), size)
        if sum(amounts[place] for place in places) == amount_minor
    ]


def _label_groups(lake: Lake) -> None:
    """Expected movements and bank lines that name each other, however indirectly, share a label.

    Nodes are numbered: a movement 2·node, a line 2·line + 1.
    """
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE recon_bank_edges AS"
        " SELECT 2 * node AS here, 2 * line_no + 1 AS there FROM recon_bank_links"
        " UNION ALL SELECT 2 * line_no + 1, 2 * node FROM recon_bank_links"
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
    raise WarehouseError(
        f"bank lines and movements name each other over more than {_MAX_STEPS} steps"
    )
