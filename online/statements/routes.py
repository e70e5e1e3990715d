"""`/api/v1/statements`, and `/internal/v1/statements` where the pipeline delivers them."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import Forbidden
from online.platform.openapi_page import problems
from online.platform.openapi_shapes import files_of
from online.platform.wire import WireStruct, id_of
from online.security.domain import Kind, Principal, allow
from online.statements.domain import CONTENT_TYPES, Period, Statement
from online.statements.service import Standing, Statements

_MAX_BODY_BYTES: Final = 64 * 1024 * 1024

Format = Literal["pdf", "csv", "json"]
MerchantId = Annotated[str, id_of("mrc")]


class GenerateStatement(WireStruct, frozen=True, kw_only=True):
    """Both days belong to the period."""

    merchant_id: MerchantId
    start_date: date
    end_date: date
    format: Format = "pdf"


class DeliverStatement(WireStruct, frozen=True, kw_only=True):
    statement_id: Annotated[str, id_of("stm")]
    merchant_id: MerchantId
    start_date: date
    end_date: date
    format: Format
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    content_base64: Annotated[bytes, Meta(max_length=32 * 1024 * 1024)]
    snapshot: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None


class StatementView(Struct, frozen=True, kw_only=True):
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

    @classmethod
    def of(cls, standing: Standing) -> "StatementView":
        period, made = standing.period, standing.statement
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
        )


class Delivered(Struct, frozen=True, kw_only=True):
    statement_id: str
    status: Literal["stored", "exists"]


@post(
    "/statements/generate",
    status_code=202,
    summary="Ask for a statement",
    description="Idempotent by its fields: the same call again answers how far the statement is.",
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
    statement = Statement(
        id=ids.decode("stm", data.statement_id),
        merchant_id=ids.decode("mrc", data.merchant_id),
        start_date=data.start_date,
        end_date=data.end_date,
        format=data.format,
        sha256=bytes.fromhex(data.sha256),
        warehouse_snapshot=data.snapshot,
        livemode=principal.livemode,
        created_at=clock.now(),
    )
    new = await statements.take_in(statement, data.content_base64)
    return Delivered(statement_id=data.statement_id, status="stored" if new else "exists")


_PUBLIC: Final[list[Any]] = [generate_statement, read_statement, read_statement_file]
router = Router("/api/v1", route_handlers=_PUBLIC)
internal_router = Router("/", route_handlers=[deliver_statement])
