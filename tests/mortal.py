"""A day's Dagster run in a process that dies at a chosen point.

`python -m tests.mortal FOLDER POINT` makes one business day's assets over the lake in FOLDER and
kills itself, as `kill -9` would, right before its POINT-th act; an act is a statement given to the
lake, a file put aside, or a call to online. A POINT of 0 lets it live. The number of acts is
printed at the end.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import msgspec

from assets.ports import Folders
from online.kernel.clock import FixedClock
from pipelines.definitions import ASSETS
from tests.unit.warehouse.books import DAY, NEXT_DAY, noon
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse

SELECTION = (
    *("bank_files", "staging", "reconciliation", "settlement", "traces"),
    "books",
)


class Fate:
    """Counts acts; at the chosen one the process ends."""

    def __init__(self, point: int) -> None:
        self.point = point
        self.acts = 0

    def act(self) -> None:
        self.acts += 1
        if self.acts == self.point:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalConnection:
    """A DuckDB connection whose statements are acts."""

    def __init__(self, inner: duckdb.DuckDBPyConnection, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        self._fate.act()
        return self._inner.execute(*args, **kwargs)

    def cursor(self) -> "MortalConnection":
        return MortalConnection(self._inner.cursor(), self._fate)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Journal:
    """Online as a file of what it took: a line is written before it is answered."""

    def __init__(self, path: Path, fate: Fate) -> None:
        self._path = path
        self._fate = fate

    def send_lines(self, path: str, lines: Sequence[object]) -> list[dict[str, Any]]:
        return [self._take(path, line) for line in lines]

    def send(self, path: str, body: object) -> dict[str, Any]:
        return self._take(path, body)

    def _take(self, path: str, line: object) -> dict[str, Any]:
        self._fate.act()
        wire = {"path": path, "line": msgspec.json.decode(msgspec.json.encode(line))}
        with self._path.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(wire, sort_keys=True) + "\n")
        answer = {"status": "posted", "settlement_id": "stl_1", **wire["line"]}
        return {**answer, "status": "posted"}


def open_lake(folder: Path) -> Warehouse:
    catalog, data = str(folder / "lake.ducklake"), str(folder / "lake")
    return Warehouse(LakeConfig(catalog=catalog, data_path=data, threads=1))


def run(folder: Path, point: int) -> int:
    """One run; the number of acts it took."""
    fate = Fate(point)
    replace = Path.replace

    def put(self: Path, target: Any) -> Path:
        fate.act()
        return replace(self, target)

    Path.replace = put  # type: ignore[method-assign]
    with open_lake(folder) as warehouse, dg.DagsterInstance.ephemeral() as instance:
        warehouse.connection = MortalConnection(warehouse.connection, fate)
        schema.ensure(warehouse)
        result = dg.materialize(
            list(ASSETS),
            selection=dg.AssetSelection.groups(*SELECTION),
            partition_key=DAY.isoformat(),
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            resources={
                "warehouse": warehouse,
                "online": Journal(folder / "online.ndjson", fate),
                "clock": FixedClock(noon(NEXT_DAY)),
                "folders": Folders(folder, folder / "models" / "fraud.bundle"),
                "source": None,
                "tracking": None,
            },
        )
    assert result.success
    return fate.acts


if __name__ == "__main__":
    print(run(Path(sys.argv[1]), int(sys.argv[2])))
