"""Reading the books: the public face of the slice. `owner` is a merchant who may see its own
accounts alone, or None for those who may see all.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from online.balances import domain
from online.balances.domain import Balance
from online.kernel.errors import NotFound
from online.ledger import entries
from online.ledger.cut import BookAccount, Cut, Page
from online.ledger.entries import Name
from online.ledger.journal import Layer
from online.merchants.service import Merchants
from online.platform.db import Database
from online.platform.lists import Window
from online.platform.sql import Connection


class Balances:
    """Use cases on the books as they are read."""

    def __init__(self, database: Database, merchants: Merchants) -> None:
        self._database = database
        self._merchants = merchants

    async def of_merchant(self, merchant_id: UUID, by: Cut) -> tuple[bool, list[Balance]]:
        """Whether the merchant is live, and its balance in each currency."""
        merchant = await self._merchants.get(merchant_id)
        async with self._snapshot() as connection:
            found = await entries.accounts(
                connection,
                merchant_id=merchant_id,
                livemode=merchant.livemode,
                after=None,
                most=None,
            )
            accounts = await entries.at(connection, found, by)
        return merchant.livemode, domain.balances(merchant_id, accounts)

    async def accounts(
        self, *, owner: UUID | None, livemode: bool | None, asked: Window
    ) -> list[BookAccount]:
        """By code; one more than asked for, where there is more."""
        async with self._snapshot() as connection:
            after = None
            if asked.after is not None:
                last = await self._account(connection, asked.after, owner)
                after = Name(last.code, last.currency, last.livemode)
            return await entries.accounts(
                connection, merchant_id=owner, livemode=livemode, after=after, most=asked.most
            )

    async def account(self, account_id: UUID, owner: UUID | None, by: Cut) -> BookAccount:
        async with self._snapshot() as connection:
            found = await self._account(connection, account_id, owner)
            return (await entries.at(connection, [found], by))[0]

    async def entries(
        self, account_id: UUID, owner: UUID | None, layer: Layer, by: Cut, asked: Window
    ) -> Page:
        """One page of an account's entries."""
        async with self._snapshot() as connection:
            found = await self._account(connection, account_id, owner)
            return await entries.page(connection, found, layer, by, asked)

    async def _account(
        self, connection: Connection, account_id: UUID, owner: UUID | None
    ) -> BookAccount:
        found = await entries.account(connection, account_id)
        if found is None or owner not in {None, found.merchant_id}:
            raise NotFound("no such account", "id")
        return found

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        """Balances and entries read within see the same commits."""
        async with self._database.transaction() as connection:
            await connection.execute("set transaction isolation level repeatable read, read only")
            yield connection
