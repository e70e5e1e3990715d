"""`/api/v1/statements`; `/internal/v1/statement-numbers`, where the pipeline has them numbered, and
`/internal/v1/statements`, where it delivers them."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import Forbidden, Refused
from online.platform import ndjson
from online.platform.lists import Cursor, IdFilter, Limit, cut, window
from online.platform.openapi_page import problems
from online.platform.openapi_shapes import files_of, lines_of
from online.platform.wire import WireStruct, id_of
from online.security.domain import Kind, Principal, allow
from online.statements.domain import CONTENT_TYPES, Asked, Issue, Numbered, Period, Statement
from online.statements.service import Standing, Statements

_MAX_BODY_BYTES: Final = 64 * 1024 * 1024

Format = Literal["pdf", "csv", "json", "pack"]
MerchantId = Annotated[str, id_of("mrc")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Snapshot = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class GenerateStatement(WireStruct, frozen=True, kw_only=True):
    """Both days belong to the period. A `pack` is a ZIP of all formats with their proof."""

    merchant_id: MerchantId
    start_date: date
    end_date: date
    format: Format = "pdf"


class NumberedAs(WireStruct, frozen=True, kw_only=True):
    """The number it was given, and the hash of what it says in every format."""

    number: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    edition: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    content_sha256: Sha256


class DeliverStatement(WireStruct, frozen=True, kw_only=True):
    statement_id: Annotated[str, id_of("stm")]
    merchant_id: MerchantId
    start_date: date
    end_date: date
    format: Format
    sha256: Sha256
    content_base64: Annotated[bytes, Meta(max_length=32 * 1024 * 1024)]
    snapshot: Snapshot | None = None
    numbered: NumberedAs | None = None

    def statement(self, now: datetime, *, livemode: bool) -> Statement:
        numbered = self.numbered
        return Statement(
            id=ids.decode("stm", self.statement_id),
            merchant_id=ids.decode("mrc", self.merchant_id),
            start_date=self.start_date,
            end_date=self.end_date,
            format=self.format,
            sha256=bytes.fromhex(self.sha256),
            warehouse_snapshot=self.snapshot,
            livemode=livemode,
            created_at=now,
            number=numbered.number if numbered else None,
            edition=numbered.edition if numbered else None,
            content_sha256=bytes.fromhex(numbered.content_sha256) if numbered else None,
        )


class NumberLine(WireStruct, frozen=True, kw_only=True):
    """A reading of a period's books at a snapshot; `books_sha256` is of what they say."""

    merchant_id: MerchantId
    start_date: date
    end_date: date
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")] = "INR"
    snapshot: Snapshot
    books_sha256: Sha256

    def asked(self) -> Asked:
        return Asked(
            merchant_id=ids.decode("mrc", self.merchant_id),
            currency=self.currency,
            start_date=self.start_date,
            end_date=self.end_date,
            snapshot=self.snapshot,
            books_sha256=bytes.fromhex(self.books_sha256),
        )


class EditionView(Struct, frozen=True, kw_only=True):
    """One edition: what its books say, and the snapshot that it is made from."""

    number: int
    edition: int
    snapshot: int
    books_sha256: str
    issued_at: datetime

    @classmethod
    def of(cls, issue: Issue) -> "EditionView":
        return cls(
            number=issue.number,
            edition=issue.edition,
            snapshot=issue.warehouse_snapshot,
            books_sha256=issue.books_sha256.hex(),
            issued_at=issue.issued_at,
        )


class NumberAnswer(Struct, frozen=True, kw_only=True):
    """The edition that the reading belongs to, and the one before it."""

    merchant_id: str | None
    status: Literal["issued", "exists", "refused"]
    start_date: date | None = None
    end_date: date | None = None
    currency: str | None = None
    edition: EditionView | None = None
    replaces: EditionView | None = None
    detail: str | None = None
    param: str | None = None


class StatementView(Struct, frozen=True, kw_only=True):
    """`sha256` is of the file, `content_sha256` of what it says, which is also printed in it;
    `replaced_by` names the last edition, where the period's books were restated."""

    id: str
    merchant_id: str
    start_date: date
    end_date: date
    format: str
    status: str
    sha256: str | None
    file: str | None
    livemode: bool
    created_at: datetime | None
    number: str | None
    edition: int | None
    content_sha256: str | None
    snapshot: int | None
    replaces: str | None
    replaced_by: str | None

    @classmethod
    def of(cls, standing: Standing) -> "StatementView":
        period, made, around = standing.period, standing.statement, standing.neighbours
        id_ = ids.encode("stm", standing.id)
        return cls(
            id=id_,
            merchant_id=ids.encode("mrc", period.merchant_id),
            start_date=period.start_date,
            end_date=period.end_date,
            format=period.format,
            status=standing.status,
            sha256=made.sha256.hex() if made else None,
            file=f"/api/v1/statements/{id_}/file" if made else None,
            livemode=standing.livemode,
            created_at=made.created_at if made else None,
            number=made.reference if made else None,
            edition=made.edition if made else None,
            content_sha256=made.content_sha256.hex() if made and made.content_sha256 else None,
            snapshot=made.warehouse_snapshot if made else None,
            replaces=_id(around.replaces if around else None),
            replaced_by=_id(around.replaced_by if around else None),
        )


def _id(statement_id: UUID | None) -> str | None:
    return ids.encode("stm", statement_id) if statement_id else None


