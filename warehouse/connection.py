"""The one place that attaches DuckLake and runs SQL against it.

Belongs here: opening the lake, transactions and their retry, named SQL files, snapshots.
Does not: what any statement means (`sql/`), which tables exist (`schema/`), or when a
table is rebuilt (`assets`).

    with Warehouse(LakeConfig(catalog="postgres:dbname=khata_lake", data_path="var/lake")) as lake:
        schema.ensure(lake)
        lake.replace_day("stg_ledger_rows", "stg_ledger_rows", day=date(2026, 11, 16))
        lake.scalar("check_unbalanced_entries")
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import duckdb
import polars as pl

from warehouse import macros

T = TypeVar("T")

SQL_DIR = Path(__file__).parent / "sql"
EXTENSIONS = ("postgres_scanner", "ducklake")
LAKE = "lake"
MAX_ATTEMPTS = 6

_PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")
_COMMENT = re.compile(r"--[^\n]*")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_CONFLICT = re.compile(
    r"transaction conflict|could not serialize|failed to commit ducklake", re.IGNORECASE
)


class WarehouseError(Exception):
    """The warehouse was asked for something it does not have."""


@dataclass(frozen=True, kw_only=True)
class LakeConfig:
    """Where the lake is.

    `catalog` is what follows `ducklake:`; `postgres:dbname=… host=…` (or a
    `postgresql://` URL) in service, a file path in tests.
    """

    catalog: str
    data_path: str
    memory_limit: str = "2GB"
    threads: int = 2
    temp_directory: str | None = None
    read_only: bool = False


def load_extensions(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the extensions that came as wheels; nothing is ever fetched from the network."""
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    for name in EXTENSIONS:
        spec = find_spec(f"duckdb_extension_{name}")
        if spec is None or spec.origin is None:
            raise WarehouseError(f"the wheel duckdb-extension-{name} is not installed")
        folder = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}"
        connection.execute(f"LOAD '{folder / name}.duckdb_extension'")


@cache
def sql_text(name: str) -> str:
    """The statement in `sql/<name>.sql`."""
    path = SQL_DIR / f"{name.removesuffix('.sql')}.sql"
    if not path.is_file():
        raise WarehouseError(f"no such statement: sql/{path.name}")
    return path.read_text(encoding="utf-8").strip().rstrip(";")


def is_query(text: str) -> bool:
    """Whether a text is one statement that only reads."""
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error:
        return False
    reading = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    return len(statements) == 1 and statements[0].type in reading


def identifier(name: str) -> str:
    """A table name that is safe to write into a statement."""
    if not _NAME.fullmatch(name):
        raise WarehouseError(f"not a table name: {name!r}")
    return name


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def _bound(statement: str, params: Mapping[str, object]) -> dict[str, object]:
    """The parameters that the statement names; DuckDB refuses to be given more."""
    wanted = set(_PARAMETER.findall(_COMMENT.sub("", statement)))
    missing = wanted - params.keys()
    if missing:
        raise WarehouseError(f"parameters not given: {', '.join(sorted(missing))}")
    return {name: params[name] for name in wanted}


class Lake:
    """Reads and writes over one open connection; handed to the body of a transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def execute(self, statement: str, **params: object) -> None:
        """Run a statement given as text."""
        self.connection.execute(statement, _bound(statement, params))

    def rows(self, statement: str, **params: object) -> list[tuple[Any, ...]]:
        """The rows of a statement given as text."""
        return self.connection.execute(statement, _bound(statement, params)).fetchall()

    def frame(self, statement: str, **params: object) -> pl.DataFrame:
        """The rows of a statement given as text, as a polars frame."""
        return self.connection.execute(statement, _bound(statement, params)).pl()

    def query(self, sql_name: str, **params: object) -> pl.DataFrame:
        """The rows of `sql/<sql_name>.sql`."""
        return self.frame(sql_text(sql_name), **params)

    def scalar(self, sql_name: str, **params: object) -> Any:
        """The first value of `sql/<sql_name>.sql`, None when it has no row."""
        statement = sql_text(sql_name)
        row = self.connection.execute(statement, _bound(statement, params)).fetchone()
        return None if row is None else row[0]

    def count(self, table: str) -> int:
        """How many rows a table has."""
        (found,) = self.rows(f"SELECT count(*) FROM {identifier(table)}")
        return int(found[0])

    def append(self, table: str, frame: pl.DataFrame) -> int:
        """Add a frame's rows to a table, columns by name."""
        if frame.is_empty():
            return 0
        self.connection.register("appended", frame.to_arrow())
        try:
            self.connection.execute(f"INSERT INTO {identifier(table)} BY NAME FROM appended")
        finally:
            self.connection.unregister("appended")
        return frame.height


