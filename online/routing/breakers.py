"""How routes have been doing: for each route and operation a breaker over the last calls, and a
longer memory that routes are compared by; in one process.

What a payer or a bank decides says nothing about the route, so a decline counts as a success here.
A call counts in the state in which it began: one that hung while its route was down says nothing
about the route that has come back.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct

from online.platform.settings import Breakers
from online.routing.domain import Figures, RouteHealth, State

Key = tuple[str, str]  # a route (a rail, where no route leads there) and an operation
Seconds = Callable[[], float]

# Latencies are whole milliseconds, so the beginning of a call is known no better.
ROUNDING_S: Final = 0.001


class Sample(Struct, frozen=True):
    """How one call went."""

    failed: bool
    slow: bool
    latency_ms: int

    @property
    def bad(self) -> bool:
        return self.failed or self.slow


class Reading(Struct, frozen=True):
    """A breaker as it is shown; ages in seconds."""

    route: str
    operation: str
    state: State = "closed"
    window: Figures = Figures()
    opened_ago: float | None = None
    probe_in: float | None = None  # until an open breaker lets a first call through


class Book(Protocol):
    """All breakers, of this process alone or of all processes together (`shared`)."""

    @property
    def shared(self) -> bool: ...

    def expect(self, keys: Iterable[Key]) -> None:
        """Breakers that there are from the beginning on, before anybody has called."""
        ...

    def health(self, operation: str) -> Mapping[str, RouteHealth]: ...

    async def claim(self, key: Key) -> bool:
        """Whether a call may be made now; a half-open breaker gives one of its probes away."""
        ...

    def give_back(self, key: Key) -> None:
        """What was claimed is not sent after all."""
        ...

    def record(self, key: Key, *, failed: bool, latency_ms: int) -> None: ...

    def readings(self) -> Sequence[Reading]: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Window:
    """The last `calls` calls of the last `seconds` seconds."""

    def __init__(self, seconds: float, calls: int) -> None:
        self._seconds = seconds
        self._most = calls
        self._samples: deque[tuple[float, Sample]] = deque()
        # Kept as calls come and go: every payment asks every route, a sum each time would cost.
        self._failures = self._slow = self._latency_ms = 0

    def add(self, now: float, sample: Sample) -> None:
        self._samples.append((now, sample))
        self._count(sample, 1)
        if len(self._samples) > self._most:
            self._forget_first()

    def figures(self, now: float) -> Figures:
        while self._samples and self._samples[0][0] < now - self._seconds:
            self._forget_first()
        return Figures(len(self._samples), self._failures, self._slow, self._latency_ms)

    def clear(self) -> None:
        self._samples.clear()
        self._failures = self._slow = self._latency_ms = 0

    def _forget_first(self) -> None:
        self._count(self._samples.popleft()[1], -1)

    def _count(self, sample: Sample, by: int) -> None:
        self._failures += by * sample.failed
        self._slow += by * sample.slow
        self._latency_ms += by * sample.latency_ms


class Breaker:
    """One route's breaker for one operation."""

    def __init__(self, settings: Breakers, seconds: Seconds) -> None:
        self._settings = settings
        self._seconds = seconds
        self._window = Window(settings.window_s, settings.window_calls)
        self._memory = Window(settings.memory_s, settings.memory_calls)
        self._opened_at: float | None = None
        self._closed_at = float("-inf")
        self._claims: deque[float] = deque()  # when each probe that is under way was claimed
        self._passed = 0  # probes that went well since it is half-open

    @property
    def state(self) -> State:
        if self._opened_at is None:
            return "closed"
        resting = self._seconds() - self._opened_at < self._settings.rest_s
        return "open" if resting else "half_open"

    def health(self) -> RouteHealth:
        memory = self._memory.figures(self._seconds())
        if self._opened_at is None:
            return RouteHealth(memory=memory)
        return RouteHealth(state=self.state, probe=self._has_probe(), memory=memory)

    def claim(self) -> bool:
        state = self.state
        if state != "half_open":
            return state == "closed"
        if not self._has_probe():
            return False
        self._claims.append(self._seconds())
        return True

    def give_back(self) -> None:
        if self._claims:
            self._claims.pop()

    def record(self, sample: Sample) -> None:
        now = self._seconds()
        self._memory.add(now, sample)
        began = now - sample.latency_ms / 1000 + ROUNDING_S
        state = self.state
        if state == "half_open":
            self._probe_ended(sample, began, now)
        elif began >= self._closed_at:
            self._window.add(now, sample)
            if state == "closed" and is_too_bad(self._window.figures(now), self._settings):
                self.open(now)

    def observe(self, sample: Sample) -> None:
        """Remembers without deciding: others decide, as long as they can be asked."""
        now = self._seconds()
        self._window.add(now, sample)
        self._memory.add(now, sample)

    def open(self, at: float) -> None:
        self._opened_at = at
        self._claims.clear()
        self._passed = 0

    def close(self) -> None:
        self._opened_at = None
        self._closed_at = self._seconds()
        self._claims.clear()

    def heal(self) -> None:
        """Closes it; what was before the rest must neither open it again nor speak against it."""
        self.close()
        self._window.clear()
        self._memory.clear()

    def reading(self, key: Key) -> Reading:
        now, state = self._seconds(), self.state
        ago = None if self._opened_at is None else now - self._opened_at
        return Reading(
            route=key[0],
            operation=key[1],
            state=state,
            window=self._window.figures(now),
            opened_ago=ago,
            probe_in=self._settings.rest_s - ago if ago is not None and state == "open" else None,
        )

    def _has_probe(self) -> bool:
        """A probe that does not come back is not waited for: its process may have died."""
        while self._claims and self._seconds() - self._claims[0] >= self._settings.probe_timeout_s:
            self._claims.popleft()
        return len(self._claims) + self._passed < self._settings.probes

    def _probe_ended(self, sample: Sample, began: float, now: float) -> None:
        if not self._claims or began < self._claims[0]:
            return  # it began before the rest
        self._claims.popleft()
        if sample.bad:
            self.open(now)
            return
        self._passed += 1
        if self._passed >= self._settings.probes:
            self.heal()