class StatementList(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    url: str = "/api/v1/statements"
    has_more: bool
    data: list[StatementView]


class Delivered(Struct, frozen=True, kw_only=True):
    statement_id: str
    status: Literal["stored", "exists"]


@post(
    "/statements/generate",
    status_code=202,
    summary="Ask for a statement",
    description="Idempotent by its fields: the same call again answers how far the statement is. "
    "Of a period that is over it answers the last edition, and has its books looked at again, at "
    "most once an hour: if they were restated, a new edition replaces it.",
    tags=["settlement"],
    opt=allow("statements:write", "admin"),
)
async def generate_statement(
    data: JSONBody[GenerateStatement],
    principal: NamedDependency[Principal],
    statements: NamedDependency[Statements],
) -> StatementView:
    merchant_id = ids.decode("mrc", data.merchant_id)
    if principal.kind is Kind.MERCHANT and merchant_id != principal.merchant:
        raise Forbidden("these credentials belong to another merchant", "merchant_id")
    period = Period(
        merchant_id=merchant_id,
        start_date=data.start_date,
        end_date=data.end_date,
        format=data.format,
    )
    return StatementView.of(await statements.generate(period, livemode=principal.livemode))


@get(
    "/statements",
    summary="Statements, newest first",
    description="A merchant's own; an auditor sees everybody's, or those of `merchant_id`.",
    tags=["settlement"],
    opt=allow("statements:read", "admin"),
)
async def list_statements(
    principal: NamedDependency[Principal],
    statements: NamedDependency[Statements],
    merchant_id: IdFilter = None,
    start_date: FromQuery[date | None] = None,
    end_date: FromQuery[date | None] = None,
    limit: Limit = 10,
    starting_after: Cursor = None,
) -> StatementList:
    wanted = ids.decode("mrc", merchant_id) if merchant_id else principal.merchant_id
    if principal.merchant_id not in {None, wanted}:
        raise Forbidden("these credentials belong to another merchant", "merchant_id")
    asked = window("stm", limit, starting_after)
    found = await statements.page(
        wanted, asked, livemode=principal.livemode, days=(start_date, end_date)
    )
    shown, more = cut(found, asked)
    return StatementList(has_more=more, data=[StatementView.of(each) for each in shown])


@get(
    "/statements/{statement_id:str}",
    summary="A statement, or how far it is",
    tags=["settlement"],
    opt=allow("statements:read", "admin"),
)
async def read_statement(
    statement_id: FromPath[str],
    principal: NamedDependency[Principal],
    statements: NamedDependency[Statements],
) -> StatementView:
    id_ = ids.decode("stm", statement_id)
    return StatementView.of(await statements.get(id_, principal.merchant_id))


@get(
    "/statements/{statement_id:str}/file",
    summary="A statement's document",
    tags=["settlement"],
    opt=allow("statements:read", "admin") | files_of(*CONTENT_TYPES.values()),
)
async def read_statement_file(
    statement_id: FromPath[str],
    principal: NamedDependency[Principal],
    statements: NamedDependency[Statements],
) -> Response[bytes]:
    id_ = ids.decode("stm", statement_id)
    statement, content = await statements.file(id_, principal.merchant_id)
    return Response(
        content=content,
        media_type=CONTENT_TYPES[statement.format],
        headers={
            "Content-Disposition": f'attachment; filename="{statement.file_name}"',
            "Khata-Content-SHA256": statement.sha256.hex(),
            "ETag": f'"{statement.sha256.hex()}"',
        },
    )


@post(
    "/internal/v1/statements",
    status_code=200,
    summary="Deliver a finished statement",
    tags=["internal"],
    opt=allow("service") | problems("not_found", "conflict"),
    request_max_body_size=_MAX_BODY_BYTES,
)
async def deliver_statement(
    data: JSONBody[DeliverStatement],
    principal: NamedDependency[Principal],
    statements: NamedDependency[Statements],
    clock: NamedDependency[Clock],
) -> Delivered:
    statement = data.statement(clock.now(), livemode=principal.livemode)
    new = await statements.take_in(statement, data.content_base64)
    return Delivered(statement_id=data.statement_id, status="stored" if new else "exists")


@post(
    "/internal/v1/statement-numbers",
    status_code=200,
    summary="Have statements numbered (NDJSON)",
    description="A period has one number in its merchant's unbroken sequence. Idempotent: books "
    "that say the same are the edition that is there; others, read later, are the next one.",
    tags=["internal"],
    opt=allow("service") | lines_of(NumberLine),
    media_type=ndjson.MEDIA_TYPE,
    request_max_body_size=ndjson.MAX_BODY_BYTES,
)
async def number_statements(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    statements: NamedDependency[Statements],
) -> Response[bytes]:
    lines = await ndjson.read_lines(request, NumberLine)
    asked = [line.asked() for line in lines if isinstance(line, NumberLine)]
    told = iter(await statements.number(asked, livemode=principal.livemode))
    return ndjson.response(
        _answer(line, next(told)) if isinstance(line, NumberLine) else _refused(None, line)
        for line in lines
    )


def _answer(line: NumberLine, told: Numbered | Refused) -> NumberAnswer:
    if isinstance(told, Refused):
        return _refused(line.merchant_id, told)
    return NumberAnswer(
        merchant_id=line.merchant_id,
        status="issued" if told.new else "exists",
        start_date=line.start_date,
        end_date=line.end_date,
        currency=line.currency,
        edition=EditionView.of(told.issue),
        replaces=EditionView.of(told.replaces) if told.replaces else None,
    )


def _refused(merchant_id: str | None, why: Refused) -> NumberAnswer:
    return NumberAnswer(
        merchant_id=merchant_id, status="refused", detail=why.detail, param=why.param
    )


_PUBLIC: Final[list[Any]] = [
    *(generate_statement, list_statements, read_statement, read_statement_file),
]
router = Router("/api/v1", route_handlers=_PUBLIC)
internal_router = Router("/", route_handlers=[number_statements, deliver_statement])
