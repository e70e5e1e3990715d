"""So many calls to one rail at once, and no more: a rail that hangs keeps its own slots busy and
nobody else's. Enquiries have slots apart, so that recovery goes on where payments are stuck.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from msgspec import Struct

from online.platform import metrics

Kind = Literal["operation", "enquiry"]


class Full(Exception):
    """No slot became free in time; nothing was sent."""


class Slots(Struct, frozen=True, kw_only=True):
    """Of one rail in one process."""

    operations: int = 32
    enquiries: int = 8

    @property
    def total(self) -> int:
        return self.operations + self.enquiries


class Bulkhead:
    """The slots of one rail; `wait_s` is how long a call waits for one."""

    def __init__(self, rail: str, slots: Slots, *, wait_s: float) -> None:
        self._rail = rail
        self._wait_s = wait_s
        self._free: dict[Kind, asyncio.Semaphore] = {
            "operation": asyncio.Semaphore(slots.operations),
            "enquiry": asyncio.Semaphore(slots.enquiries),
        }

    @asynccontextmanager
    async def slot(self, kind: Kind) -> AsyncIterator[None]:
        """Held until the end of the block, however it ends. Raises Full."""
        free = self._free[kind]
        try:
            async with asyncio.timeout(self._wait_s):
                await free.acquire()
        except TimeoutError:
            raise Full from None
        metrics.rail_slot_taken(self._rail, kind, 1)
        try:
            yield
        finally:
            metrics.rail_slot_taken(self._rail, kind, -1)
            free.release()
