"""Lists and terms of risk: what merchants and the house say, and what payments ask."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import InvalidRequest, NotFound, VersionConflict
from online.kernel.events import Metadata
from online.ledger.aggregate import Origin
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.lists import Window, cut
from online.platform.sql import BlockingConnection
from online.platform.ttl_cache import TtlCache
from online.screening import store
from online.screening.agreed import AgreedTerms, terms_id
from online.screening.domain import (
    Entry,
    Keys,
    Kind,
    Owner,
    RiskTerms,
    Status,
    Subject,
    check_end,
    check_subject,
    entry_id,
)
from online.screening.store import ENTRIES, TERMS, Filter, Logged

# How long another process may go on with a merchant's old terms. Lists are never cached.
_STALE_S: Final = 3


class Named(msgspec.Struct, frozen=True):
    """How payments name a subject, and how people are shown it."""

    key: str
    mask: str


class Naming(Protocol):
    """Turns what a person writes (a VPA, a card token, …) into what payments carry.

    The slices that hold the keys answer, wired above. Raises `InvalidRequest` or `NotFound`.
    """

    async def name(self, subject: Subject, value: str, owner: Owner) -> Named: ...


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """An order to list."""

    owner: Owner
    kind: Kind
    subject: Subject
    value: str
    reason: str
    expires_at: datetime | None

    def __repr__(self) -> str:
        return f"Listing({self.kind} {self.subject})"  # the value may be a VPA


class Lists:
    """Allow, block and watch lists. What is listed holds for the very next payment."""

    def __init__(self, database: Database, writer: Writer, clock: Clock, naming: Naming) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._naming = naming

    async def add(self, order: Listing, metadata: Metadata) -> tuple[Entry, bool]:
        """The entry, and whether its subject was not on the list before.

        Once more with the same reason and end changes nothing.
        """
        check_subject(order.owner, order.subject)
        named = await self._naming.name(order.subject, order.value, order.owner)
        id_ = entry_id(order.owner, order.kind, order.subject, named.key)
        while True:
            now = self._clock.now()
            async with self._database.connection() as connection:
                known = await store.entry(connection, id_, order.owner)
            stands = known is not None and known.state_at(now) == "listed"
            if known is not None and stands and _same(known, order):
                return known, False
            check_end(order.expires_at, now)
            event = _listed(order, named, metadata)
            origin = Origin(id=id_, merchant_id=order.owner.id, livemode=order.owner.livemode)
            moved = (
                ENTRIES.move(known, [event], now, metadata)
                if known is not None
                else ENTRIES.create(origin, [event], now, metadata)
            )
            try:
                await self._writer.submit(Change(snapshots=(moved.row,), events=moved.events))
            except VersionConflict:
                continue
            return moved.state, not stands

    async def remove(self, id_: UUID, owner: Owner, metadata: Metadata) -> Entry:
        """Off the list; once more changes nothing."""
        while True:
            entry = await self._get(id_, owner)
            if entry.status is Status.REMOVED:
                return entry
            event = ev.RiskListRemoved(by=metadata.actor)
            moved = ENTRIES.move(entry, [event], self._clock.now(), metadata)
            try:
                await self._writer.submit(Change(snapshots=(moved.row,), events=moved.events))
            except VersionConflict:
                continue
            return moved.state

    async def show(self, id_: UUID, owner: Owner) -> tuple[Entry, list[Logged]]:
        """An entry and what happened to it."""
        entry = await self._get(id_, owner)
        async with self._database.connection() as connection:
            return entry, await store.history(connection, id_)

    async def page(self, wanted: Filter, window: Window) -> tuple[list[Entry], bool]:
        async with self._database.connection() as connection:
            return cut(await store.page(connection, wanted, window), window)

    def read(
        self, connection: BlockingConnection, asked: Sequence[tuple[Keys, datetime]]
    ) -> list[frozenset[tuple[str, str]]]:
        """For each payment, (subject, kind) of every list that something of it stands on; one
        indexed read."""
        return store.listed(connection, asked)

    async def _get(self, id_: UUID, owner: Owner) -> Entry:
        async with self._database.connection() as connection:
            entry = await store.entry(connection, id_, owner)
        if entry is None:
            raise NotFound("there is no such entry")
        return entry


def _same(known: Entry, order: Listing) -> bool:
    return (known.reason, known.expires_at) == (order.reason, order.expires_at)


def _listed(order: Listing, named: Named, metadata: Metadata) -> ev.RiskListListed:
    return ev.RiskListListed(
        scope=order.owner.scope,
        kind=order.kind,
        subject=order.subject,
        key=named.key,
        mask=named.mask,
        reason=order.reason,
        by=metadata.actor,
        expires_at=order.expires_at,
    )


class Standing(msgspec.Struct, frozen=True):
    """A merchant's terms; version 0 and nobody: the defaults."""

    terms: RiskTerms
    version: int = 0
    agreed_by: str | None = None
    updated_at: datetime | None = None


