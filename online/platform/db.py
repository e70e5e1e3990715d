"""The connection pool. Reads take a connection, changes of money go through the writer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from online.kernel.errors import Unavailable
from online.platform.sql import Connection


class Database:
    """A pool on one PostgreSQL; `url` is a libpq URL, `role` what every connection becomes."""

    def __init__(self, url: str, *, size: int = 10, role: str | None = None) -> None:
        self.url = url
        self._options: dict[str, Any] = {"options": f"-c role={role}"} if role else {}
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=size,
            timeout=5,
            open=False,
            kwargs={"autocommit": True, **self._options},
            check=AsyncConnectionPool.check_connection,
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def connect(self) -> Connection:
        """A connection of one's own, outside the pool (a writer keeps one)."""
        return await AsyncConnection.connect(self.url, autocommit=True, **self._options)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """An autocommit connection for reading. Unavailable when the database is."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (OperationalError, PoolTimeout) as error:
            raise Unavailable("the database does not answer") from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction; commits at the end, rolls back on an exception."""
        async with self.connection() as connection, connection.transaction():
            yield connection
