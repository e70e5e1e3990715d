"""A fraud engine of another company, for trying how the service lives with one.

`python -m online.sandbox fraud-engine --port 8091`. It scores by the instrument, waits and fails as
it is told by flags, and does something remarkable for the amounts of `AMOUNTS`.
"""

import asyncio
import gzip
import hashlib
import random
from collections.abc import AsyncIterator
from typing import Any, Final, Literal

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.response import Redirect, Stream

_USUAL_SCORES: Final = 30  # from 0; none of them changes a decision by itself
_CHUNK: Final = b" " * 65_536
_GIGABYTE: Final = 2**30


class MagicAmount(msgspec.Struct, frozen=True):
    """What an amount makes the engine do: `trick`, or say `body` after `wait_s` seconds."""

    told: str
    body: bytes = b'{"score": 0, "reasons": []}'
    status: int = 200
    wait_s: int = 0
    trick: Literal["endless", "trickle", "packed", "redirect"] | None = None


AMOUNTS: Final[dict[int, MagicAmount]] = {
    200_000: MagicAmount("score 0"),
    200_050: MagicAmount("score 50, one reason", b'{"score": 50, "reasons": ["unusual hour"]}'),
    200_095: MagicAmount(
        "score 95, two reasons", b'{"score": 95, "reasons": ["stolen card", "proxy"]}'
    ),
    200_101: MagicAmount("no answer for half a minute", wait_s=30),
    200_102: MagicAmount("status 500", b"out of order", 500),
    200_103: MagicAmount("a page of HTML with status 200", b"<html>Welcome to the proxy</html>"),
    200_104: MagicAmount("`NaN` as the score", b'{"score": NaN, "reasons": []}'),
    200_105: MagicAmount("score 1000", b'{"score": 1000, "reasons": []}'),
    200_106: MagicAmount("one gigabyte of white space", trick="endless"),
    200_107: MagicAmount("one byte a second", trick="trickle"),
    200_108: MagicAmount("a gigabyte packed by gzip into one megabyte", trick="packed"),
    200_109: MagicAmount("a redirect to another host", trick="redirect"),
    200_110: MagicAmount("JSON that stops in the middle", b'{"score": 1'),
}


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """How the engine behaves when no amount says otherwise."""

    seed: int = 7
    latency_ms: int = 0
    failure_rate: float = 0.0
    score: int | None = None  # for every payment; None: by its instrument


class Asked(msgspec.Struct):
    """What it reads of a question."""

    payment_id: str
    amount: int
    instrument: str | None = None


@get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@post("/score", status_code=200)
async def score(request: Request[Any, Any, Any]) -> Response[Any]:
    habits: Habits = request.app.state.habits
    chance: random.Random = request.app.state.chance
    try:
        asked = msgspec.json.decode(await request.body(), type=Asked)
    except msgspec.DecodeError as error:
        return Response({"detail": str(error)}, status_code=400)
    await asyncio.sleep(habits.latency_ms / 1000)
    magic = AMOUNTS.get(asked.amount)
    if magic is not None:
        return await _remarkable(magic)
    if chance.random() < habits.failure_rate:
        return Response({"detail": "out of order"}, status_code=500)
    usual = usual_score(habits.seed, asked) if habits.score is None else habits.score
    return Response({"score": usual, "reasons": []})


def usual_score(seed: int, asked: Asked) -> int:
    """The same for the same instrument and seed."""
    named = f"{seed}\x1f{asked.instrument or asked.payment_id}".encode()
    return int.from_bytes(hashlib.sha256(named).digest()[:8]) % _USUAL_SCORES


async def _remarkable(magic: MagicAmount) -> Response[Any]:
    await asyncio.sleep(magic.wait_s)
    match magic.trick:
        case "endless":
            return Stream(_endless(), media_type="application/json")
        case "trickle":
            return Stream(_trickle(magic.body), media_type="application/json")
        case "packed":
            packed = {"Content-Encoding": "gzip"}
            return Response(_packed(), media_type="application/json", headers=packed)
        case "redirect":
            return Redirect("http://127.0.0.1:9/score", status_code=307)
        case None:
            return Response(magic.body, status_code=magic.status, media_type="application/json")


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(_GIGABYTE // len(_CHUNK)):
        yield _CHUNK


async def _trickle(body: bytes) -> AsyncIterator[bytes]:
    for byte in body:
        await asyncio.sleep(1)
        yield bytes([byte])


def _packed() -> bytes:
    """A gigabyte of zeros, packed a part at a time: members of gzip may follow one another."""
    return gzip.compress(bytes(2**20)) * (_GIGABYTE // 2**20)


def create_app(habits: Habits) -> Litestar:
    """The ASGI application."""
    app = Litestar(
        route_handlers=[health, score], openapi_config=None, request_max_body_size=64 * 1024
    )
    app.state.habits = habits
    app.state.chance = random.Random(habits.seed)  # noqa: S311 - no secret
    return app
