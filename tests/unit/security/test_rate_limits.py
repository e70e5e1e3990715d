"""Request limits: the window that a rate and a burst become, and who is refused."""

from collections.abc import Callable

import pytest

from online.platform.settings import load_settings
from online.security.rate_limits import Policy, RateLimiter, TooManyRequests


def admitted_of(admit: Callable[[], None], *, tries: int) -> int:
    """How many came through before the first was refused."""
    for number in range(tries):
        try:
            admit()
        except TooManyRequests:
            return number
    raise AssertionError("nobody was refused")


@pytest.mark.parametrize(
    ("rate", "per_s", "burst", "workers", "quota", "window_s"),
    [
        (100, 60, 200, 1, 200, 120),
        (100, 60, 200, 2, 100, 120),
        (1000, 1, 2000, 1, 2000, 2),
        (1000, 1, 2000, 4, 500, 2),
        (6_000_000, 60, 200_000, 2, 100_000, 2),
        (60, 60, 1, 1, 1, 1),
        (100, 60, 1, 1, 1, 1),
        (1, 60, 1, 8, 1, 60),
    ],
)
def test_policy(rate, per_s, burst, workers, quota, window_s):
    policy = Policy.of("x", rate=rate, per_s=per_s, burst=burst, workers=workers)
    assert (policy.quota, policy.window_s) == (quota, window_s)
    if workers == 1:
        assert policy.quota * per_s <= max(burst * per_s, rate * policy.window_s)


def test_each_merchant_has_its_own_limit():
    limiter = RateLimiter(load_settings(environ={}).rate_limits, workers=2)
    for _ in range(100):
        limiter.admit_merchant("a")
    limiter.admit_merchant("b")
    with pytest.raises(TooManyRequests) as caught:
        limiter.admit_merchant("a")
    refused = caught.value
    assert refused.code == "rate_limited"
    assert refused.retryable
    assert 1 <= refused.retry_after_s <= 120
    assert refused.headers["RateLimit-Policy"] == '"merchant";q=100;w=120'
    assert refused.headers["RateLimit"] == f'"merchant";r=0;t={refused.retry_after_s}'


def test_everybody_together_has_a_limit():
    limiter = RateLimiter(load_settings(environ={}).rate_limits, workers=2)
    admitted = admitted_of(limiter.admit_anyone, tries=10_000)
    assert 1000 <= admitted <= 2500, "a share of 1000 in 2 s, and at most one window change"


def test_guessing_a_secret_is_slowed_down():
    limiter = RateLimiter(load_settings(environ={}).rate_limits, workers=1)
    assert admitted_of(lambda: limiter.admit_sign_in("cli_x"), tries=200) <= 120
    limiter.admit_sign_in("cli_y")
