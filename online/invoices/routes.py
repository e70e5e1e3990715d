"""`/api/v1/invoices`, and `/internal/v1/invoices` where the pipeline asks for numbers."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct, field

from online.invoices.domain import CONTENT_TYPES, Document, Draft
from online.invoices.service import Invoices, Receipt, Shown
from online.kernel import ids
from online.kernel.errors import InvalidRequest, Refused
from online.kernel.months import PATTERN, InvalidMonth, Month
from online.ledger.charges import ChargeSum
from online.platform import ndjson
from online.platform.lists import Cursor, Limit, window
from online.platform.openapi_page import problems
from online.platform.openapi_shapes import files_of, lines_of
from online.platform.wire import Int64, WireStruct, id_of
from online.security.domain import Kind, Principal, allow

_MAX_BODY_BYTES: Final = 16 * 1024 * 1024

Format = Literal["pdf", "json"]
MonthText = Annotated[str, Meta(pattern=PATTERN, description="such as 2026-11")]
Sum = Annotated[int, Meta(ge=-(2**53 - 1), le=2**53 - 1, description="minor units")]


class ChargeLine(WireStruct, frozen=True, kw_only=True):
    """Charges of one service (`mdr`, `dispute`) and treatment; what is given back is negative."""

    service: Annotated[str, Meta(min_length=1, max_length=40)]
    taxed: bool
    returned: bool
    count: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    fee: Sum
    igst: Sum
    cgst: Sum
    sgst: Sum

    def charge(self) -> ChargeSum:
        return ChargeSum(
            service=self.service,
            taxed=self.taxed,
            returned=self.returned,
            count=self.count,
            fee_minor=self.fee,
            igst_minor=self.igst,
            cgst_minor=self.cgst,
            sgst_minor=self.sgst,
        )


class InvoiceLine(WireStruct, frozen=True, kw_only=True):
    """What a merchant was charged in a month. `original_months`: those in which what is given
    back was charged."""

    merchant_id: Annotated[str, id_of("mrc")]
    month: MonthText
    currency: Literal["INR"]
    charges: Annotated[list[ChargeLine], Meta(min_length=1, max_length=40)]
    original_months: Annotated[list[MonthText], Meta(max_length=120)] = field(default_factory=list)

    def draft(self) -> Draft:
        return Draft(
            merchant_id=ids.decode("mrc", self.merchant_id),
            month=_month(self.month),
            currency=self.currency,
            charges=[line.charge() for line in self.charges],
            original_months=[_month(each) for each in self.original_months],
        )


class InvoiceAnswer(Struct, frozen=True, kw_only=True):
    """`document` is what its files have to show."""

    merchant_id: str | None
    status: Literal["issued", "exists", "refused"]
    invoice_id: str | None = None
    document: Document | None = None
    detail: str | None = None
    param: str | None = None


class DeliverFile(WireStruct, frozen=True, kw_only=True):
    invoice_id: Annotated[str, id_of("inv")]
    format: Format
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    content_base64: Annotated[bytes, Meta(max_length=8 * 1024 * 1024)]


class FileKept(Struct, frozen=True, kw_only=True):
    invoice_id: str
    status: Literal["stored", "exists"]


class InvoiceView(Struct, frozen=True, kw_only=True):
    """A tax invoice or credit note; amounts are minor units, those of a credit note what is
    credited. `files` are the formats that can be fetched."""

    id: str
    kind: str
    number: str
    issued_on: date
    month: str
    merchant_id: str
    currency: str
    value: Int64
    igst: Int64
    cgst: Int64
    sgst: Int64
    total: Int64
    against: list[str]
    files: list[str]
    livemode: bool
    created_at: datetime

    @classmethod
    def of(cls, shown: Shown) -> "InvoiceView":
        invoice, document = shown.invoice, shown.invoice.document
        return cls(
            id=ids.encode("inv", invoice.id),
            kind=invoice.kind,
            number=invoice.number,
            issued_on=invoice.issued_on,
            month=document.month,
            merchant_id=document.merchant_id,
            currency=invoice.currency,
            value=document.value,
            igst=document.igst,
            cgst=document.cgst,
            sgst=document.sgst,
            total=document.total,
            against=[each.number for each in document.against],
            files=shown.formats,
            livemode=invoice.livemode,
            created_at=invoice.created_at,
        )


class InvoicePage(Struct, frozen=True, kw_only=True):
    data: list[InvoiceView]
    has_more: bool


@get(
    "/invoices",
    summary="Tax invoices and credit notes, newest first",
    tags=["settlement"],
    opt=allow("statements:read", "admin"),
)
async def list_invoices(
    principal: NamedDependency[Principal],
    invoices: NamedDependency[Invoices],
    month: Annotated[str | None, QueryParameter(max_length=7)] = None,
    limit: Limit = 20,
    starting_after: Cursor = None,
) -> InvoicePage:
    asked = window("inv", limit, starting_after)
    found = await invoices.page(
        merchant_id=_bound_to(principal),
        month=_month(month) if month else None,
        after=asked.after,
        most=asked.most,
    )
    return InvoicePage(
        data=[InvoiceView.of(each) for each in found[:limit]], has_more=len(found) > limit
    )


@get(
    "/invoices/{invoice_id:str}",
    summary="A tax invoice or credit note",
    tags=["settlement"],
    opt=allow("statements:read", "admin"),
)
async def read_invoice(
    invoice_id: FromPath[str],
    principal: NamedDependency[Principal],
    invoices: NamedDependency[Invoices],
) -> InvoiceView:
    id_ = ids.decode("inv", invoice_id)
    return InvoiceView.of(await invoices.get(id_, _bound_to(principal)))


@get(
    "/invoices/{invoice_id:str}/file",
    summary="The document of a tax invoice or credit note",
    tags=["settlement"],
    opt=allow("statements:read", "admin") | files_of(*CONTENT_TYPES.values()),
)
async def read_invoice_file(
    invoice_id: FromPath[str],
    principal: NamedDependency[Principal],
    invoices: NamedDependency[Invoices],
    form: Annotated[Format, QueryParameter(name="format")] = "pdf",
) -> Response[bytes]:
    id_ = ids.decode("inv", invoice_id)
    invoice, content = await invoices.file(id_, _bound_to(principal), form)
    name = invoice.number.replace("/", "-")
    return Response(
        content=content,
        media_type=CONTENT_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="{name}.{form}"'},
    )


@post(
    "/internal/v1/invoices",
    status_code=200,
    summary="Ask for numbers of tax documents (NDJSON)",
    description="Of a closed month, each compared with the books and numbered once: the same line "
    "again is answered with the same document.",
    tags=["internal"],
    opt=allow("service") | lines_of(InvoiceLine),
    media_type=ndjson.MEDIA_TYPE,
    request_max_body_size=ndjson.MAX_BODY_BYTES,
)
async def issue_invoices(
    request: Request[Any, Any, Any], invoices: NamedDependency[Invoices]
) -> Response[bytes]:
    read = await ndjson.read_lines(request, InvoiceLine)
    lines = [_draft_of(line) if isinstance(line, InvoiceLine) else (None, line) for line in read]
    drafts = [found for _, found in lines if isinstance(found, Draft)]
    receipts = iter(await invoices.take_in(drafts))
    return ndjson.response(
        _answer(name, _refused(found) if isinstance(found, Refused) else next(receipts))
        for name, found in lines
    )


@post(
    "/internal/v1/invoice-files",
    status_code=200,
    summary="Deliver the rendered file of a tax document",
    tags=["internal"],
    opt=allow("service") | problems("not_found", "conflict"),
    request_max_body_size=_MAX_BODY_BYTES,
)
async def deliver_invoice_file(
    data: JSONBody[DeliverFile], invoices: NamedDependency[Invoices]
) -> FileKept:
    new = await invoices.keep_file(
        ids.decode("inv", data.invoice_id),
        data.format,
        bytes.fromhex(data.sha256),
        data.content_base64,
    )
    return FileKept(invoice_id=data.invoice_id, status="stored" if new else "exists")


def _bound_to(principal: Principal) -> Any:
    """The merchant whose documents the caller may see; None for one of ours."""
    return principal.merchant if principal.kind is Kind.MERCHANT else None


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except InvalidMonth as error:
        raise InvalidRequest(str(error), "month") from None


def _draft_of(line: InvoiceLine) -> tuple[str, Draft | Refused]:
    try:
        return line.merchant_id, line.draft()
    except ids.InvalidId as error:
        return line.merchant_id, InvalidRequest(str(error), "merchant_id")
    except InvalidRequest as refusal:
        return line.merchant_id, refusal


def _refused(why: Refused) -> Receipt:
    return Receipt(status="refused", refusal=why)


def _answer(merchant_id: str | None, receipt: Receipt) -> InvoiceAnswer:
    invoice, refusal = receipt.invoice, receipt.refusal
    return InvoiceAnswer(
        merchant_id=merchant_id,
        status=receipt.status,
        invoice_id=ids.encode("inv", invoice.id) if invoice else None,
        document=invoice.document if invoice else None,
        detail=refusal.detail if refusal else None,
        param=refusal.param if refusal else None,
    )


_PUBLIC: Final[list[Any]] = [list_invoices, read_invoice, read_invoice_file]
router = Router("/api/v1", route_handlers=_PUBLIC)
internal_router = Router("/", route_handlers=[issue_invoices, deliver_invoice_file])
