"""Rows a second from online's database into the lake, next to `COPY … TO STDOUT` of the same rows.

The rows are those that the writer's benchmark left: events, transactions and entries.
"""

from datetime import UTC, datetime
from time import perf_counter

import psycopg

from tests.load.stage import Figure, Stage
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.ingest import INCREMENTAL, PostgresSource, ingest

WRITTEN = "bench_writer"
_BEST_OF = 3


def figures(stage: Stage, _seconds: int) -> list[Figure]:
    url = stage.postgres.url(WRITTEN)
    plain_s = min(_copied(url) for _ in range(_BEST_OF))
    runs = [_ingested(stage, url, attempt) for attempt in range(_BEST_OF)]
    rows, ours_s = runs[0][0], min(took_s for _, took_s in runs)
    return [Figure("ingest", rows / ours_s, rows / plain_s, "rows/s", {"rows": rows})]


def _copied(url: str) -> float:
    start = perf_counter()
    with psycopg.connect(url) as connection:
        for view, columns in INCREMENTAL.items():
            statement = f"copy (select {columns} from offline.{view}) to stdout"
            with connection.cursor().copy(statement) as copy:
                for _ in copy:
                    pass
    return perf_counter() - start


def _ingested(stage: Stage, url: str, attempt: int) -> tuple[int, float]:
    folder = stage.folder / f"lake_{attempt}"
    folder.mkdir()
    config = LakeConfig(catalog=str(folder / "lake.ducklake"), data_path=str(folder / "data"))
    with Warehouse(config) as warehouse:
        schema.ensure(warehouse)
        start = perf_counter()
        result = ingest(warehouse, PostgresSource(url), at=datetime.now(UTC))
        took_s = perf_counter() - start
    return sum(result.rows[f"raw_{view}"] for view in INCREMENTAL), took_s
