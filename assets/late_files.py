"""The alert for a bank or a rail that has not sent what it owes.

Belongs here: a check that warns. Does not: what is owed and by when (`config/bank_files.yaml`), or
anything that depends on the file: a late file holds nothing up, its rows stay open.
"""

from datetime import timedelta
from typing import Final

import dagster as dg

from assets import display
from online.kernel.clock import Clock, business_date
from warehouse.bank_files.expected import awaited
from warehouse.connection import Warehouse

_DAYS_BACK: Final = 7


@dg.asset_check(
    asset="raw_bank_files",
    blocking=False,
    description="No bank or rail is late with a file of the last week.",
)
def no_file_is_late(
    warehouse: dg.ResourceParam[Warehouse], clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    now = clock.now()
    days = [business_date(now) - timedelta(days=back) for back in range(_DAYS_BACK, -1, -1)]
    late = [file for day in days for file in awaited(warehouse, day, as_of=now) if file.late]
    columns = ("day", "kind", "from", "was_due", "rows_in_our_books")
    rows = [(file.day, file.kind, file.name, file.due_at, file.in_books) for file in late]
    return dg.AssetCheckResult(
        passed=not late,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"late": len(late), "files": display.table(columns, rows)},
    )
