"""What the demo found, held against what the sandbox's banks did on purpose.

Belongs here: the report, its summary, and the judgement. Does not: making any of it happen.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from assets.display import money_text
from online.kernel import ids
from pipelines import demo_risk
from pipelines.demo_risk import Models, Risk
from warehouse.connection import Warehouse

Reference = tuple[str, str]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Breaks found and faults injected, by kind and reference.

    `explained`: what a corrected file has put right since; `closed`: breaks that were, and are no
    more.
    """

    injected: frozenset[Reference]
    found: frozenset[Reference]
    found_rows: int
    explained: frozenset[Reference]
    closed: frozenset[Reference]

    @property
    def missed(self) -> list[Reference]:
        return sorted(self.injected - self.found | self.explained - self.closed)

    @property
    def invented(self) -> list[Reference]:
        return sorted(self.found - self.injected)

    @property
    def exact(self) -> bool:
        return not self.missed and not self.invented and self.found_rows == len(self.found)

    def by_kind(self) -> dict[str, dict[str, int]]:
        return _by_kind(self.injected, self.found)

    def explained_by_kind(self) -> dict[str, dict[str, int]]:
        return _by_kind(self.explained, self.explained & self.closed)


def _by_kind(
    injected: frozenset[Reference], found: frozenset[Reference]
) -> dict[str, dict[str, int]]:
    put, seen = (Counter(kind for kind, _ in each) for each in (injected, found))
    return {kind: {"injected": put[kind], "found": seen[kind]} for kind in sorted(put | seen)}


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """One merchant's settlement."""

    merchant: str
    gross_minor: int
    refunds_minor: int
    disputes_minor: int
    fees_minor: int
    tax_minor: int
    net_minor: int
    payout_minor: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`report.json`."""

    payments: dict[str, int]
    ledger: dict[str, int]
    breaks: dict[str, dict[str, int]]
    explained: dict[str, dict[str, int]]
    settlements: list[Settled]
    statements: list[str]
    model: Models
    risk: Risk
    elapsed_s: float


def breaks_found(lake: Warehouse, days: Sequence[date], truth_file: Path) -> Finding:
    """The breaks of some days as the last runs left them, and the banks' own truth."""
    truth = msgspec.json.decode(truth_file.read_bytes())["faults"]
    rows = lake.rows(
        "SELECT kind, reference FROM recon_breaks WHERE business_date >= $first"
        " AND business_date <= $last",
        first=min(days),
        last=max(days),
    )
    closed = lake.rows(
        "SELECT kind, reference FROM recon_break_log WHERE state = 'closed'"
        " AND business_date >= $first AND business_date <= $last",
        first=min(days),
        last=max(days),
    )
    passing = [fault for fault in truth if fault["resolved_on"] is not None]
    standing = [fault for fault in truth if fault["resolved_on"] is None]
    return Finding(
        injected=frozenset((str(fault["kind"]), str(fault["reference"])) for fault in standing),
        found=frozenset((str(kind), str(reference)) for kind, reference in rows),
        found_rows=len(rows),
        explained=frozenset((str(fault["kind"]), str(fault["reference"])) for fault in passing),
        closed=frozenset((str(kind), str(reference)) for kind, reference in closed),
    )


def settlements(lake: Warehouse, day: date) -> list[Settled]:
    """The day's batches by merchant, largest first."""
    found = lake.rows(
        "SELECT coalesce(merchant.name, batch.merchant_id::VARCHAR), batch.gross_minor,"
        " batch.refunds_minor, batch.disputes_minor, batch.fees_minor, batch.tax_minor,"
        " batch.net_minor, batch.payout_minor"
        " FROM settlement_batches AS batch"
        " LEFT JOIN raw_merchants AS merchant ON batch.merchant_id = merchant.id"
        " WHERE batch.business_date = $day ORDER BY batch.payout_minor DESC, 1",
        day=day,
    )
    names = Settled.__struct_fields__
    return [msgspec.convert(dict(zip(names, row, strict=True)), Settled) for row in found]


def ledger_totals(lake: Warehouse) -> dict[str, int]:
    """The whole ledger, history included: how much there is, and that it sums to nothing."""
    ((entries, sum_minor),) = lake.rows(
        "SELECT count(*), coalesce(sum(amount_minor), 0)::BIGINT FROM raw_entries"
    )
    return {
        "entries": int(entries),
        "transactions": lake.count("raw_transactions"),
        "sum_minor": int(sum_minor),
    }


def merchants_settled(lake: Warehouse, day: date) -> list[str]:
    """Who has a settlement of the day, as TypeIDs."""
    found = lake.rows(
        "SELECT DISTINCT merchant_id FROM settlement_batches WHERE business_date = $day ORDER BY 1",
        day=day,
    )
    return [ids.encode("mrc", merchant) for (merchant,) in found]


def write(report: Report, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def summary(report: Report, finding: Finding, books: Mapping[str, Any]) -> str:
    """What a person reads at the end."""
    payments = report.payments
    blocks = [
        _table(
            "Payments of the day",
            tuple(payments),
            [tuple(payments.values())],
        ),
        _table(
            "Breaks: what the banks did wrong on purpose, and what reconciliation found",
            ("kind", "injected", "found"),
            [(kind, n["injected"], n["found"]) for kind, n in report.breaks.items()],
        ),
        _table(
            "Breaks that a corrected settlement file explained again",
            ("kind", "injected", "found and closed"),
            [(kind, n["injected"], n["found"]) for kind, n in report.explained.items()],
        ),
        _table(
            "Settlements",
            ("merchant", "captured", "refunded", "disputed", "fee", "GST", "net", "paid"),
            [
                (each.merchant, *map(money_text, msgspec.structs.astuple(each)[1:]))
                for each in report.settlements
            ],
        ),
        "\n".join(
            [
                f"Statements   {len(report.statements)} files, for example",
                *(f"  {path}" for path in report.statements[:3]),
            ]
        ),
        _facts(report, books),
    ]
    blocks += [f"MISSED       {kind} {reference}" for kind, reference in finding.missed]
    blocks += [f"INVENTED     {kind} {reference}" for kind, reference in finding.invented]
    return "\n\n".join(blocks)


def _facts(report: Report, books: Mapping[str, Any]) -> str:
    ledger = report.ledger
    size = f"{ledger['transactions']:,} postings, {ledger['entries']:,} entries"
    return "\n".join(
        [
            *demo_risk.lines(report.model, report.risk),
            f"Ledger       {size}, sum {money_text(ledger['sum_minor'])}",
            f"Books        derived again from the log: {_plain(books)}",
        ]
    )


def _plain(books: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {'yes' if value is True else value}"
        for name, value in books.items()
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [tuple(map(str, row)) for row in [columns, *rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    lines = []
    for row in cells:
        first, rest = row[0].ljust(widths[0]), zip(row[1:], widths[1:], strict=True)
        lines.append("  " + "  ".join([first, *(cell.rjust(width) for cell, width in rest)]))
    return "\n".join([title, *lines])
