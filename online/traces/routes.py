"""`/api/v1/payments/{id}/trace`, and `/internal/v1/trace-links` where the pipeline tells places."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import Refused
from online.platform import ndjson
from online.platform.openapi_shapes import lines_of
from online.platform.wire import Int64, Text, WireStruct
from online.security.domain import Principal, allow
from online.traces.domain import Hop, Link
from online.traces.service import Told, Traces
from online.traces.views import TraceView, view

# First letter below 8, or it would be longer than 16 bytes.
AttemptId = Annotated[str, Meta(pattern=r"^att_[0-7][0-9a-hjkmnp-tv-z]{25}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class LinkLine(WireStruct, frozen=True, kw_only=True):
    """An attempt and one place where it shows; amount in minor units, `sha256` of its file."""

    attempt: AttemptId
    hop: Literal["rail_line", "bank_line", "settlement", "statement"]
    reference: Text
    at: date
    amount: Int64 | None = None
    sha256: Sha256 | None = None

    def link(self, now: datetime, *, livemode: bool) -> Link:
        return Link(
            attempt_id=ids.decode("att", self.attempt),
            hop=Hop(self.hop),
            reference=self.reference,
            at=self.at,
            amount_minor=self.amount,
            sha256=bytes.fromhex(self.sha256) if self.sha256 else None,
            livemode=livemode,
            recorded_at=now,
        )


class LinkAnswer(Struct, frozen=True, kw_only=True):
    attempt: str | None
    hop: str | None
    reference: str | None
    status: Literal["posted", "exists", "refused"]
    detail: str | None = None
    param: str | None = None


_DETAILS: Final[dict[Told, str]] = {
    "unknown": "no such attempt",
    "differs": "was told before with another day, amount or hash, and stays so",
}


@get(
    "/payments/{payment_id:str}/trace",
    summary="Follow a payment's money",
    description="From the intent through attempts, decisions, books, refunds, disputes and "
    "settlement to the lines of the rail's file, the bank's and the statement.",
    tags=["payments"],
    opt=allow("payments:read", "service", "admin"),
)
async def read_trace(
    payment_id: FromPath[str],
    principal: NamedDependency[Principal],
    traces: NamedDependency[Traces],
) -> TraceView:
    owner = principal.merchant_id
    return view(await traces.trace(ids.decode("pay", payment_id), owner), whole=owner is None)


@post(
    "/internal/v1/trace-links",
    status_code=200,
    summary="Take in where attempts show (NDJSON)",
    description="Idempotent by attempt, hop and reference: a day may be sent again. What was told "
    "first stays.",
    tags=["internal"],
    opt=allow("service") | lines_of(LinkLine),
    media_type=ndjson.MEDIA_TYPE,
    request_max_body_size=ndjson.MAX_BODY_BYTES,
)
async def take_in_links(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    traces: NamedDependency[Traces],
    clock: NamedDependency[Clock],
) -> Response[bytes]:
    lines = await ndjson.read_lines(request, LinkLine)
    now = clock.now()
    links = [
        line.link(now, livemode=principal.livemode) for line in lines if isinstance(line, LinkLine)
    ]
    told = iter(await traces.take_in(links, livemode=principal.livemode))
    return ndjson.response(
        _refused(line) if isinstance(line, Refused) else _answer(line, next(told)) for line in lines
    )


def _answer(line: LinkLine, told: Told) -> LinkAnswer:
    status: Literal["posted", "exists", "refused"]
    match told:
        case "unknown":
            status = "refused"
        case "posted":
            status = "posted"
        case _:
            status = "exists"
    return LinkAnswer(
        attempt=line.attempt,
        hop=line.hop,
        reference=line.reference,
        status=status,
        detail=_DETAILS.get(told),
        param="attempt" if status == "refused" else None,
    )


def _refused(why: Refused) -> LinkAnswer:
    return LinkAnswer(
        attempt=None,
        hop=None,
        reference=None,
        status="refused",
        detail=why.detail,
        param=why.param,
    )


router = Router("/api/v1", route_handlers=[read_trace])
internal_router = Router("/", route_handlers=[take_in_links])
