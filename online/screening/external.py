"""Asking a scorer outside: a merchant's own fraud engine, over HTTP.

Whatever it does (nothing, nonsense, too much, too slowly), an answer or a `ScorerFailed` comes
within the time that was given. Where a scorer lives, the house's settings say, never a merchant.
Never ask inside a database transaction, nor while holding a connection.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Final
from uuid import UUID

import httpx
import msgspec
import structlog
from msgspec import Meta, Struct

from online.kernel import ids
from online.platform.settings import Scorer as ScorerSettings

log = structlog.get_logger("khata.screening")

_LARGEST_ANSWER: Final = 16 * 1024
_JSON: Final = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


class Question(Struct, frozen=True, kw_only=True):
    """A payment as the service sees it; the keys are those that events carry."""

    payment_id: UUID
    merchant_id: UUID
    at: datetime
    amount_minor: int
    currency: str
    method: str
    livemode: bool
    instrument: str | None = None
    customer: str | None = None
    device: str | None = None
    ip: str | None = None
    card_network: str | None = None
    card_country: str | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """What a scorer says; more than this is not read."""

    score: Annotated[float, Meta(ge=0, le=100)]
    reasons: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=5)
    ] = []


class External(Struct, frozen=True, kw_only=True):
    """A scorer's answer, ready for an assessment; `score` is whole, 0 to 100."""

    scorer: str
    score: int
    reasons: tuple[str, ...]
    took_us: int


class ScorerFailed(Exception):
    """No answer to go by. `reason`: unknown_scorer, circuit_open, timeout, no_connection, status,
    too_large, bad_answer."""

    def __init__(self, scorer: str, reason: str) -> None:
        super().__init__(f"scorer {scorer}: {reason}")
        self.scorer = scorer
        self.reason = reason


class Breaker:
    """Opens after `failures` in a row; after `rest_s` one call at a time may try again."""

    def __init__(
        self,
        seconds: Callable[[], float] = time.monotonic,
        *,
        failures: int = 5,
        rest_s: float = 10.0,
    ) -> None:
        self._seconds = seconds
        self._failures = failures
        self._rest_s = rest_s
        self._in_a_row = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> str:
        """`closed`, `open` or `half_open`."""
        if self._opened_at is None:
            return "closed"
        rested = self._seconds() - self._opened_at >= self._rest_s
        return "half_open" if rested else "open"

    def admits(self) -> bool:
        """Whether a call may be made; an admitted call must be followed by `ended`."""
        state = self.state
        if state == "half_open" and not self._probing:
            self._probing = True
            return True
        return state == "closed"

    def ended(self, *, well: bool | None) -> None:
        """None: the caller went away, which says nothing about the scorer."""
        self._probing = False
        if well is None:
            return
        if well:
            self._in_a_row, self._opened_at = 0, None
            return
        self._in_a_row += 1
        if self._opened_at is not None or self._in_a_row >= self._failures:
            self._opened_at = self._seconds()


class Scorers:
    """The scorers that the settings name, each with its breaker."""

    def __init__(
        self,
        scorers: Mapping[str, ScorerSettings],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scorers = scorers
        self._breakers = {name: Breaker(seconds) for name in scorers}
        self._client: httpx.AsyncClient | None = None

    def breaker(self, name: str) -> Breaker:
        return self._breakers[name]

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def score(self, name: str, question: Question, *, within_ms: int) -> External:
        """The scorer's answer within `within_ms` and its own time-out, or `ScorerFailed`."""
        scorer = self._scorers.get(name)
        if scorer is None:
            raise ScorerFailed(name, "unknown_scorer")
        breaker = self._breakers[name]
        if not breaker.admits():
            raise ScorerFailed(name, "circuit_open")
        begun = time.perf_counter_ns()
        well: bool | None = None
        try:
            async with asyncio.timeout(min(within_ms, scorer.timeout_ms) / 1000):
                answer = await self._ask(name, scorer, question)
            well = True
        except ScorerFailed as failure:
            well = False
            log.warning("scorer_failed", scorer=name, reason=failure.reason)
            raise
        except TimeoutError:
            well = False
            log.warning("scorer_failed", scorer=name, reason="timeout")
            raise ScorerFailed(name, "timeout") from None
        finally:
            breaker.ended(well=well)
        took_us = (time.perf_counter_ns() - begun) // 1000
        return External(
            scorer=name, score=int(answer.score), reasons=tuple(answer.reasons), took_us=took_us
        )

    async def _ask(self, name: str, scorer: ScorerSettings, question: Question) -> Answer:
        headers = dict(_JSON)
        if scorer.token:
            headers["Authorization"] = f"Bearer {scorer.token.reveal()}"
        content = msgspec.json.encode(body_of(name, question))
        try:
            async with self._opened().stream(
                "POST", scorer.url, content=content, headers=headers
            ) as response:
                if response.status_code != 200:
                    raise ScorerFailed(name, "status")
                body = await _bounded(name, response)
        except httpx.TimeoutException:
            raise ScorerFailed(name, "timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise ScorerFailed(name, "no_connection") from None
        try:
            return msgspec.json.decode(body, type=Answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ScorerFailed(name, "bad_answer") from None

    def _opened(self) -> httpx.AsyncClient:
        """Made on first use: most services never ask."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=None,  # noqa: S113 - the whole call has one, which a slow trickle cannot beat
                limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


async def _bounded(name: str, response: httpx.Response) -> bytes:
    """The body as sent: an answer that had to be unpacked could be of any size."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ScorerFailed(name, "bad_answer")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > _LARGEST_ANSWER:
            raise ScorerFailed(name, "too_large")
    return bytes(body)


def body_of(scorer: str, question: Question) -> dict[str, object]:
    """The request: the payment's facts. Who pays, with what and from where are references, the
    same for the same one at this scorer, of which nothing can be told.
    """

    def reference(kind: str, key: str | None) -> str | None:
        if key is None:
            return None
        return blake2b(
            f"{scorer}\x1f{kind}\x1f{key}".encode(), digest_size=16, person=b"khata-scorer"
        ).hexdigest()

    return {
        "payment_id": ids.encode("pay", question.payment_id),
        "merchant_id": ids.encode("mrc", question.merchant_id),
        "at": question.at,
        "amount": question.amount_minor,
        "currency": question.currency,
        "method": question.method,
        "livemode": question.livemode,
        "instrument": reference("instrument", question.instrument),
        "customer": reference("customer", question.customer),
        "device": reference("device", question.device),
        "ip": reference("ip", question.ip),
        "card_network": question.card_network,
        "card_country": question.card_country,
    }
