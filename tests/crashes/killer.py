"""Kills what `dev` runs, with SIGKILL, at moments that a seed decides."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal

import httpx

from tests.crashes.clients import Crowd
from tests.e2e.dev import Dev, eventually

Victim = Literal["service", "database"]
# The server with its workers, and the background worker; the postmaster, whose backends follow.
COMMANDS: Final[dict[Victim, tuple[str, ...]]] = {
    "service": ("-m online serve", "-m online worker"),
    "database": ("/postgres -D",),
}
_LONGEST_LIFE_S: Final = 4
_NOT_WAITED_FOR: Final = 0.2  # the share that is killed again before it is back
_BACK_WITHIN_S: Final = 60


@dataclass
class Kill:
    """One of them, and how many calls were under way."""

    victim: Victim
    processes: int
    in_flight: int


@dataclass
class Killer:
    """`run` ends when all are done and the service is back."""

    dev: Dev
    crowd: Crowd
    seed: int
    kills: list[Kill] = field(default_factory=list)

    async def run(self, *, services: int, databases: int) -> None:
        chance = Random(self.seed)
        plan: list[Victim] = [*["service"] * services, *["database"] * databases]  # type: ignore[list-item]
        chance.shuffle(plan)
        for victim in plan:
            if chance.random() >= _NOT_WAITED_FOR:
                await self._until_back()
            await asyncio.sleep(0.1 + chance.random() * _LONGEST_LIFE_S)
            in_flight = self.crowd.in_flight
            killed = await asyncio.to_thread(self._kill, victim)
            self.kills.append(Kill(victim, killed, in_flight))
        await self._until_back()

    def _kill(self, victim: Victim) -> int:
        """As soon as there is something to kill, if the one before is not back yet."""
        return int(eventually(lambda: self.dev.kill(*COMMANDS[victim]), within_s=_BACK_WITHIN_S))

    async def _until_back(self) -> None:
        """The service answers, and the database behind it."""
        async with asyncio.timeout(_BACK_WITHIN_S):
            while True:
                if await self._is_back():
                    return
                await asyncio.sleep(0.1)

    async def _is_back(self) -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
                return (await client.get(f"{self.dev.base_url}/ready")).is_success
        except httpx.TransportError:
            return False
