"""Lists, terms and versions of rules in PostgreSQL. Writes of the first two go by the writer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import BlockingConnection, Connection, load_queries
from online.screening import agreed
from online.screening.agreed import AgreedTerms
from online.screening.domain import HOUSE, Entry, Keys, Owner, apply

QUERIES: Final = load_queries("online.screening")

ENTRIES: Final = Aggregate(
    Snapshot(
        "risk_lists",
        "id uuid, merchant_id uuid, kind text, subject text, key text, mask text, reason text,"
        "added_by text, status text, expires_at timestamptz, version int8, livemode bool,"
        "created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock_entries"],
        update=QUERIES["update_entries"],
    ),
    apply,
)
TERMS: Final = Aggregate(
    Snapshot(
        "risk_terms",
        "id uuid, merchant_id uuid, challenge_at int8, review_at int8, block_at int8,"
        "failure_mode text, timeout_ms int8, scorer text, agreed_by text, version int8,"
        "livemode bool, updated_at timestamptz",
        lock=QUERIES["lock_terms"],
        update=QUERIES["update_terms"],
    ),
    agreed.apply,
)


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries of an owner; `standing`: only those that hold at `now`."""

    owner: Owner
    now: datetime
    kind: str | None = None
    subject: str | None = None
    standing: bool = True


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """An event of an entry, as the log has it."""

    event_type: str
    version: int
    at: datetime
    actor: str | None
    data: dict[str, Any]


async def entry(connection: Connection, id_: UUID, owner: Owner) -> Entry | None:
    """An entry as its owner may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection, "entry", Entry, id=id_, owner=owner.id, livemode=owner.livemode
    )


async def page(connection: Connection, wanted: Filter, window: Window) -> list[Entry]:
    return await QUERIES.all(
        connection,
        "page",
        Entry,
        owner=wanted.owner.id,
        livemode=wanted.owner.livemode,
        now=wanted.now,
        kind=wanted.kind,
        subject=wanted.subject,
        standing=wanted.standing,
        after=window.after,
        most=window.most,
    )


async def history(connection: Connection, id_: UUID) -> list[Logged]:
    return await QUERIES.all(connection, "history", Logged, id=id_)


def listed(
    connection: BlockingConnection, asked: Sequence[tuple[Keys, datetime]]
) -> list[frozenset[tuple[str, str]]]:
    """For each payment, (subject, kind) of every list it stands on at its time."""
    rows = [
        {
            "nr": nr,
            "subject": subject,
            "key": key,
            "merchant_id": keys.merchant_id,
            "livemode": keys.livemode,
            "at": at,
        }
        for nr, (keys, at) in enumerate(asked)
        for subject, key in keys.named()
    ]
    parameters = {"asked": msgspec.json.encode(rows).decode(), "house": HOUSE}
    found: list[set[tuple[str, str]]] = [set() for _ in asked]
    for nr, subject, kind in connection.execute(QUERIES["listed"], parameters, prepare=True):
        found[nr].add((subject, kind))
    return [frozenset(each) for each in found]


async def terms(connection: Connection, merchant_id: UUID, *, livemode: bool) -> AgreedTerms | None:
    return await QUERIES.one_or_none(
        connection, "terms", AgreedTerms, merchant_id=merchant_id, livemode=livemode
    )


async def record_rules(
    connection: Connection, *, version: int, hash_: str, content: bytes, now: datetime
) -> str:
    """Keeps the content of a version if it is new; answers the hash that the version has."""
    await QUERIES.execute(
        connection,
        "record_rules",
        version=version,
        hash=hash_,
        content=content.decode(),
        now=now,
    )
    found: str = await QUERIES.scalar(connection, "hash_of_rules", version=version)
    return found
