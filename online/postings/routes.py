"""`/internal/v1/postings`."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from msgspec import Meta, Struct, field

from online.kernel.errors import KhataError, Refused
from online.platform import ndjson
from online.platform.openapi_shapes import lines_of
from online.platform.wire import Text, WireStruct
from online.postings.domain import Entry, Line
from online.postings.service import Posted, Postings
from online.security.domain import Principal, allow

Amount = Annotated[int, Meta(ge=-(10**15), le=10**15, description="minor units, debit negative")]


class EntryLine(WireStruct, frozen=True, kw_only=True):
    account: Text
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    amount: Amount
    layer: Literal["posted"] = "posted"


class PostingLine(WireStruct, frozen=True, kw_only=True):
    cause: UUID
    kind: Text
    business_date: date
    reference: Text
    entries: Annotated[list[EntryLine], Meta(min_length=2, max_length=1000)]
    metadata: dict[str, Any] = field(default_factory=dict)

    def line(self) -> Line:
        return Line(
            cause=self.cause,
            kind=self.kind,
            business_date=self.business_date,
            reference=self.reference,
            metadata=self.metadata,
            entries=[
                Entry(account=e.account, currency=e.currency, amount_minor=e.amount)
                for e in self.entries
            ],
        )


class PostingAnswer(Struct, frozen=True, kw_only=True):
    cause: str | None
    kind: str | None
    status: Literal["posted", "exists", "refused"]
    detail: str | None = None
    param: str | None = None


@post(
    "/internal/v1/postings",
    status_code=200,
    summary="Post what files say (NDJSON)",
    description="Idempotent by cause and kind. A bad line is refused by itself, the others go on.",
    tags=["internal"],
    opt=allow("service") | lines_of(PostingLine),
    media_type=ndjson.MEDIA_TYPE,
    request_max_body_size=ndjson.MAX_BODY_BYTES,
)
async def post_postings(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    postings: NamedDependency[Postings],
) -> Response[bytes]:
    lines = await ndjson.read_lines(request, PostingLine)
    good = [line.line() for line in lines if isinstance(line, PostingLine)]
    results = iter(await postings.post(good, livemode=principal.livemode))
    return ndjson.response(
        _refused(None, line) if isinstance(line, Refused) else _answer(line, next(results))
        for line in lines
    )


def _answer(line: PostingLine, result: Posted) -> PostingAnswer:
    if result.refusal is not None:
        return _refused(line, result.refusal)
    return PostingAnswer(cause=str(line.cause), kind=line.kind, status=result.status)


def _refused(line: PostingLine | None, why: KhataError) -> PostingAnswer:
    return PostingAnswer(
        cause=str(line.cause) if line else None,
        kind=line.kind if line else None,
        status="refused",
        detail=why.detail,
        param=why.param,
    )


router = Router("/", route_handlers=[post_postings])
