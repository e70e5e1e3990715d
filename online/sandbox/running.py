"""What a running sandbox has: its settings, its records, its clock.

Belongs here: what every handler needs. Does not: handlers (`app.py`, `challenge.py`).
"""

import asyncio
import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from online.kernel.clock import Clock
from online.kernel.errors import NotFound
from online.sandbox import disputes, mandates, script_store
from online.sandbox.bank import Bank
from online.sandbox.behaviour import Operation
from online.sandbox.callbacks import Postman, load_secrets
from online.sandbox.rails import RAILS, Rail
from online.sandbox.script import Call, Choice, Script, choose, read_script
from online.sandbox.writer import GroupWriter

T = TypeVar("T")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How this process runs; times in seconds."""

    data: Path
    seed: int
    callback_url: str | None = None
    callback_secrets: Path | None = None  # without them nothing is told: nobody would believe it
    script: Path | None = None  # taken when it is not the one that was taken last
    hold_s: float = 10.0
    slow_s: float = 2.0
    pending_s: int = 1
    payer_expiry_s: int = 900
    public_url: str = "http://127.0.0.1:8090"  # where payers reach this process


class Sandbox:
    """Everything the handlers need."""

    def __init__(self, settings: Settings, clock: Clock, stopping: asyncio.Event) -> None:
        settings.data.mkdir(parents=True, exist_ok=True)
        self.settings = settings
        self.clock = clock
        self.bank = Bank(
            clock,
            settings.seed,
            pending_s=settings.pending_s,
            payer_expiry_s=settings.payer_expiry_s,
            public_url=settings.public_url,
        )
        self.writer = GroupWriter(settings.data / "bank.sqlite")
        secrets = settings.callback_secrets
        self.postman = Postman(
            self.writer,
            clock,
            {"operation": self._operation, "dispute": self._dispute, "mandate": self._mandate},
            callback_url=settings.callback_url,
            secrets=load_secrets(secrets) if secrets else {},
        )
        self.stopping = stopping
        self.script = Script()

    async def start(self) -> None:
        """The script that was in force goes on, unless another file is given."""
        self.script = await self.writer.run(script_store.load)
        if self.settings.script is None:
            return
        text = self.settings.script.read_bytes()
        source = sha256(text).hexdigest()
        if await self.writer.run(script_store.source) != source:
            await self.set_script(read_script(text).since(self.clock.now()), source=source)

    def choose(self, rail: Rail, name: Operation | Literal["enquire"], reference: str) -> Choice:
        """What the script wants of a call that comes now."""
        seed = self.settings.seed if self.script.seed is None else self.script.seed
        return choose(self.script, Call(seed, rail, name, reference, self.clock.now()))

    async def set_script(self, script: Script, *, source: str | None = None) -> Script:
        """From here on the banks behave so, after a restart too."""
        await self.writer.run(
            lambda db: script_store.keep(db, script, seed=self.settings.seed, source=source)
        )
        self.script = script
        return script

    async def up_to_date(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """A look at the records as they are now, with all that is due."""

        def look(db: sqlite3.Connection) -> T:
            self.bank.ripen(db, self.clock.now())
            return query(db)

        return await self.writer.run(look)

    def _operation(self, db: sqlite3.Connection, rail: str, reference: str) -> dict[str, Any]:
        """What has become of an operation, for the gateway."""
        answer: dict[str, Any] = msgspec.to_builtins(self.bank.enquire(db, RAILS[rail], reference))
        del answer["next_action"]  # for whoever asks, not for whoever is told
        return answer

    def _dispute(self, db: sqlite3.Connection, _rail: str, reference: str) -> dict[str, Any]:
        dispute = disputes.find(db, reference)
        if dispute is None:
            raise NotFound("no such dispute", param="reference")
        return {"status": dispute.status}

    def _mandate(self, db: sqlite3.Connection, _rail: str, reference: str) -> dict[str, Any]:
        mandate = mandates.find(db, reference)
        if mandate is None:
            raise NotFound("no such mandate", param="reference")
        return {"status": mandate.status}

    async def hold(self) -> None:
        """Let the caller wait past its time-out, unless we are stopping."""
        await self.pause(self.settings.hold_s)

    async def pause(self, seconds: float) -> None:
        """The same for a while of our own; none is no wait."""
        if seconds <= 0:
            return
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return
