"""`/internal/rails/{rail}/callbacks`: what rails tell us; `/api/v1/rail-callbacks`: for staff."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Struct

from online.callbacks.domain import MAX_BODY_BYTES
from online.callbacks.service import Callbacks
from online.callbacks.signature import HEADER
from online.callbacks.store import Filter, Row
from online.kernel import ids
from online.platform.lists import Cursor, Limit, cut, window
from online.platform.openapi_page import problems
from online.security.domain import allow, allow_anyone

VerdictName = Literal[
    "believed", "known", "no_news", "out_of_order", "enquired", "asked", "unknown_reference",
    "foreign_reference", "unreadable", "given_up",
]  # fmt: skip
_Text = Annotated[str | None, QueryParameter(min_length=1, max_length=100)]


@post(
    "/internal/rails/{rail:str}/callbacks",
    status_code=202,
    summary="What a rail tells of an operation or a dispute",
    description=(
        f"Signed: `{HEADER}: t=<unix seconds>,v1=<hex HMAC-SHA256 of t.body>`, within 300 seconds."
        " The body is stored before it is understood, and 202 says that it is stored. docs/rails.md"
        " has the members and test vectors."
    ),
    tags=["internal"],
    opt=allow_anyone() | problems("signature_invalid"),
    request_max_body_size=MAX_BODY_BYTES,
)
async def take_callback(
    rail: FromPath[str],
    request: Request[Any, Any, Any],
    callbacks: NamedDependency[Callbacks],
) -> None:
    headers = request.headers.getall(HEADER, [])
    body = await request.body()
    await callbacks.receive(rail, headers[0] if len(headers) == 1 else None, body)


class CallbackView(Struct, frozen=True, kw_only=True):
    """One callback without its content, which is kept sealed and shown to nobody.

    No `verdict`: it waits for `next_try_at`, and `error` says why. `secret`: which version of the
    rail's secret signed it.
    """

    id: str
    rail: str
    callback_id: str
    reference: str | None
    sequence: int | None
    occurred_at: datetime | None
    received_at: datetime
    processed_at: datetime | None
    verdict: VerdictName | None
    tries: int
    next_try_at: datetime | None
    error: str | None
    secret: int

    @classmethod
    def of(cls, row: Row) -> "CallbackView":
        fields = msgspec.structs.asdict(row)
        return cls(**fields | {"id": ids.encode("rcb", row.id)})


class CallbackList(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    url: str = "/api/v1/rail-callbacks"
    has_more: bool
    data: list[CallbackView]


@get(
    "/rail-callbacks",
    summary="What rails have told, newest first",
    description="`waiting=true`: only those that have no verdict yet.",
    tags=["internal"],
    opt=allow("admin", "callbacks:read"),
)
async def list_callbacks(
    callbacks: NamedDependency[Callbacks],
    rail: _Text = None,
    reference: _Text = None,
    verdict: FromQuery[VerdictName | None] = None,
    waiting: FromQuery[bool | None] = None,
    limit: Limit = 20,
    starting_after: Cursor = None,
) -> CallbackList:
    asked = window("rcb", limit, starting_after)
    wanted = Filter(rail=rail, reference=reference, verdict=verdict, waiting=waiting)
    shown, more = cut(await callbacks.page(wanted, asked), asked)
    return CallbackList(has_more=more, data=[CallbackView.of(row) for row in shown])


router = Router("/api/v1", route_handlers=[list_callbacks])
internal_router = Router("/", route_handlers=[take_callback])