class Terms:
    """Each merchant's terms of risk over the defaults of the settings."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        clock: Clock,
        *,
        defaults: RiskTerms,
        scorers: Mapping[str, object],
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self.defaults = defaults
        self._scorers = scorers
        self._known: TtlCache[tuple[UUID, bool], RiskTerms] = TtlCache(ttl_s=_STALE_S)

    async def of(self, merchant_id: UUID, *, livemode: bool) -> RiskTerms:
        """From memory for a few seconds: every payment asks.

        A scorer that the settings no longer name stays named: asking it fails, and the failure
        mode decides.
        """
        terms = self.at_hand(merchant_id, livemode=livemode)
        if terms is None:
            terms = (await self.show(merchant_id, livemode=livemode)).terms
            self._known.put((merchant_id, livemode), terms)
        return terms

    def at_hand(self, merchant_id: UUID, *, livemode: bool) -> RiskTerms | None:
        """Those in memory, if they are young enough."""
        return self._known.get((merchant_id, livemode))

    async def show(self, merchant_id: UUID, *, livemode: bool) -> Standing:
        """As they are now."""
        return self._standing(await self._agreed(merchant_id, livemode=livemode))

    async def agree(
        self,
        merchant_id: UUID,
        terms: RiskTerms,
        match: Callable[[int], None],
        metadata: Metadata,
        *,
        livemode: bool,
    ) -> Standing:
        """Terms from now on; `match` refuses a version that was not the one decided on."""
        if terms.scorer is not None and terms.scorer not in self._scorers:
            raise InvalidRequest("there is no scorer of this name", "scorer")
        while True:
            known = await self._agreed(merchant_id, livemode=livemode)
            match(known.version if known else 0)
            if known is not None and known.terms == terms:
                return self._standing(known)
            event = ev.RiskTermsAgreed(
                merchant_id=ids.encode("mrc", merchant_id),
                **msgspec.structs.asdict(terms),
                by=metadata.actor,
            )
            now = self._clock.now()
            origin = Origin(
                id=terms_id(merchant_id, livemode=livemode),
                merchant_id=merchant_id,
                livemode=livemode,
            )
            moved = (
                TERMS.move(known, [event], now, metadata)
                if known is not None
                else TERMS.create(origin, [event], now, metadata)
            )
            try:
                await self._writer.submit(Change(snapshots=(moved.row,), events=moved.events))
            except VersionConflict:
                continue
            self._known.put((merchant_id, livemode), terms)
            return self._standing(moved.state)

    async def _agreed(self, merchant_id: UUID, *, livemode: bool) -> AgreedTerms | None:
        async with self._database.connection() as connection:
            return await store.terms(connection, merchant_id, livemode=livemode)

    def _standing(self, agreed: AgreedTerms | None) -> Standing:
        if agreed is None:
            return Standing(self.defaults)
        return Standing(agreed.terms, agreed.version, agreed.agreed_by, agreed.updated_at)
