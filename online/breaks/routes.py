"""`/api/v1/breaks` for finance, and `/internal/v1/breaks` for reconciliation."""

from datetime import timedelta
from typing import Annotated, Any

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from online.breaks import desk
from online.breaks.service import Breaks
from online.breaks.shapes import (
    BreakAnswer,
    BreakDetail,
    BreakKind,
    BreakLine,
    BreakPage,
    BreakView,
    HistoryView,
    StateName,
)
from online.breaks.store import Filter
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import KhataError, Refused
from online.kernel.events import Metadata
from online.platform import ndjson
from online.platform.calls import etag
from online.platform.http import request_id_of
from online.platform.lists import Cursor, Limit, window
from online.platform.openapi_shapes import lines_of
from online.security.domain import Principal, allow


@get(
    "/breaks",
    summary="Breaks, newest day first",
    tags=["breaks"],
    opt=allow("admin", "service", "breaks:read"),
)
async def list_breaks(
    principal: NamedDependency[Principal],
    breaks: NamedDependency[Breaks],
    clock: NamedDependency[Clock],
    standing: Annotated[StateName | None, QueryParameter(name="state")] = None,
    kind: FromQuery[BreakKind | None] = None,
    owner: Annotated[str | None, QueryParameter(min_length=1, max_length=255)] = None,
    min_age: Annotated[int, QueryParameter(ge=0, le=36_500, description="in days")] = 0,
    limit: Limit = 20,
    starting_after: Cursor = None,
) -> BreakPage:
    today = business_date(clock.now())
    wanted = Filter(
        livemode=principal.livemode,
        state=standing,
        kind=kind,
        owner=owner,
        upto=today - timedelta(days=min_age) if min_age else None,
    )
    found, more = await breaks.page(wanted, window("brk", limit, starting_after))
    return BreakPage(data=[BreakView.of(each, today) for each in found], has_more=more)


@get(
    "/breaks/{break_id:str}",
    summary="A break and its history",
    tags=["breaks"],
    opt=allow("admin", "service", "breaks:read"),
)
async def read_break(
    break_id: FromPath[str],
    principal: NamedDependency[Principal],
    breaks: NamedDependency[Breaks],
    clock: NamedDependency[Clock],
) -> Response[BreakDetail]:
    found, history = await breaks.get(ids.decode("brk", break_id), livemode=principal.livemode)
    detail = BreakDetail(
        data=BreakView.of(found, business_date(clock.now())),
        history=[HistoryView.of(each) for each in history],
    )
    return Response(detail, headers=etag(found.version))


@post(
    "/internal/v1/breaks",
    status_code=200,
    summary="Take in breaks (NDJSON)",
    description="Idempotent by break, generation and state: a whole history may be sent again.",
    tags=["internal"],
    opt=allow("service") | lines_of(BreakLine),
    media_type=ndjson.MEDIA_TYPE,
    request_max_body_size=ndjson.MAX_BODY_BYTES,
)
async def take_in_breaks(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    breaks: NamedDependency[Breaks],
) -> Response[bytes]:
    lines = await ndjson.read_lines(request, BreakLine)
    metadata = Metadata(actor=principal.actor, request_id=request_id_of(request))
    findings = [line.finding() for line in lines if isinstance(line, BreakLine)]
    results = iter(await breaks.take_in(findings, livemode=principal.livemode, metadata=metadata))
    return ndjson.response(
        _refused(None, line) if isinstance(line, Refused) else _answer(line, next(results))
        for line in lines
    )


def _answer(line: BreakLine, result: bool | KhataError) -> BreakAnswer:
    if isinstance(result, KhataError):
        return _refused(line, result)
    return BreakAnswer(break_id=str(line.break_id), status="posted" if result else "exists")


def _refused(line: BreakLine | None, why: KhataError) -> BreakAnswer:
    return BreakAnswer(
        break_id=str(line.break_id) if line else None,
        status="refused",
        detail=why.detail,
        param=why.param,
    )


router = Router("/api/v1", route_handlers=[list_breaks, read_break, *desk.handlers])
internal_router = Router("/", route_handlers=[take_in_breaks])
