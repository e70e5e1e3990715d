"""`/internal/rails/{rail}/callbacks`: rails call it when a pending operation has ended.

Nothing of a call is believed; it only makes us ask sooner. So it needs no credential.
"""

from typing import Annotated

from litestar import Response, Router, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from online.attempts.nudges import Nudges
from online.kernel import ids
from online.platform.wire import WireStruct
from online.security.domain import allow_anyone


class Callback(WireStruct, frozen=True, kw_only=True):
    reference: Annotated[str, Meta(pattern="^att_", max_length=40)]


@post(
    "/internal/rails/{rail:str}/callbacks",
    status_code=202,
    summary="A rail has news of an operation",
    tags=["internal"],
    opt=allow_anyone(),
)
async def take_callback(
    rail: FromPath[str], data: JSONBody[Callback], nudges: NamedDependency[Nudges]
) -> Response[None]:
    attempt_id = ids.decode("att", data.reference)
    return Response(
        content=None,
        status_code=202,
        background=BackgroundTask(nudges.nudge, rail, attempt_id),
    )


router = Router("/", route_handlers=[take_callback])
