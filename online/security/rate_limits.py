"""Request limits: everybody together and each merchant, counted in this process.

A limit is a sustained rate and a burst. It is kept as one sliding window, as long as the rate
needs to refill the burst, that takes the burst: 100 a minute with a burst of 200 is at most 200
in two minutes. Without a shared store, each worker enforces its share.
"""

import math
from dataclasses import dataclass, field
from typing import Final

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from msgspec import Struct

from online.kernel.clock import SystemClock
from online.kernel.errors import RateLimited
from online.platform.settings import RateLimits


@dataclass(eq=False)
class TooManyRequests(RateLimited):
    """Carries what the client needs to slow down."""

    headers: dict[str, str] = field(default_factory=dict)


class Policy(Struct, frozen=True):
    """`quota` requests in any `window_s` seconds."""

    name: str
    quota: int
    window_s: int

    @classmethod
    def of(cls, name: str, *, rate: int, per_s: int, burst: int, workers: int) -> "Policy":
        window_s = max(1, math.ceil(burst * per_s / rate))
        quota = max(burst, rate * window_s // per_s) // workers
        return cls(name, max(1, quota), window_s)


# Guessing a secret is hopeless at 256 bits; this keeps the guessing from costing us cores.
_SIGN_IN: Final = Policy("sign-in", 60, 60)


class RateLimiter:
    """Counts and refuses. The numbers are exact within a process, not across processes."""

    def __init__(self, settings: RateLimits, *, workers: int) -> None:
        everyone, merchant = settings.everyone, settings.per_merchant
        self.everyone = Policy.of(
            "global",
            rate=everyone.requests_per_second,
            per_s=1,
            burst=everyone.burst,
            workers=workers,
        )
        self.merchant = Policy.of(
            "merchant",
            rate=merchant.requests_per_minute,
            per_s=60,
            burst=merchant.burst,
            workers=workers,
        )
        self._windows = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._items: dict[str, RateLimitItem] = {}

    def admit_anyone(self) -> None:
        self._admit(self.everyone, "")

    def admit_merchant(self, merchant: str) -> None:
        self._admit(self.merchant, merchant)

    def admit_sign_in(self, client_id: str) -> None:
        self._admit(_SIGN_IN, client_id[:64])

    def _admit(self, policy: Policy, who: str) -> None:
        item = self._items.get(policy.name)
        if item is None:
            item = RateLimitItemPerSecond(policy.quota, policy.window_s, namespace=policy.name)
            self._items[policy.name] = item
        if self._windows.hit(item, who):
            return
        reset_at, remaining = self._windows.get_window_stats(item, who)
        wait_s = max(1, math.ceil(reset_at - SystemClock().now().timestamp()))
        raise TooManyRequests(
            f"more than {policy.quota} requests in {policy.window_s} seconds",
            retry_after_s=wait_s,
            headers={
                "RateLimit-Policy": f'"{policy.name}";q={policy.quota};w={policy.window_s}',
                "RateLimit": f'"{policy.name}";r={max(0, remaining)};t={wait_s}',
            },
        )
