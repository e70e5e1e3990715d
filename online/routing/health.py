"""How a route has been doing, in memory: a sliding window of calls and a breaker on top.

What a payer or a bank decides says nothing about the route, so business declines count as
successes here. Each worker process has its own view.
"""

import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from online.routing.domain import SLOW_CALL_MS, RouteHealth


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerSettings(Struct, frozen=True, kw_only=True):
    """Opens at `failure_bps` of at least `min_calls`; after `rest_s` lets `probes` calls try."""

    window_s: int = 60
    window_calls: int = 200
    min_calls: int = 20
    failure_bps: int = 5_000
    rest_s: int = 10
    probes: int = 3


class RouteMonitor:
    """One route's window and breaker."""

    def __init__(self, settings: BreakerSettings, seconds: Callable[[], float]) -> None:
        self._settings = settings
        self._seconds = seconds
        self._calls: deque[tuple[float, bool, int]] = deque()
        # Kept as calls come and go: every payment asks every route, a sum each time would cost.
        self._failures = 0
        self._latency_ms = 0
        self._opened_at: float | None = None
        self._probes_left = 0

    @property
    def state(self) -> BreakerState:
        if self._opened_at is None:
            return BreakerState.CLOSED
        if self._seconds() - self._opened_at < self._settings.rest_s:
            return BreakerState.OPEN
        return BreakerState.HALF_OPEN

    def record(self, *, failed: bool, latency_ms: int) -> None:
        now = self._seconds()
        bad = failed or latency_ms >= SLOW_CALL_MS
        if self.state is BreakerState.HALF_OPEN:
            self._probe_ended(bad, now)
        self._remember(now, bad, latency_ms)
        enough = len(self._calls) >= self._settings.min_calls
        if (
            self._opened_at is None
            and enough
            and self._failures * 10_000 >= self._settings.failure_bps * len(self._calls)
        ):
            self._open(now)

    def health(self) -> RouteHealth:
        self._forget_old(self._seconds())
        calls = len(self._calls)
        if calls == 0:
            return RouteHealth(available=self.state is not BreakerState.OPEN)
        return RouteHealth(
            available=self.state is not BreakerState.OPEN,
            failure_bps=self._failures * 10_000 // calls,
            latency_ms=self._latency_ms // calls,
            calls=calls,
        )

    def _open(self, now: float) -> None:
        self._opened_at = now
        self._probes_left = self._settings.probes

    def _probe_ended(self, bad: bool, now: float) -> None:
        if bad:
            self._open(now)
            return
        self._probes_left -= 1
        if self._probes_left <= 0:
            self._opened_at = None
            while self._calls:  # what was before the rest must not open it again
                self._forget()

    def _remember(self, now: float, bad: bool, latency_ms: int) -> None:
        self._calls.append((now, bad, latency_ms))
        self._failures += bad
        self._latency_ms += latency_ms
        if len(self._calls) > self._settings.window_calls:
            self._forget()
        self._forget_old(now)

    def _forget_old(self, now: float) -> None:
        while self._calls and self._calls[0][0] < now - self._settings.window_s:
            self._forget()

    def _forget(self) -> None:
        _, bad, latency_ms = self._calls.popleft()
        self._failures -= bad
        self._latency_ms -= latency_ms


class HealthBook:
    """Every route's monitor."""

    def __init__(
        self,
        routes: list[str],
        settings: BreakerSettings | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        breaker = settings or BreakerSettings()
        self._monitors = {name: RouteMonitor(breaker, seconds) for name in routes}

    def __getitem__(self, route: str) -> RouteMonitor:
        return self._monitors[route]

    def health(self) -> dict[str, RouteHealth]:
        return {name: monitor.health() for name, monitor in self._monitors.items()}
