"""Where benchmarks run: one durable PostgreSQL, one migrated database a benchmark."""

import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from online.platform.embedded_postgres import EmbeddedPostgres, binary
from online.platform.migrations.run import upgrade


@dataclass(frozen=True)
class Figure:
    """A measurement and what it is compared with. Higher is better unless the unit is a time."""

    name: str
    value: float
    baseline: float
    unit: str
    more: dict[str, Any] | None = None

    def as_line(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": round(self.value, 1),
            "baseline": round(self.baseline, 1),
            "ratio": round(self.value / self.baseline, 2),
            "unit": self.unit,
            **(self.more or {}),
        }


class Stage:
    """The server and its databases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres = EmbeddedPostgres(folder / "postgres")

    def __enter__(self) -> Self:
        self.postgres.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.postgres.stop()

    def database(self, name: str) -> tuple[str, str]:
        """A fresh migrated database; its URL as the service's role, and as the owner."""
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)")
            connection.execute(f"create database {name}")
        owner = self.postgres.url(name)
        upgrade(owner, today=datetime.now(UTC).date())
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("alter role khata_app login password 'bench'")
        return self.postgres.url(name, "khata_app", "bench"), owner

    def pgbench(self, database: str, script: str, seconds: int, clients: int = 20) -> float:
        """Transactions per second of `script`."""
        file = self.folder / f"{database}.pgbench"
        file.write_text(script, encoding="utf-8")
        options = ["-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds)]
        run = subprocess.run(
            [str(binary("pgbench")), *options, "-f", str(file), self.postgres.url(database)],
            check=False,
            capture_output=True,
            text=True,
        )
        found = re.search(r"tps = ([0-9.]+)", run.stdout)
        if found is None:
            raise RuntimeError(run.stdout + run.stderr)
        return float(found[1])
