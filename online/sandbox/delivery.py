"""The gateway's calls, and how an answer reaches it: at once, late, cut off, as nonsense, or never.

Belongs here: operations and enquiries over HTTP. Does not: the reply (`bank.py`). Waiting is done
by the request alone: the records' thread and the other rails know nothing of it.
"""

import sqlite3
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from online.kernel.errors import IdempotencyKeyMissing, NotFound
from online.sandbox import wire
from online.sandbox.bank import Reply, rail_named
from online.sandbox.behaviour import OPERATIONS, When
from online.sandbox.running import Sandbox
from online.sandbox.script import ENQUIRE

_HTML: Final = b"<!doctype html><title>Bad gateway</title><h1>Bad gateway</h1>"
_MAX_KEY_LENGTH: Final = 255


@post("/rails/{rail:str}/{operation:str}", status_code=200)
async def operate(
    rail: FromPath[str],
    operation: FromPath[str],
    request: Request[Any, Any, Any],
    sandbox: NamedDependency[Sandbox],
) -> Response[Any]:
    on = rail_named(rail)
    if operation not in OPERATIONS:
        raise NotFound(f"no operation {operation[:40]!r}", param="operation")
    key = request.headers.get("idempotency-key", "")
    if not 1 <= len(key) <= _MAX_KEY_LENGTH:
        raise IdempotencyKeyMissing("a key of 1 to 255 characters", param="Idempotency-Key")
    asked = wire.decode(await request.body(), wire.OperationRequest)
    wire.check_shape(on, operation, asked)
    chosen = sandbox.choose(on, operation, asked.reference)
    reply = await sandbox.writer.run(
        lambda db: sandbox.bank.operate(
            db, on, operation, asked, idempotency_key=key, scripted=chosen.outcome
        )
    )
    return await _deliver(sandbox, reply, asked.reference, latency_s=chosen.latency_s)


@get("/rails/{rail:str}/operations/{reference:str}")
async def enquire(
    rail: FromPath[str], reference: FromPath[str], sandbox: NamedDependency[Sandbox]
) -> Response[Any]:
    on = rail_named(rail)
    await sandbox.pause(sandbox.choose(on, ENQUIRE, reference).latency_s)

    def work(db: sqlite3.Connection) -> wire.Answer | None:
        fails = sandbox.bank.enquiry_fails(db, reference)
        return None if fails else sandbox.bank.enquire(db, on, reference)

    try:
        answer = await sandbox.writer.run(work)
    except NotFound:
        return Response({"status": "not_found"}, status_code=404)
    if answer is None:
        return Response(_HTML, status_code=503, media_type="text/html")
    return Response(answer)


async def _deliver(
    sandbox: Sandbox, reply: Reply, reference: str, *, latency_s: float
) -> Response[Any]:
    """The response, when it is time for it."""
    if reply.held:
        await sandbox.hold()
    else:
        slow_s = sandbox.settings.slow_s if reply.when is When.SLOW else 0.0
        await sandbox.pause(latency_s + slow_s)
    if reply.answer is None:
        body = {"type": "about:blank", "status": 504, "code": "lost", "detail": "lost on its way"}
        return Response(body, status_code=504, media_type="application/problem+json")
    if reply.when is When.RESET:
        return _cut(msgspec.json.encode(reply.answer))
    if reply.when is When.GARBLED:
        return _nonsense(msgspec.json.encode(reply.answer), reference)
    return Response(reply.answer)


def _cut(answer: bytes) -> Response[Any]:
    """Half of what was announced; the server then closes the connection."""

    async def half() -> AsyncIterator[bytes]:
        yield answer[: len(answer) // 2]

    headers = {"Content-Length": str(len(answer))}
    return Stream(half(), media_type="application/json", headers=headers)


def _nonsense(answer: bytes, reference: str) -> Response[Any]:
    """One of three, by the reference: a page, an error, half the JSON."""
    match sha256(reference.encode()).digest()[0] % 3:
        case 0:
            return Response(_HTML, media_type="text/html")
        case 1:
            return Response(_HTML, status_code=500, media_type="text/html")
        case _:
            return Response(answer[: len(answer) // 2], media_type="application/json")
