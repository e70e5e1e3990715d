"""Breakers that all workers see alike, through Redis.

A payment reads what this process was last told and adds up what it will tell; a task exchanges
both every `share_every_ms`. Only to take a probe of a half-open breaker does a payment ask Redis
itself, for `share_timeout_ms` at most. Where Redis does not answer, each process goes on alone,
from where all of them stood, until it does.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec
import structlog
from msgspec import Struct
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from online.platform import metrics
from online.platform.settings import Breakers
from online.platform.settings import Redis as RedisSettings
from online.routing.breakers import ROUNDING_S, Key, LocalBreakers, Reading, Sample, Seconds
from online.routing.domain import Figures, RouteHealth, State

log = structlog.get_logger("khata.routing")

_PREFIX: Final = "khata:{breakers}:"  # one slot of a cluster: a script touches several keys
_EXCHANGE_TIMEOUT_S: Final = 0.5  # nobody waits for it
_AGAIN_S: Final = 1.0  # between two tries to reach a Redis that is not there
_FORGET_MS: Final = 86_400_000
_LOST: Final = (RedisError, OSError, TimeoutError)


class Counts(Struct):
    """Calls that are not told yet."""

    c: int = 0
    f: int = 0
    s: int = 0
    t: int = 0  # milliseconds of all of them

    def add(self, sample: Sample) -> None:
        self.c += 1
        self.f += sample.failed
        self.s += sample.slow
        self.t += sample.latency_ms


class Report(Struct):
    """What Redis has not been told of one breaker yet."""

    key: str
    window: Counts = msgspec.field(default_factory=Counts)
    memory: Counts = msgspec.field(default_factory=Counts)
    open: bool = False  # it was opened while Redis was away
    opened_at: int = 0  # the rest that the probes below belong to
    probes_passed: int = 0
    probes_failed: int = 0
    returned: list[str] = []


class Mirror:
    """One breaker as Redis has it, by the clock of this process."""

    def __init__(self, key: Key, settings: Breakers) -> None:
        self.key = key
        self.window = Figures()
        self.memory = Figures()
        self.opened_at = 0  # by the clock of Redis: the name of this rest
        self.opened: float | None = None
        self.claiming = False
        self._settings = settings
        self._closed = float("-inf")
        self._probes_used = 0
        self._claims: deque[tuple[float, str]] = deque()
        self._report = Report(key=":".join(key))

    def state(self, now: float) -> State:
        if self.opened is None:
            return "closed"
        return "open" if now - self.opened < self._settings.rest_s else "half_open"

    def health(self, now: float) -> RouteHealth:
        probe = self._probes_used < self._settings.probes and not self.claiming
        return RouteHealth(state=self.state(now), probe=probe, memory=self.memory)

    def record(self, sample: Sample, now: float) -> None:
        self._report.memory.add(sample)
        began = now - sample.latency_ms / 1000 + ROUNDING_S
        if self.state(now) == "half_open":
            if self._claims and began >= self._claims[0][0]:
                self._report.returned.append(self._claims.popleft()[1])
                self._report.probes_failed += sample.bad
                self._report.probes_passed += not sample.bad
        elif began >= self._closed:
            self._report.window.add(sample)

    def claimed(self, token: str, now: float) -> None:
        self._claims.append((now, token))
        self._probes_used += 1

    def give_back(self) -> None:
        if self._claims:
            self._report.returned.append(self._claims.pop()[1])

    def take_report(self, *, opened_alone: bool) -> Report:
        report, self._report = self._report, Report(key=self._report.key)
        report.opened_at, report.open = self.opened_at, opened_alone
        return report

    def told(self, answer: Sequence[int], at_redis: int, now: float) -> bool:
        """Takes what Redis says; whether the breaker has closed."""
        opened_at, closed_at, self._probes_used, *figures = answer
        self.window, self.memory = Figures(*figures[:4]), Figures(*figures[4:])
        healed = self.opened_at != 0 and opened_at == 0
        if opened_at != self.opened_at:
            self._claims.clear()
            self.opened = now - (at_redis - opened_at) / 1000 if opened_at else None
        self.opened_at = opened_at
        self._closed = now - (at_redis - closed_at) / 1000 if closed_at else float("-inf")
        return healed

    def reading(self, now: float) -> Reading:
        state = self.state(now)
        ago = None if self.opened is None else now - self.opened
        return Reading(
            route=self.key[0],
            operation=self.key[1],
            state=state,
            window=self.window,
            opened_ago=ago,
            probe_in=self._settings.rest_s - ago if ago is not None and state == "open" else None,
        )


class SharedBreakers:
    """A book of breakers in Redis, with one of this process to fall back on."""

    def __init__(
        self, settings: Breakers, redis: RedisSettings, seconds: Seconds = time.monotonic
    ) -> None:
        self.shared = False
        self._settings = settings
        self._seconds = seconds
        self._local = LocalBreakers(settings, seconds)
        self._mirrors: dict[Key, Mirror] = {}
        self._redis = _client(redis, settings.share_timeout_ms / 1000)
        folder = Path(__file__).parent
        self._report = self._redis.register_script((folder / "report.lua").read_text("utf-8"))
        self._claim = self._redis.register_script((folder / "claim.lua").read_text("utf-8"))
        self._terms = msgspec.json.encode(_terms(settings))
        self._task: asyncio.Task[None] | None = None

    def expect(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._mirror(key)

    def health(self, operation: str) -> Mapping[str, RouteHealth]:
        if not self.shared:
            return self._local.health(operation)
        now = self._seconds()
        return {
            key[0]: mirror.health(now)
            for key, mirror in self._mirrors.items()
            if key[1] == operation
        }

    async def claim(self, key: Key) -> bool:
        if not self.shared:
            return await self._local.claim(key)
        mirror, now = self._mirror(key), self._seconds()
        state = mirror.state(now)
        if state != "half_open":
            return state == "closed"
        if not mirror.health(now).probe:
            return False
        mirror.claiming = True  # others do not wait for it: to them the probe is taken
        try:
            return await self._claim_at_redis(mirror, now)
        finally:
            mirror.claiming = False

    def give_back(self, key: Key) -> None:
        self._local.give_back(key)
        self._mirror(key).give_back()

    def record(self, key: Key, *, failed: bool, latency_ms: int) -> None:
        if not self.shared:
            self._local.record(key, failed=failed, latency_ms=latency_ms)
            return
        sample = self._local.sample(failed=failed, latency_ms=latency_ms)
        self._local[key].observe(sample)
        self._mirror(key).record(sample, self._seconds())

    def readings(self) -> Sequence[Reading]:
        if not self.shared:
            return self._local.readings()
        now = self._seconds()
        return [mirror.reading(now) for mirror in self._mirrors.values()]

    async def start(self) -> None:
        await self.exchange()
        self._task = asyncio.create_task(self._run(), name="breakers")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._redis.aclose()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._settings.share_every_ms / 1000 if self.shared else _AGAIN_S)
            try:
                await self.exchange()
            except Exception as error:  # a bug must not leave payments to what is long past
                log.exception("breakers_not_exchanged")
                self._lost(error)

    async def exchange(self) -> None:
        """Tells Redis what happened here and takes over how each breaker stands."""
        self.expect(self._local.keys())  # what was called for the first time without Redis
        mirrors = list(self._mirrors.values())
        reports = [
            mirror.take_report(opened_alone=self._opened_alone(mirror)) for mirror in mirrors
        ]
        try:
            async with asyncio.timeout(_EXCHANGE_TIMEOUT_S):
                told = await self._ask(
                    self._report, [_PREFIX], [self._terms, msgspec.json.encode(reports)]
                )
        except _LOST as error:
            self._lost(error)
            return
        now = self._seconds()
        now_there, *answers = msgspec.json.decode(told)
        for mirror, answer in zip(mirrors, answers, strict=True):
            if mirror.told(answer, now_there, now):
                self._local[mirror.key].heal()
        if not self.shared:
            log.info("breakers_shared")
            self.shared = True

    async def _claim_at_redis(self, mirror: Mirror, now: float) -> bool:
        token, settings = uuid4().hex, self._settings
        name = _PREFIX + ":".join(mirror.key)
        arguments = (
            token,
            settings.rest_s * 1000,
            settings.probes,
            settings.probe_timeout_s * 1000,
        )
        try:
            async with asyncio.timeout(settings.share_timeout_ms / 1000):
                granted, opened_at = await self._ask(
                    self._claim, [name, f"{name}:probes"], arguments
                )
        except _LOST as error:
            self._lost(error)
            return await self._local.claim(mirror.key)
        if granted and opened_at == mirror.opened_at:
            mirror.claimed(token, now)
        return bool(granted)

    async def _ask(self, script: Any, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        answer: Awaitable[Any] = script(keys=keys, args=arguments)
        return await answer

    def _opened_alone(self, mirror: Mirror) -> bool:
        return not self.shared and self._local[mirror.key].state != "closed"

    def _lost(self, error: BaseException) -> None:
        """Each breaker of this process goes on from where all of them stood."""
        starting = self._task is None
        if not (self.shared or starting):
            return  # as before
        self.shared = False
        metrics.breaker_sharing_lost()
        log.warning("breakers_not_shared", error=f"{type(error).__name__}: {error}")
        for key, mirror in self._mirrors.items():
            if mirror.opened is None:
                self._local[key].close()
            else:
                self._local[key].open(mirror.opened)

    def _mirror(self, key: Key) -> Mirror:
        mirror = self._mirrors.get(key)
        if mirror is None:
            mirror = self._mirrors[key] = Mirror(key, self._settings)
        return mirror


def _client(settings: RedisSettings, timeout_s: float) -> "Redis":
    """Without retries: who waits for Redis, waits once."""
    pool = BlockingConnectionPool(
        host=settings.host,
        port=settings.port,
        password=settings.password.reveal() or None,
        max_connections=settings.pool_size,
        timeout=timeout_s,
        socket_connect_timeout=_EXCHANGE_TIMEOUT_S,
        socket_timeout=_EXCHANGE_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


def _terms(settings: Breakers) -> dict[str, Any]:
    return {
        "window": _slots(settings.window_s, settings.window_calls),
        "memory": _slots(settings.memory_s, settings.memory_calls),
        "min_calls": settings.min_calls,
        "failure_percent": settings.failure_percent,
        "slow_percent": settings.slow_percent,
        "probes": settings.probes,
        "forget_ms": _FORGET_MS,
    }


def _slots(seconds: int, calls: int) -> dict[str, int]:
    """Twenty slots of time, none shorter than a second."""
    slot_ms = max(1_000, seconds * 1_000 // 20)
    return {"slot_ms": slot_ms, "slots": max(1, seconds * 1_000 // slot_ms), "calls": calls}
