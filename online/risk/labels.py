"""Labels: what became known of a payment, and when. Every label is an event of its own.

Belongs here: the one way by which a label is recorded, whoever knows it (a dispute, a review, a
merchant's report, time). Does not: who decides on what (`disputes`, `reviews`), reading labels as
features (`store`).
"""

from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import NotFound, VersionConflict
from online.kernel.events import Metadata
from online.ledger.change import Append, Change, NewEvent, Snapshot, SnapshotRow
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.sql import Connection, load_queries
from online.risk.recording import label

Source = Literal["dispute", "report", "review", "aged"]

QUERIES: Final = load_queries("online.risk", "labels.sql")
VERDICTS: Final = Snapshot(
    "risk_verdicts",
    "id uuid, merchant_id uuid, fraud bool, source text, known_at timestamptz, version int8,"
    "livemode bool",
    lock=QUERIES["lock"],
    update=QUERIES["update"],
)
_TICK: Final = timedelta(microseconds=1)


class Verdict(Struct, frozen=True, kw_only=True):
    """Row of `risk_verdicts`: the newest label of a payment."""

    id: UUID
    merchant_id: UUID
    fraud: bool
    source: Source
    known_at: datetime
    version: int
    livemode: bool


class Subject(Struct, frozen=True, kw_only=True):
    """A payment as labels know it: its keys and amount, and the newest label that it has."""

    payment_id: UUID
    merchant_id: UUID
    card_key: str | None
    vpa_key: str | None
    customer_key: str | None
    device_key: str | None
    ip_key: str | None
    amount_minor: int
    livemode: bool
    fraud: bool | None = None
    source: Source | None = None
    known_at: datetime | None = None
    version: int = 0

    @property
    def verdict(self) -> Verdict | None:
        if self.fraud is None or self.source is None or self.known_at is None:
            return None
        return Verdict(
            id=self.payment_id,
            merchant_id=self.merchant_id,
            fraud=self.fraud,
            source=self.source,
            known_at=self.known_at,
            version=self.version,
            livemode=self.livemode,
        )


class Word(Struct, frozen=True, kw_only=True):
    """What somebody says of a payment: as of when, and by whom."""

    fraud: bool
    source: Source
    at: datetime
    metadata: Metadata
    reason: str | None = None


class Told(Struct, frozen=True, kw_only=True):
    """The pieces of a `Change` that record a label; the verdict as it is then."""

    verdict: Verdict
    rows: tuple[SnapshotRow, ...]
    events: tuple[NewEvent, ...] = ()
    appends: tuple[Append, ...] = ()


def told(subject: Subject, word: Word) -> Told:
    """A label where `word` changes what is known; in any case, the lock on what was known.

    The same word again is no news: it must not count as a second fraud. Two labels of a payment
    have an order in time, whatever the clocks of two processes say.
    """
    known, version = subject.verdict, subject.version + 1
    if known is not None and known.fraud == word.fraud:
        verdict = msgspec.structs.replace(known, version=version)
        return Told(verdict=verdict, rows=(_row(subject, verdict),))
    at = max(word.at, known.known_at + _TICK) if known else word.at
    verdict = Verdict(
        id=subject.payment_id,
        merchant_id=subject.merchant_id,
        fraud=word.fraud,
        source=word.source,
        known_at=at,
        version=version,
        livemode=subject.livemode,
    )
    return Told(
        verdict=verdict,
        rows=(_row(subject, verdict),),
        events=(_event(subject, word, at),),
        appends=(label(subject, fraud=word.fraud, known_at=at),),
    )


def _row(subject: Subject, verdict: Verdict) -> SnapshotRow:
    return SnapshotRow(VERDICTS, subject.payment_id, subject.version, verdict)


def _event(subject: Subject, word: Word, at: datetime) -> NewEvent:
    event = ev.LabelRecorded(
        payment_id=ids.encode("pay", subject.payment_id),
        merchant_id=ids.encode("mrc", subject.merchant_id),
        fraud=word.fraud,
        source=word.source,
        known_at=at,
        reason=word.reason,
    )
    return NewEvent(
        aggregate_id=ids.new(at),
        version=1,
        event=event,
        at=at,
        livemode=subject.livemode,
        merchant_id=subject.merchant_id,
        metadata=word.metadata,
    )


async def subject(connection: Connection, payment_id: UUID) -> Subject | None:
    """Any payment that risk keeps still; it forgets those that no label comes for any more."""
    return await QUERIES.one_or_none(connection, "subject", Subject, payment_id=payment_id)


class Reported(Struct, frozen=True, kw_only=True):
    """What a merchant knows of a payment of theirs."""

    payment_id: UUID
    fraud: bool
    reason: str


class Labels:
    """Takes in reports."""

    def __init__(self, database: Database, writer: Writer, clock: Clock) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock

    async def report(
        self, reported: Reported, *, merchant_id: UUID, livemode: bool, metadata: Metadata
    ) -> Verdict:
        """What is known of the payment from now on."""
        while True:
            found = await self._subject(reported.payment_id, merchant_id, livemode)
            word = Word(
                fraud=reported.fraud,
                source="report",
                at=self._clock.now(),
                metadata=metadata,
                reason=reported.reason,
            )
            recorded = told(found, word)
            if not recorded.events:
                return recorded.verdict
            try:
                await self._writer.submit(change(recorded))
            except VersionConflict:
                continue
            return recorded.verdict

    async def _subject(self, payment_id: UUID, merchant_id: UUID, livemode: bool) -> Subject:
        async with self._database.connection() as connection:
            found = await subject(connection, payment_id)
        if found is None or (found.merchant_id, found.livemode) != (merchant_id, livemode):
            raise NotFound("there is no such payment, or it is too long ago", "payment_id")
        return found


def change(recorded: Told) -> Change:
    """A label by itself."""
    return Change(snapshots=recorded.rows, events=recorded.events, appends=recorded.appends)
