"""The HTTP end of idempotency and of versions: keys, answers, `ETag` and `If-Match`."""

import re
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from litestar import Request, Response

from online.kernel.errors import InvalidRequest, PreconditionFailed
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


_VERSION: Final = re.compile(r'"v([0-9]{1,18})"')


def etag(version: int) -> dict[str, str]:
    """The header that names an object's version; clients send it back as `If-Match`."""
    return {"ETag": f'"v{version}"'}


def check_match(request: Request[Any, Any, Any], version: int) -> None:
    """Refuses an update that was decided on another version; without the header, none is asked."""
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*":
        return
    versions = [_VERSION.fullmatch(part.strip()) for part in wanted.split(",")]
    if not all(versions):
        raise InvalidRequest('must be an ETag of this object, such as "v3"', "If-Match")
    if version not in {int(found[1]) for found in versions if found}:
        raise PreconditionFailed(f"the object is at version {version} now", "If-Match")
