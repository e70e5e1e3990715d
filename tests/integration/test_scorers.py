"""Scorers outside, asked for real: well, slow, broken, lying, endless, gone, and back."""

import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import pytest

from online.kernel import ids
from online.platform.settings import Scorer, Secret
from online.sandbox.fraud_engine import AMOUNTS
from online.screening.external import Question, ScorerFailed, Scorers, body_of
from tests.engines import Engine

pytestmark = pytest.mark.anyio

AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.stop()


@pytest.fixture
async def scorers(engine: Engine) -> AsyncIterator[Scorers]:
    scorers = Scorers({"mock": Scorer(url=f"{engine.url}/score", timeout_ms=2_000)})
    yield scorers
    await scorers.close()


def question(amount: int = 1_000_00, **fields: object) -> Question:
    return Question(
        payment_id=ids.derived("a payment"),
        merchant_id=ids.derived("a merchant"),
        at=AT,
        amount_minor=amount,
        currency="INR",
        method="upi",
        livemode=False,
        **{"instrument": "f" * 64, "customer": "cus_someone", "ip": "e" * 64, **fields},
    )


async def test_an_answer_is_a_whole_score_with_its_reasons(scorers: Scorers):
    usual = await scorers.score("mock", question(), within_ms=2_000)
    assert (usual.scorer, usual.reasons) == ("mock", ())
    assert 0 <= usual.score < 30
    again = await scorers.score("mock", question(), within_ms=2_000)
    assert again.score == usual.score
    high = await scorers.score("mock", question(200_095), within_ms=2_000)
    assert (high.score, high.reasons) == (95, ("stolen card", "proxy"))


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (200_101, "timeout"),
        (200_102, "status"),
        (200_103, "bad_answer"),
        (200_104, "bad_answer"),
        (200_105, "bad_answer"),
        (200_106, "too_large"),
        (200_107, "timeout"),
        (200_108, "bad_answer"),
        (200_109, "status"),
        (200_110, "bad_answer"),
    ],
)
async def test_whatever_it_does_there_is_an_end(scorers: Scorers, amount: int, reason: str):
    assert amount in AMOUNTS
    begun = time.monotonic()
    with pytest.raises(ScorerFailed) as failed:
        await scorers.score("mock", question(amount), within_ms=500)
    assert failed.value.reason == reason
    assert time.monotonic() - begun < 2


async def test_every_amount_that_misbehaves_is_tried():
    tried = {mark for mark in AMOUNTS if mark > 200_100}
    wrong = test_whatever_it_does_there_is_an_end.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {amount for amount, _ in wrong} == tried


async def test_five_failures_open_the_circuit_and_one_good_probe_closes_it():
    engine = Engine()
    now = [0.0]
    scorers = Scorers(
        {"mock": Scorer(url=f"{engine.url}/score", timeout_ms=2_000)}, seconds=lambda: now[0]
    )

    async def reason() -> str | None:
        try:
            await scorers.score("mock", question(), within_ms=2_000)
        except ScorerFailed as failed:
            return failed.reason
        return None

    try:
        assert await reason() is None
        engine.stop()
        assert [await reason() for _ in range(6)] == ["no_connection"] * 5 + ["circuit_open"]
        assert scorers.breaker("mock").state == "open"
        now[0] = 10.0
        assert scorers.breaker("mock").state == "half_open"
        assert await reason() == "no_connection"  # the probe: open again, at once
        assert await reason() == "circuit_open"
        engine.start()
        assert await reason() == "circuit_open"
        now[0] = 20.0
        assert await reason() is None
        assert scorers.breaker("mock").state == "closed"
    finally:
        await scorers.close()
        engine.stop()


async def test_habits_are_flags():
    engine = Engine("--score", "80", "--latency-ms", "300", "--failure-rate", "1")
    scorers = Scorers({"mock": Scorer(url=f"{engine.url}/score", timeout_ms=2_000)})
    try:
        with pytest.raises(ScorerFailed, match="status"):
            await scorers.score("mock", question(), within_ms=2_000)
        with pytest.raises(ScorerFailed, match="timeout"):
            await scorers.score("mock", question(), within_ms=100)
    finally:
        await scorers.close()
        assert engine.stop(signal.SIGTERM) == 0


async def test_nobody_is_asked_but_whom_the_settings_name(scorers: Scorers):
    with pytest.raises(ScorerFailed) as failed:
        await scorers.score("somebody", question(), within_ms=100)
    assert failed.value.reason == "unknown_scorer"


def test_a_question_names_nobody():
    """Keys go out as references: equal for equal keys at one scorer, and telling nothing."""
    keys = {"instrument": "a" * 64, "customer": "cus_a", "device": "phone-of-asha", "ip": "b" * 64}
    body = body_of("mock", question(**keys))
    text = json.dumps(body, default=str)
    assert not [key for key in keys.values() if key in text]
    assert body == body_of("mock", question(**keys))
    elsewhere = body_of("other", question(**keys))
    assert all(body[name] != elsewhere[name] for name in keys)
    assert len({body[name] for name in keys}) == len(keys)
    assert body_of("mock", question(device=None))["device"] is None


async def test_a_token_goes_along_and_is_never_shown():
    seen = {}

    async def said() -> AsyncIterator[bytes]:
        yield b'{"score": 3.9}'

    def answer(request: httpx.Request) -> httpx.Response:
        seen.update(request.headers)
        return httpx.Response(200, content=said())

    scorer = Scorer(url="http://khata.test/score", timeout_ms=500, token=Secret("hush"))
    scorers = Scorers({"mock": scorer})
    scorers._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    found = await scorers.score("mock", question(), within_ms=500)
    assert found.score == 3
    assert seen["authorization"] == "Bearer hush"
    assert "hush" not in repr(scorer)
    await scorers.close()


async def test_a_proxy_of_the_environment_hears_nothing(engine: Engine, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:9")
    scorers = Scorers({"mock": Scorer(url=f"{engine.url}/score", timeout_ms=2_000)})
    assert (await scorers.score("mock", question(), within_ms=2_000)).score < 30
    await scorers.close()
