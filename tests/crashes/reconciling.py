"""The end of a bank day, by the doors that everybody has: files, Dagster's jobs, books verified.

`python -m tests.crashes.reconciling FOLDER DAY` plays the two mornings after DAY and prints what
reconciliation found, as JSON. A process of its own: Dagster keeps its home in the environment.
"""

import json
import sys
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import httpx

from online.kernel.clock import IST, write_offset
from pipelines.resources import Site, open_lake
from pipelines.runs import Runner


def set_clock(folder: Path, day: date, hour: int) -> None:
    write_offset(folder / "clock.json", datetime.combine(day, time(hour), IST))


def reconcile(folder: Path, day: date) -> dict[str, Any]:
    """The rails pay on the next day, so its statement explains the day's receivables."""
    about = json.loads((folder / "dev.json").read_text("utf-8"))
    next_day = day + timedelta(days=1)
    runner = Runner(folder)
    try:
        for closed in (day, next_day):
            set_clock(folder, closed + timedelta(days=1), 1)
            inbox = Site.of(folder).folders.inbox
            asked = {"bank_day": str(closed), "inbox": str(inbox)}
            banks = f"{about['sandbox_url']}/admin/close-day"
            httpx.post(banks, json=asked, timeout=60, trust_env=False).raise_for_status()
            runner.run("bank_files_job")
            runner.run("day_close_job", day=str(closed))
        runner.run("reconcile_job", day=str(day))
    finally:
        runner.close()
    return found(folder, day, next_day)


def found(folder: Path, *days: date) -> dict[str, Any]:
    with open_lake(Site.of(folder)) as lake:
        breaks = lake.rows(
            "SELECT business_date, kind, reference FROM recon_breaks"
            " WHERE list_contains($days, business_date) ORDER BY ALL",
            days=list(days),
        )
        totals = lake.rows(
            "SELECT side, input, input_minor, matched_minor, broken_minor, open_minor"
            " FROM recon_totals WHERE business_date = $day ORDER BY ALL",
            day=days[0],
        )
    return {
        "breaks": [[str(each) for each in row] for row in breaks],
        "totals": [list(row) for row in totals],
    }


if __name__ == "__main__":
    print(json.dumps(reconcile(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]))))
