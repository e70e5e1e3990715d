"""Named SQL: a slice keeps its statements in `queries.sql` and calls them by name.

A file is a list of `-- name: x` blocks with psycopg placeholders (`%(id)s`). Rows come back as
the `msgspec.Struct` that the caller names, columns matched by name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any, TypeVar

import msgspec
from psycopg import AsyncConnection
from psycopg import Connection as PsycopgConnection
from psycopg.rows import DictRow, dict_row

from online.platform.copy_binary import Table, Value

Row = TypeVar("Row")
Connection = AsyncConnection[Any]
BlockingConnection = PsycopgConnection[Any]  # for threads of their own, such as the writer's

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


class Queries:
    """The statements of one file, by name."""

    def __init__(self, statements: Mapping[str, str]) -> None:
        self.statements = statements

    def __getitem__(self, name: str) -> str:
        return self.statements[name]

    async def all(
        self, connection: Connection, name: str, row: type[Row], /, **parameters: Any
    ) -> list[Row]:
        """Every row, as `row`."""
        rows = await self._rows(connection, name, parameters)
        return [msgspec.convert(r, row, from_attributes=False, strict=True) for r in rows]

    async def one_or_none(
        self, connection: Connection, name: str, row: type[Row], /, **parameters: Any
    ) -> Row | None:
        """The only row, or None."""
        found = await self.all(connection, name, row, **parameters)
        if len(found) > 1:
            raise LookupError(f"query {name} returned {len(found)} rows, at most one expected")
        return found[0] if found else None

    async def one(
        self, connection: Connection, name: str, row: type[Row], /, **parameters: Any
    ) -> Row:
        """Exactly one row."""
        found = await self.one_or_none(connection, name, row, **parameters)
        if found is None:
            raise LookupError(f"query {name} returned no row")
        return found

    async def scalar(self, connection: Connection, name: str, /, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        cursor = await connection.execute(self.statements[name], parameters)
        row = await cursor.fetchone()
        return None if row is None else row[0]

    async def execute(self, connection: Connection, name: str, /, **parameters: Any) -> int:
        """Runs the statement; answers how many rows it touched."""
        cursor = await connection.execute(self.statements[name], parameters)
        return cursor.rowcount

    async def _rows(
        self, connection: Connection, name: str, parameters: Mapping[str, Any]
    ) -> list[DictRow]:
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(self.statements[name], parameters)
            return await cursor.fetchall()


def load_queries(package: str, file: str = "queries.sql") -> Queries:
    """Reads `file` beside `package` (pass `__package__`)."""
    return parse_queries(resources.files(package).joinpath(file).read_text(encoding="utf-8"))


def parse_queries(text: str) -> Queries:
    """Splits a file into its named statements; a name twice is an error."""
    parts = _NAME.split(text)[1:]
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"a query name stands twice in {sorted(names)}")
    return Queries({n: b.strip().rstrip(";") for n, b in zip(names, bodies, strict=True)})


async def copy_rows(connection: Connection, table: Table, rows: Iterable[Sequence[Value]]) -> None:
    """Inserts rows by one binary `COPY`."""
    async with (
        connection.cursor() as cursor,
        cursor.copy(table.copy_statement.encode()) as copy,
    ):
        await copy.write(table.buffer(rows))


def copy_rows_blocking(
    connection: BlockingConnection, table: Table, rows: Iterable[Sequence[Value]]
) -> None:
    """The same in a thread of its own."""
    with connection.cursor() as cursor, cursor.copy(table.copy_statement.encode()) as copy:
        copy.write(table.buffer(rows))
