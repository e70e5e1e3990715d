"""Bank and rail files: from the inbox into the warehouse, whole or not at all.

Belongs here: emptying the inbox. Does not: reading a format (`warehouse.bank_files`).
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import dagster as dg
import msgspec

from assets import display
from assets.groups import BANK_FILES, FINANCE
from assets.ports import Folders
from online.kernel.clock import Clock, business_date
from warehouse.bank_files.expected import awaited
from warehouse.bank_files.load import QUARANTINED, LoadResult, load_file
from warehouse.connection import Warehouse

_SHOWN_PROBLEMS: Final = 20
_DAYS_BACK: Final = 3
_SPECS: Final = (
    dg.AssetSpec(
        "raw_bank_files",
        description="Every file that a bank or a rail sent us. A file is loaded whole, or "
        "quarantined whole with each problem named by line and field; the same file twice counts "
        "once; a corrected file supersedes the one before it.",
    ),
    dg.AssetSpec(
        "raw_file_parts",
        description="What each file is about, settlement by settlement and day by day: which file "
        "counts, and which say the same again or were replaced by a better one.",
    ),
    dg.AssetSpec(
        "raw_rail_rows",
        description="The rows of the rails' settlement files: what the UPI switch and the card "
        "acquirers say they processed, charged and will pay us.",
    ),
    dg.AssetSpec(
        "raw_dispute_rows",
        description="The rows of the rails' lists of disputes: which payments a payer wants back, "
        "why, and until when we may answer.",
    ),
    dg.AssetSpec(
        "raw_bank_lines",
        description="The lines of our bank statements: money that really came in or went out.",
    ),
    dg.AssetSpec(
        "raw_bank_balances",
        description="Opening and closing balances as our bank states them.",
    ),
)


@dg.multi_asset(
    name="load_bank_files",
    specs=[spec.replace_attributes(group_name=BANK_FILES, owners=FINANCE) for spec in _SPECS],
)
def load_bank_files(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    folders: dg.ResourceParam[Folders],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.MaterializeResult]:
    """Load each file of the inbox and put it aside; a crash in between loads nothing twice."""
    results = []
    for path in waiting(folders.inbox):
        result = load_file(warehouse, path, received_at=clock.now())
        if result.status == QUARANTINED:
            write_report(result, folders.quarantine)
            context.log.error("%s is quarantined: %s", path.name, result.problems[:5])
        for note in result.notes:
            context.log.warning("%s: %s", path.name, note)
        put_aside(path, folders.received / result.status, result.file_sha256)
        results.append(result)
    for spec in _SPECS:
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata=_metadata(warehouse, spec.key.to_user_string(), results, clock),
        )


def waiting(inbox: Path) -> list[Path]:
    """Finished files in the inbox; senders write under a hidden name first."""
    if not inbox.is_dir():
        return []
    return sorted(
        path for path in inbox.iterdir() if path.is_file() and not path.name.startswith(".")
    )


def put_aside(path: Path, folder: Path, digest: str) -> None:
    """Move a file out of the inbox, under a name that no other content has."""
    folder.mkdir(parents=True, exist_ok=True)
    path.replace(folder / f"{digest[:12]}-{path.name}")


def write_report(result: LoadResult, folder: Path) -> Path:
    """What is wrong with a quarantined file, as JSON for whoever has to ask the sender."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.file_sha256[:12]}-{result.name}.json"
    report = {
        "file": result.name,
        "file_sha256": result.file_sha256,
        "format": result.format,
        "problems": result.problems,
    }
    hidden = path.with_name(f".{path.name}")
    hidden.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    hidden.replace(path)
    return path


def _metadata(
    warehouse: Warehouse, table: str, results: Sequence[LoadResult], clock: Clock
) -> dict[str, Any]:
    if table != "raw_bank_files":
        return display.of_table(warehouse, table)
    columns = ("file", "format", "status", "rows", "days", "says_of_others")
    rows = [
        (
            *(result.name, result.format, result.status, result.row_count),
            ", ".join(day.isoformat() for day in result.days),
            "; ".join(result.notes[:3]),
        )
        for result in results
    ]
    return {
        "dagster/row_count": warehouse.count(table),
        "files": len(results),
        "quarantined": sum(result.status == QUARANTINED for result in results),
        "files_of_this_run": display.table(columns, rows),
        "quarantine": _quarantine(results),
        "files_by_status": _by_status(warehouse),
        "files_awaited": _awaited(warehouse, clock),
    }


def _quarantine(results: Sequence[LoadResult]) -> dg.MarkdownMetadataValue:
    columns = ("file", "line", "field", "value", "reason")
    rows = [
        (result.name, problem.line or "–", problem.field, problem.value, problem.reason)
        for result in results
        for problem in result.problems[:_SHOWN_PROBLEMS]
    ]
    return display.table(columns, rows)


def _by_status(warehouse: Warehouse) -> dg.MarkdownMetadataValue:
    """Every file so far by what became of it; a superseded file was loaded before."""
    found = warehouse.rows(
        "SELECT CASE WHEN superseded_by IS NOT NULL THEN 'superseded' ELSE status END AS became,"
        " format, count(*), sum(row_count)::BIGINT, max(received_at) FROM raw_bank_files"
        " GROUP BY became, format ORDER BY became, format"
    )
    return display.table(("status", "format", "files", "rows", "last_received"), found)


def _awaited(warehouse: Warehouse, clock: Clock) -> dg.MarkdownMetadataValue:
    """Files of the last days that have not come."""
    now = clock.now()
    today = business_date(now)
    rows = [
        (file.day, file.kind, file.name, file.due_at, "late" if file.late else "not yet due")
        for back in range(_DAYS_BACK, -1, -1)
        for file in awaited(warehouse, today - timedelta(days=back), as_of=now)
    ]
    return display.table(("day", "kind", "from", "due", "state"), rows)
