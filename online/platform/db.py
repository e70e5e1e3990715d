"""The connection pool. Reads take a connection, changes of money go through the writer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final

from psycopg import AsyncConnection, OperationalError
from psycopg import Connection as PsycopgConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from online.kernel.errors import Unavailable
from online.platform.sql import BlockingConnection, Connection

_FRESH_S: Final = 1.0


class _Pooled(AsyncConnection[Any]):
    """Remembers when it was last known to work."""

    seen_well_at = 0.0


async def _check(connection: _Pooled) -> None:
    """Asks the server, unless the connection has just served somebody: that costs a round trip."""
    if monotonic() - connection.seen_well_at > _FRESH_S:
        await AsyncConnectionPool.check_connection(connection)
        connection.seen_well_at = monotonic()


async def _autocommit(connection: _Pooled) -> None:
    await connection.set_autocommit(True)


class Database:
    """A pool on one PostgreSQL; `url` is a libpq URL, `role` what every connection becomes.

    `planned_once`: for a few large statements whose best plan does not depend on their parameters.
    Left to itself, PostgreSQL plans some of them again for every call, which takes longer than they
    do.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int = 10,
        role: str | None = None,
        planned_once: bool = False,
        search_path: str = "",
    ) -> None:
        self.url = url
        options = [f"-c role={role}"] if role else []
        if search_path:
            options.append(f"-c search_path={search_path}")
        if planned_once:
            options += ["-c plan_cache_mode=force_generic_plan", "-c jit=off"]
        self._options: dict[str, Any] = {"options": " ".join(options)} if options else {}
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=size,
            timeout=5,
            open=False,
            kwargs=self._options,
            connection_class=_Pooled,
            configure=_autocommit,
            check=_check,
        )

    async def open(self) -> None:
        await self.pool.open()

    async def close(self) -> None:
        await self.pool.close()

    def connect_blocking(self) -> BlockingConnection:
        """A connection of one's own for a thread, outside the pool (a committer keeps one)."""
        return PsycopgConnection.connect(self.url, autocommit=True, **self._options)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """An autocommit connection for reading. Unavailable when the database is."""
        try:
            async with self.pool.connection() as connection:
                yield connection
                connection.seen_well_at = monotonic()
        except (OperationalError, PoolTimeout) as error:
            raise Unavailable("the database does not answer") from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction; commits at the end, rolls back on an exception."""
        async with self.connection() as connection, connection.transaction():
            yield connection
