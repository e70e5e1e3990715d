"""`/internal/rails/{rail}/callbacks`: a rail says that something happened.

What it says is not believed: the call only makes us ask the rail now instead of later. So it
needs no credential to be safe, a forged or repeated one changes nothing, and one reference is
asked about at most once in a few seconds.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Final

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from online.attempts.domain import Attempt
from online.attempts.service import Attempts
from online.kernel import ids
from online.kernel.clock import Clock
from online.platform.db import Database
from online.platform.wire import WireStruct, id_of
from online.security.domain import allow_anyone

_CLAIM: Final = timedelta(seconds=2)


class Callback(WireStruct, frozen=True, kw_only=True):
    reference: Annotated[str, id_of("att")]


class CallbackDesk(Struct, frozen=True, kw_only=True):
    """What the handler needs; `resolve` asks the rail and lets the right slice record it."""

    database: Database
    attempts: Attempts
    clock: Clock
    resolve: Callable[[Attempt, str], Awaitable[None]]


@post(
    "/internal/rails/{rail:str}/callbacks",
    status_code=202,
    summary="A rail's hint that an operation ended",
    tags=["internal"],
    opt=allow_anyone(),
)
async def take_callback(
    rail: FromPath[str],
    data: JSONBody[Callback],
    callbacks: NamedDependency[CallbackDesk],
) -> None:
    now = callbacks.clock.now()
    attempt_id = ids.decode("att", data.reference)
    async with callbacks.database.connection() as connection:
        attempt = await callbacks.attempts.claim(connection, attempt_id, now + _CLAIM)
    if attempt is not None and attempt.rail == rail:
        await callbacks.resolve(attempt, f"rail:{attempt.rail}")


router = Router("/", route_handlers=[take_callback])
