"""The HTTP end of idempotency and of versions: keys, answers, `ETag` and `If-Match`."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from litestar import Request, Response

from online.kernel.errors import InvalidRequest, PreconditionFailed
from online.platform.http import PROBLEM_JSON
from online.platform.idempotency import Answer, IdempotencyKey, reservation


async def key_of(
    request: Request[Any, Any, Any], owner: tuple[UUID, bool], now: datetime
) -> IdempotencyKey:
    """The call's `Idempotency-Key`, bound to its method, path and body as sent."""
    call = (request.method, request.scope["path"], without_card_secrets(await request.body()))
    return reservation(request.headers.get("Idempotency-Key"), call, owner, now)


def without_card_secrets(body: bytes) -> bytes:
    """The body as its hash may cover it. What proves a card for one payment is blanked: a hash
    over three unknown digits tells them to whoever tries all thousand. A body without any stays
    as it is; of the others, nothing but those values and the white space is left out.
    """
    # A member's name may be written with escapes, and all of those have a backslash.
    if b"cvc" not in body and b"cryptogram" not in body and b"\\" not in body:
        return body
    found = False

    def blank(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        found = found or any(name in _CARD_SECRETS for name, _ in members)
        # As pairs: a name that stands twice must not hide what is behind the first one.
        return {"": [(n, None if n in _CARD_SECRETS else value) for n, value in members]}

    covered = json.loads(body, object_pairs_hook=blank)
    return json.dumps(covered).encode() if found else body


def respond(answer: Answer) -> Response[Any]:
    """The stored bytes as they are, so that a replay is equal to the first answer."""
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    return Response(
        content=answer.body,
        status_code=answer.status,
        media_type="application/json" if answer.status < 400 else PROBLEM_JSON,
        headers=headers,
    )


_CARD_SECRETS: Final = frozenset({"cvc", "cryptogram"})
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
