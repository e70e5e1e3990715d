"""Seals: asked for by the warehouse, held against the books, signed, published."""

from datetime import date, datetime, time

import msgspec

from online.kernel.clock import IST, Clock
from online.ledger import counted
from online.platform.db import Database
from online.platform.sql import Connection
from online.seals import store
from online.seals.domain import (
    Draft,
    Rows,
    Seal,
    SealConflict,
    SealedStatement,
    document,
    hash_of,
    refuse_unless_next,
    refuse_unless_whole,
    statement_document,
)
from online.seals.keys import PublicKey, SealKeys


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    key_id: str
    value: bytes


class Seals:
    def __init__(self, database: Database, clock: Clock, keys: SealKeys) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys

    async def seal(self, draft: Draft, holds: Rows) -> Seal:
        """The next seal of the chain; `holds` is what the warehouse has of the day by now. The same
        draft again is answered with the same seal.
        """
        async with self._database.transaction() as tx:
            await store.hold_chain(tx)
            made = await store.by_number(tx, draft.number)
            if made is not None:
                return _the_same(made, draft)
            earlier = await store.of_day(tx, draft.day)
            refuse_unless_next(draft, await store.last(tx), len(earlier))
            refuse_unless_whole(draft, _rows(earlier), holds, await self._held(tx, draft))
            seal = self._signed(draft)
            await store.insert(tx, seal)
            return seal

    def sign_statement(self, statement: SealedStatement) -> Signature:
        """The same statement has the same signature; nothing is stored."""
        text = statement_document(statement)
        return Signature(key_id=self._keys.current.key_id, value=self._keys.sign(text))

    async def page(
        self, *, day: date | None, after: int | None, limit: int
    ) -> tuple[list[Seal], bool]:
        """Newest first, and whether there are more."""
        async with self._database.connection() as connection:
            found = await store.page(connection, day=day, after=after, most=limit + 1)
        return found[:limit], len(found) > limit

    async def any_there(self, connection: Connection) -> bool:
        """Whether anything was ever sealed."""
        return await store.last(connection) is not None

    async def unsealed(self, connection: Connection, first: date, last: date) -> list[date]:
        """The days of a range, both included, that have entries and no seal."""
        days = await counted.entry_days(connection, first, last)
        return [day for day in days if not await store.of_day(connection, day)]

    async def keys(self) -> list[PublicKey]:
        """Every key that a seal was or will be signed with, whether we still hold it or not."""
        async with self._database.connection() as connection:
            used = await store.keys(connection)
        known = {key.key_id: key for key in [*used, *self._keys.public]}
        return [known[key_id] for key_id in sorted(known)]

    async def _held(self, connection: Connection, draft: Draft) -> Rows:
        begin = datetime.combine(draft.day, time(), IST)
        # Nothing of a day was written before it began: what the warehouse had read by then is past.
        low = await store.read_before(connection, draft.epoch, begin)
        return Rows(
            events=await counted.events_of(connection, begin, low=low),
            entries=await counted.entries_of(connection, draft.day, low=low),
        )

    def _signed(self, draft: Draft) -> Seal:
        now, key = self._clock.now(), self._keys.current
        text = document(draft, now)
        return Seal(
            number=draft.number,
            previous=draft.previous if draft.number > 1 else None,
            day=draft.day,
            part=draft.part,
            events_root=draft.events.root,
            events_size=draft.events.size,
            entries_root=draft.entries.root,
            entries_size=draft.entries.size,
            audit_root=draft.audit.root,
            audit_size=draft.audit.size,
            epoch=draft.epoch,
            upto_xid=draft.upto_xid,
            sealed_at=now,
            hash=hash_of(text),
            key_id=key.key_id,
            public_key=key.value,
            signature=self._keys.sign(text),
        )


def _the_same(made: Seal, draft: Draft) -> Seal:
    if made.draft != draft:
        raise SealConflict(f"seal {made.number} is there already, of other rows", "number")
    return made


def _rows(seals: list[Seal]) -> Rows:
    return Rows(
        events=sum(seal.events_size for seal in seals),
        entries=sum(seal.entries_size for seal in seals),
    )
