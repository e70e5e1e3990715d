"""What the bank tells the gateway without being asked: planned with what it is about, in one
transaction; signed and sent until the gateway has taken it.

Belongs here: the plan, the order, the signature, trying again. Does not: when there is something
to tell, which the bank decides, or what an operation has come to, which it says when asked.
"""

import asyncio
import hashlib
import hmac
import logging
import sqlite3
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import httpx
import msgspec

from online.kernel.clock import Clock
from online.kernel.errors import NotFound
from online.sandbox.writer import GroupWriter

Kind = Literal["operation", "dispute", "mandate"]
Manner = Literal["once", "duplicate", "out_of_order", "lost"]
# What there is to say of a reference on a rail, as members of the body.
Describe = Callable[[sqlite3.Connection, str, str], Mapping[str, Any]]

_BATCH: Final = 32
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60
_MOST_TRIES: Final = 20  # about twelve minutes
_LOOK_EVERY_S: Final = 0.5  # the clock may be moved ahead
_PENDING: Final = "pending"
_LOG = logging.getLogger(__name__)


class Letter(msgspec.Struct, frozen=True):
    """One to be sent now."""

    callback_id: str
    copy: int
    rail: str
    body: bytes


def plan(
    db: sqlite3.Connection,
    *,
    rail: str,
    reference: str,
    due_at: datetime,
    manner: Manner = "once",
    kind: Kind = "operation",
) -> None:
    """Tell the gateway of `reference` at `due_at`: what there is to say then."""
    row = db.execute("select max(sequence) from callbacks where reference = ?", (reference,))
    sequence = (row.fetchone()[0] or 0) + 1
    about = (rail, kind, reference)
    soon = due_at + timedelta(seconds=1)
    match manner:
        case "once":
            _insert(db, about, sequence, due_at, sent_at=due_at)
        case "lost":
            _insert(db, about, sequence, due_at, sent_at=None)
        case "duplicate":
            _insert(db, about, sequence, due_at, sent_at=due_at)
            _insert(db, about, sequence, due_at, sent_at=soon, copy=1)
            _insert(db, about, sequence, due_at, sent_at=soon, suffix="_again")
        case "out_of_order":
            before = due_at - timedelta(seconds=1)
            _insert(db, about, sequence + 1, due_at, sent_at=due_at)
            _insert(db, about, sequence, before, sent_at=soon, status=_PENDING)


def _insert(
    db: sqlite3.Connection,
    about: tuple[str, Kind, str],
    sequence: int,
    occurred_at: datetime,
    *,
    sent_at: datetime | None,
    copy: int = 0,
    suffix: str = "",
    status: str | None = None,
) -> None:
    rail, kind, reference = about
    db.execute(
        "insert into callbacks (callback_id, copy, rail, kind, reference, sequence, occurred_at,"
        " status, next_try_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(f"cb_{reference}_{sequence}{suffix}", copy, rail, kind, reference, sequence),
            *(_text(occurred_at), status, None if sent_at is None else _text(sent_at)),
        ),
    )


def take_due(
    db: sqlite3.Connection, now: datetime, describe: Mapping[str, Describe]
) -> list[Letter]:
    """What is to be sent now; should we die meanwhile, it is sent again."""
    rows = db.execute(
        "select callback_id, copy, rail, kind, reference, sequence, occurred_at, status, body,"
        " tries from callbacks where next_try_at <= ? order by next_try_at, callback_id, copy"
        " limit ?",
        (_text(now), _BATCH),
    ).fetchall()
    letters = []
    for id_, copy, rail, kind, reference, sequence, occurred_at, status, body, tries in rows:
        if body is None:
            head = {"id": id_, "type": kind, "reference": reference, "sequence": sequence}
            try:
                said = describe[kind](db, rail, reference)
            except NotFound:
                said = None
            body = said and msgspec.json.encode(  # noqa: PLW2901 - it is fixed from now on
                {**head, "occurred_at": occurred_at, **said, **_instead(status)}
            )
        pause = timedelta(seconds=min(_FIRST_PAUSE_S * 2**tries, _LONGEST_PAUSE_S))
        over = body is None or tries + 1 >= _MOST_TRIES
        db.execute(
            "update callbacks set body = ?, tries = tries + 1, next_try_at = ?"
            " where callback_id = ? and copy = ?",
            (body, None if over else _text(now + pause), id_, copy),
        )
        if body is not None:
            letters.append(Letter(id_, copy, rail, body))
    return letters


def _instead(status: str | None) -> dict[str, Any]:
    """Old news: what was said of it before it ended."""
    if status is None:
        return {}
    return {
        "status": status,
        "code": "01",
        "message": "Under way",
        "auth_code": None,
        "checks": None,
        "funding": None,
    }


def mark_taken(db: sqlite3.Connection, letters: Sequence[Letter], now: datetime) -> None:
    """The gateway has them."""
    db.executemany(
        "update callbacks set next_try_at = null, taken_at = ? where callback_id = ? and copy = ?",
        [(_text(now), letter.callback_id, letter.copy) for letter in letters],
    )


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def load_secrets(path: Path) -> dict[str, bytes]:
    """The rails' secrets: JSON, name → base64."""
    named = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    return {rail: b64decode(secret, validate=True) for rail, secret in named.items()}


def signature(secret: bytes, at: datetime, body: bytes) -> str:
    """The header of a callback that is sent at `at`: HMAC-SHA256 over the time and the body."""
    timestamp = int(at.timestamp())
    digest = hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class Postman:
    """Sends what is due, as long as it runs. Without an address or secrets nothing is sent."""

    def __init__(
        self,
        writer: GroupWriter,
        clock: Clock,
        describe: Mapping[str, Describe],
        *,
        callback_url: str | None,
        secrets: Mapping[str, bytes],
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._describe = describe
        self._url = callback_url.rstrip("/") if callback_url else None
        self._secrets = secrets
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._url is not None and self._secrets:
            self._task = asyncio.create_task(self._run(self._url))

    def wake(self) -> None:
        """Something may be due at once."""
        self._wake.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=5.0, trust_env=False) as client:
            while True:
                self._wake.clear()
                if not await self._round(client):
                    await self._rest()

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), _LOOK_EVERY_S)
        except TimeoutError:
            return

    async def _round(self, client: httpx.AsyncClient) -> int:
        now = self._clock.now()
        letters = await self._writer.run(lambda db: take_due(db, now, self._describe))
        results = await asyncio.gather(*(self._send(client, letter) for letter in letters))
        taken = [letter for letter, is_taken in zip(letters, results, strict=True) if is_taken]
        if taken:
            await self._writer.run(lambda db: mark_taken(db, taken, self._clock.now()))
        return len(letters)

    async def _send(self, client: httpx.AsyncClient, letter: Letter) -> bool:
        secret = self._secrets.get(letter.rail)
        if secret is None:
            return False
        headers = {
            "Content-Type": "application/json",
            "Rail-Signature": signature(secret, self._clock.now(), letter.body),
        }
        path = f"/internal/rails/{letter.rail}/callbacks"
        try:
            answer = await client.post(path, content=letter.body, headers=headers)
        except httpx.HTTPError as error:
            _LOG.info("callback %s not delivered: %s", letter.callback_id, error)
            return False
        if not answer.is_success:
            _LOG.info("callback %s answered by %s", letter.callback_id, answer.status_code)
        return answer.is_success