def is_too_bad(window: Figures, settings: Breakers) -> bool:
    """Whether so many calls failed, or were slow, that the route had better rest."""
    if window.calls < settings.min_calls:
        return False
    return (
        window.failures * 100 >= settings.failure_percent * window.calls
        or window.slow * 100 >= settings.slow_percent * window.calls
    )


class LocalBreakers:
    """Every breaker of this process."""

    shared = False

    def __init__(self, settings: Breakers | None = None, seconds: Seconds = time.monotonic) -> None:
        self.settings = settings or Breakers()
        self.seconds = seconds
        self._breakers: dict[Key, Breaker] = {}
        self._by_operation: dict[str, dict[str, Breaker]] = {}

    def __getitem__(self, key: Key) -> Breaker:
        return self._breaker(key)

    def _breaker(self, key: Key) -> Breaker:
        breaker = self._breakers.get(key)
        if breaker is None:
            breaker = self._breakers[key] = Breaker(self.settings, self.seconds)
            self._by_operation.setdefault(key[1], {})[key[0]] = breaker
        return breaker

    def expect(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._breaker(key)

    def health(self, operation: str) -> Mapping[str, RouteHealth]:
        breakers = self._by_operation.get(operation, {})
        return {name: breaker.health() for name, breaker in breakers.items()}

    async def claim(self, key: Key) -> bool:
        return self[key].claim()

    def give_back(self, key: Key) -> None:
        self[key].give_back()

    def record(self, key: Key, *, failed: bool, latency_ms: int) -> None:
        self[key].record(self.sample(failed=failed, latency_ms=latency_ms))

    def keys(self) -> Iterable[Key]:
        return self._breakers.keys()

    def sample(self, *, failed: bool, latency_ms: int) -> Sample:
        return Sample(failed, latency_ms >= self.settings.slow_call_ms, latency_ms)

    def readings(self) -> Sequence[Reading]:
        return [breaker.reading(key) for key, breaker in self._breakers.items()]

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to leave."""
