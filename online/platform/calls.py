"""The HTTP end of idempotency: the key of a request, and the response from an answer."""

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Request, Response

from online.platform.idempotency import Answer, IdempotencyKey, reservation


async def key_of(
    request: Request[Any, Any, Any], owner: tuple[UUID, bool], now: datetime
) -> IdempotencyKey:
    """The call's `Idempotency-Key`, bound to its method, path and body as sent."""
    call = (request.method, request.scope["path"], await request.body())
    return reservation(request.headers.get("Idempotency-Key"), call, owner, now)


def respond(answer: Answer) -> Response[Any]:
    """The stored bytes as they are, so that a replay is equal to the first answer."""
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    return Response(
        content=answer.body,
        status_code=answer.status,
        media_type="application/json",
        headers=headers,
    )
