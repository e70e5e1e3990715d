"""What a running sandbox has: its settings, its records, its clock.

Belongs here: what every handler needs. Does not: handlers (`app.py`, `challenge.py`).
"""

import asyncio
from pathlib import Path

import msgspec

from online.kernel.clock import Clock
from online.sandbox.bank import Bank
from online.sandbox.callbacks import Nudger
from online.sandbox.writer import GroupWriter


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How this process runs; times in seconds."""

    data: Path
    seed: int
    callback_url: str | None = None
    hold_s: float = 10.0
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
        self.nudger = Nudger(settings.callback_url)
        self.stopping = stopping

    async def hold(self) -> None:
        """Let the caller wait past its time-out, unless we are stopping."""
        try:
            await asyncio.wait_for(self.stopping.wait(), self.settings.hold_s)
        except TimeoutError:
            return