class Warehouse(Lake):
    """The lake, attached. One per process; steps in other processes open their own."""

    def __init__(self, config: LakeConfig) -> None:
        self.config = config
        super().__init__(duckdb.connect(":memory:"))
        try:
            self._attach()
        except BaseException:
            self.connection.close()
            raise

    def _attach(self) -> None:
        config, run = self.config, self.connection.execute
        load_extensions(self.connection)
        run(f"SET memory_limit = {quoted(config.memory_limit)}")
        run(f"SET threads = {int(config.threads)}")
        run("SET preserve_insertion_order = false")
        if config.temp_directory is not None:
            run(f"SET temp_directory = {quoted(config.temp_directory)}")
        if "://" not in config.data_path:
            Path(config.data_path).mkdir(parents=True, exist_ok=True)
        catalog = config.catalog
        if catalog.startswith(("postgresql://", "postgres://")):
            catalog = f"postgres:{catalog}"
        options = [f"DATA_PATH {quoted(config.data_path)}"]
        if config.read_only:
            options.append("READ_ONLY")
        run(f"ATTACH {quoted('ducklake:' + catalog)} AS {LAKE} ({', '.join(options)})")
        _prepare(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Detach and release the catalog."""
        self.connection.close()

    def transaction(self, body: Callable[[Lake], T]) -> T:
        """Run `body` in one DuckLake transaction, again from its start on a commit conflict.

        `body` reads and writes through the `Lake` it is given and keeps no state of its own,
        since it may run more than once.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            self.connection.execute("BEGIN TRANSACTION")
            try:
                result = body(self)
                self.connection.execute("COMMIT")
            except BaseException as error:
                self._rollback()
                if not _is_conflict(error) or attempt == MAX_ATTEMPTS:
                    raise
                # Jitter spreads writers that collided once; it decides no result.
                time.sleep(random.uniform(0.05, 0.2) * 2**attempt)  # noqa: S311
            else:
                return result
        raise AssertionError("unreachable")

    def _rollback(self) -> None:
        # A failed COMMIT has already ended the transaction.
        with suppress(duckdb.Error):
            self.connection.execute("ROLLBACK")

    def replace_day(self, table: str, sql_name: str, *, day: date, **params: object) -> int:
        """Replace one day of a table by the rows of a statement; returns how many.

        The statement reads `$day`; rows of any other day are refused.
        """
        from warehouse.schema import day_column

        column = day_column(table)
        statement = sql_text(sql_name)

        def body(lake: Lake) -> int:
            lake.execute(f"DELETE FROM {identifier(table)} WHERE {column} = $day", day=day)
            lake.execute(f"CREATE OR REPLACE TEMP TABLE day_rows AS {statement}", day=day, **params)
            (stray,) = lake.rows(
                f"SELECT count(*) FROM day_rows WHERE {column} IS DISTINCT FROM $day", day=day
            )
            if stray[0]:
                raise WarehouseError(f"{sql_name}: {stray[0]} rows are not of {day}")
            lake.execute(f"INSERT INTO {identifier(table)} BY NAME FROM day_rows")
            (count,) = lake.rows("SELECT count(*) FROM day_rows")
            return int(count[0])

        return self.transaction(body)

    def replace_all(self, table: str, sql_name: str, **params: object) -> int:
        """Replace every row of a (small) table by the rows of a statement."""
        statement = sql_text(sql_name)

        def body(lake: Lake) -> int:
            lake.execute(f"CREATE OR REPLACE TEMP TABLE all_rows AS {statement}", **params)
            lake.execute(f"DELETE FROM {identifier(table)}")
            lake.execute(f"INSERT INTO {identifier(table)} BY NAME FROM all_rows")
            (count,) = lake.rows("SELECT count(*) FROM all_rows")
            return int(count[0])

        return self.transaction(body)

    def snapshot_id(self) -> int:
        """The lake's present snapshot; a statement cites it and can be read again at it."""
        (row,) = self.rows(f"SELECT id FROM {LAKE}.current_snapshot()")
        return int(row[0])

    def tables(self) -> list[str]:
        """Names of the tables in the lake."""
        found = self.rows(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = $lake ORDER BY 1",
            lake=LAKE,
        )
        return [str(name) for (name,) in found]

    def _columns_at(self, version: int) -> dict[str, set[str]]:
        """The tables that a snapshot has, with their columns."""
        valid = "begin_snapshot <= $version AND coalesce(end_snapshot > $version, true)"
        metadata = f"__ducklake_metadata_{LAKE}"
        found = self.rows(
            f"SELECT stored.table_name, list(kept.column_name)"
            f" FROM (FROM {metadata}.ducklake_table WHERE {valid}) AS stored"
            f" INNER JOIN (FROM {metadata}.ducklake_column WHERE {valid}) AS kept"
            " ON stored.table_id = kept.table_id"
            " WHERE kept.parent_column IS NULL GROUP BY 1 ORDER BY 1",
            version=version,
        )
        return {str(table): set(columns) for table, columns in found}

    def snapshot_at(self, version: int) -> datetime:
        """When a snapshot was made."""
        found = self.rows(
            f"SELECT snapshot_time FROM __ducklake_metadata_{LAKE}.ducklake_snapshot"
            " WHERE snapshot_id = $version",
            version=version,
        )
        if not found:
            raise WarehouseError(f"the lake has no snapshot {version}")
        at: datetime = found[0][0]
        return at

    @contextmanager
    def at_version(self, version: int) -> Iterator[Lake]:
        """Read every table as it was at a snapshot, by the same statements.

        What came after it is there and holds nothing: a table has no rows, a column its default.
        """
        from warehouse.schema import tables_as_described

        held = self._columns_at(version)
        described = tables_as_described()
        connection = self.connection.cursor()
        try:
            _prepare(connection)
            for table in held.keys() | described.keys():
                later = {
                    name: value
                    for name, value in described.get(table, {}).items()
                    if name not in held.get(table, ())
                }
                # A temporary view of the same name is found before the lake's table.
                was = _as_it_was(table, version, later, known=table in held)
                connection.execute(f"CREATE TEMP VIEW {table} AS {was}")
            yield Lake(connection)
        finally:
            connection.close()


def _prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """What every connection needs for itself: no cursor takes it from another."""
    for statement in (f"USE {LAKE}", "SET TimeZone = 'UTC'", *macros.statements()):
        connection.execute(statement)


def _as_it_was(table: str, version: int, later: Mapping[str, str], *, known: bool) -> str:
    """A query for a table at a snapshot; `later` are the columns that it did not have yet."""
    added = [f'{value} AS "{name}"' for name, value in later.items()]
    if not known:
        return f"SELECT {', '.join(added)} WHERE false"
    columns = ", ".join(["*", *added])
    return f"SELECT {columns} FROM {LAKE}.main.{table} AT (VERSION => {int(version)})"


def _is_conflict(error: BaseException) -> bool:
    return isinstance(error, duckdb.Error) and bool(_CONFLICT.search(str(error)))
