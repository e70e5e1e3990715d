"""`/api/v1/breaks` for finance, and `/internal/v1/breaks` for reconciliation."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from msgspec import Meta, Struct

from online.breaks.domain import Break, Finding, State
from online.breaks.service import Breaks
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import KhataError, Refused
from online.kernel.events import Metadata
from online.platform import ndjson
from online.platform.http import request_id_of
from online.platform.lists import Cursor
from online.platform.openapi_shapes import lines_of
from online.platform.wire import Int64, Text, WireStruct
from online.security.domain import Principal, allow

# Every generation before it comes with two events: a slip must not make a million of them.
Generation = Annotated[int, Meta(ge=1, le=1_000)]
BreakKind = Literal[
    "duplicate_internal",
    "duplicate_external",
    "currency_mismatch",
    "amount_mismatch",
    "status_mismatch",
    "fee_mismatch",
    "tax_mismatch",
    "reversed_unpaired",
    "timing",
    "missing_internal",
    "missing_external",
    "unexpected_credit",
]


class BreakLine(WireStruct, frozen=True, kw_only=True):
    """One break as reconciliation found it; amounts are minor units."""

    break_id: UUID
    kind: BreakKind
    side: Text
    row_ids: Annotated[list[Text], Meta(min_length=1, max_length=10_000)]
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    business_date: date
    reason: Annotated[str, Meta(max_length=2000)]
    state: Literal["open", "closed"]
    rail: Text | None = None
    reference: Text | None = None
    expected: Int64 | None = None
    actual: Int64 | None = None
    generation: Generation = 1

    def finding(self) -> Finding:
        return Finding(
            break_id=self.break_id,
            generation=self.generation,
            state=State(self.state),
            opened=ev.BreakOpened(
                kind=self.kind,
                side=self.side,
                row_ids=self.row_ids,
                business_date=self.business_date.isoformat(),
                currency=self.currency,
                reason=self.reason,
                rail=self.rail,
                reference=self.reference,
                expected=self.expected,
                actual=self.actual,
            ),
        )


class BreakAnswer(Struct, frozen=True, kw_only=True):
    break_id: str | None
    status: Literal["posted", "exists", "refused"]
    detail: str | None = None
    param: str | None = None


class BreakView(Struct, frozen=True, kw_only=True):
    """Amounts are minor units of `currency`."""

    id: str
    kind: str
    side: str
    rail: str | None
    reference: str | None
    row_ids: list[str]
    expected: int | None
    actual: int | None
    currency: str
    business_date: date
    reason: str
    state: str
    livemode: bool
    opened_at: datetime
    closed_at: datetime | None

    @classmethod
    def of(cls, found: Break) -> "BreakView":
        return cls(
            id=ids.encode("brk", found.id),
            kind=found.kind,
            side=found.side,
            rail=found.rail,
            reference=found.reference,
            row_ids=found.row_ids,
            expected=found.expected_minor,
            actual=found.actual_minor,
            currency=found.currency,
            business_date=found.business_date,
            reason=found.reason,
            state=found.state,
            livemode=found.livemode,
            opened_at=found.opened_at,
            closed_at=found.closed_at,
        )


class BreakPage(Struct, frozen=True, kw_only=True):
    data: list[BreakView]
    has_more: bool


@get("/breaks", summary="Breaks, newest day first", tags=["breaks"], opt=allow("admin", "service"))
async def list_breaks(
    principal: NamedDependency[Principal],
    breaks: NamedDependency[Breaks],
    standing: Annotated[Literal["open", "closed"] | None, QueryParameter(name="state")] = None,
    kind: FromQuery[BreakKind | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    starting_after: Cursor = None,
) -> BreakPage:
    found, more = await breaks.page(
        livemode=principal.livemode,
        state=standing,
        kind=kind,
        after=ids.decode("brk", starting_after) if starting_after else None,
        most=limit,
    )
    return BreakPage(data=[BreakView.of(each) for each in found], has_more=more)


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


router = Router("/api/v1", route_handlers=[list_breaks])
internal_router = Router("/", route_handlers=[take_in_breaks])
