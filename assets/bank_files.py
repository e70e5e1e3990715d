"""Bank and rail files: from the inbox into the warehouse, whole or not at all.

Belongs here: emptying the inbox. Does not: reading a format (`warehouse.bank_files`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import dagster as dg

from assets import display
from assets.groups import BANK_FILES, FINANCE
from assets.ports import Folders
from online.kernel.clock import Clock
from warehouse.bank_files.load import LoadResult, load_file
from warehouse.connection import Warehouse

_SPECS: Final = (
    dg.AssetSpec(
        "raw_bank_files",
        description="Every file that a bank or a rail sent us. A file is loaded whole, or "
        "quarantined whole with each problem named by line and field; the same file twice counts "
        "once.",
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
        put_aside(path, folders.received / result.status, result.file_sha256)
        if result.problems:
            context.log.error("%s is quarantined: %s", path.name, result.problems[:5])
        results.append(result)
    for spec in _SPECS:
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata=_metadata(warehouse, spec.key.to_user_string(), results),
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


def _metadata(warehouse: Warehouse, table: str, results: Sequence[LoadResult]) -> dict[str, Any]:
    if table != "raw_bank_files":
        return display.of_table(warehouse, table)
    columns = ("name", "format", "status", "rows", "days", "problems")
    rows = [
        (
            *(result.name, result.format, result.status, result.row_count),
            ", ".join(day.isoformat() for day in result.days),
            "; ".join(f"line {p.line} {p.field}: {p.reason}" for p in result.problems[:3]),
        )
        for result in results
    ]
    return {
        "dagster/row_count": warehouse.count(table),
        "files": len(results),
        "quarantined": sum(result.status == "quarantined" for result in results),
        "files_of_this_run": display.table(columns, rows),
    }
