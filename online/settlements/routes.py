"""`/api/v1/settlements`, and `/internal/v1/settlement-batches` where the pipeline hands them in."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.kernel.errors import Forbidden, InvalidRequest, Refused
from online.kernel.events import Metadata
from online.ledger.days import DaySums
from online.platform import ndjson
from online.platform.http import request_id_of
from online.platform.openapi_shapes import lines_of
from online.platform.wire import WireStruct, id_of
from online.security.domain import Kind, Principal, allow
from online.settlements.domain import Batch, Settlement
from online.settlements.service import Due, Receipt, Settlements

MerchantId = Annotated[str, id_of("mrc")]
MerchantOrAll = Annotated[str, Meta(pattern=r"^(all|mrc_[0-7][0-9a-hjkmnp-tv-z]{25})\Z")]
Sum = Annotated[int, Meta(ge=0, le=2**53 - 1, description="minor units")]
SignedSum = Annotated[int, Meta(ge=-(2**53 - 1), le=2**53 - 1, description="minor units")]


class RequestSettlement(WireStruct, frozen=True, kw_only=True):
    """`["all"]` is every merchant that the caller's credentials are for."""

    date: date
    merchants: Annotated[list[MerchantOrAll], Meta(min_length=1, max_length=1000)]
    type: Literal["daily"] = "daily"


class BatchLine(WireStruct, frozen=True, kw_only=True):
    """A merchant's closed day. What comes back on a later day than it went (a reversed capture, a
    failed refund, a dispute that was won, a returned fee) makes that day's sum negative.
    """

    merchant_id: MerchantId
    business_date: date
    currency: Literal["INR"]
    gross: SignedSum
    refunds: SignedSum
    fees: SignedSum
    tax: SignedSum
    net: SignedSum
    count: Sum
    disputes: SignedSum = 0
    reserve: Annotated[int, Meta(ge=0, le=0, description="no reserves yet")] = 0
    snapshot: Sum | None = None

    def batch(self) -> Batch:
        return Batch(
            merchant_id=ids.decode("mrc", self.merchant_id),
            business_date=self.business_date,
            currency=self.currency,
            sums=DaySums(
                gross_minor=self.gross,
                refunds_minor=self.refunds,
                disputes_minor=self.disputes,
                fees_minor=self.fees,
                tax_minor=self.tax,
            ),
            reserve_minor=self.reserve,
            net_minor=self.net,
            count=self.count,
            snapshot=self.snapshot,
        )


class BatchAnswer(Struct, frozen=True, kw_only=True):
    """`difference` is the batch's net minus the books'; `detail` says where it comes from."""

    merchant_id: str | None
    status: Literal["accepted", "exists", "refused"]
    settlement_id: str | None = None
    payout_attempt_id: str | None = None
    difference: int = 0
    detail: str | None = None
    param: str | None = None


class RequestedSettlement(Struct, frozen=True, kw_only=True):
    id: str
    status: str
    date: str
    type: str
    merchants: list[str]
    livemode: bool


class SettlementView(Struct, frozen=True, kw_only=True):
    """Amounts are minor units of `currency`."""

    id: str
    merchant_id: str
    business_date: date
    currency: str
    status: str
    gross: int
    refunds: int
    disputes: int
    fees: int
    tax: int
    reserve: int
    net: int
    utr: str | None
    livemode: bool
    created_at: datetime

    @classmethod
    def of(cls, settlement: Settlement) -> "SettlementView":
        return cls(
            id=ids.encode("stl", settlement.id),
            merchant_id=ids.encode("mrc", settlement.merchant_id),
            business_date=settlement.business_date,
            currency=settlement.currency,
            status=settlement.status,
            gross=settlement.gross_minor,
            refunds=settlement.refunds_minor,
            disputes=settlement.disputes_minor,
            fees=settlement.fees_minor,
            tax=settlement.tax_minor,
            reserve=settlement.reserve_minor,
            net=settlement.net_minor,
            utr=settlement.utr,
            livemode=settlement.livemode,
            created_at=settlement.created_at,
        )


class ScheduleItem(Struct, frozen=True, kw_only=True):
    business_date: date
    settle_on: date
    settlements: list[SettlementView]

    @classmethod
    def of(cls, due: Due) -> "ScheduleItem":
        views = [SettlementView.of(each) for each in due.settlements]
        return cls(business_date=due.business_date, settle_on=due.settle_on, settlements=views)


class ScheduleView(Struct, frozen=True, kw_only=True):
    """`settlement_days` is the n of T+n, in bank days."""

    merchant_id: str
    settlement_days: int
    items: list[ScheduleItem]


@get(
    "/settlements/schedule",
    summary="When which business day is paid out",
    tags=["settlement"],
    opt=allow("settlements:read"),
)
async def read_schedule(
    principal: NamedDependency[Principal], settlements: NamedDependency[Settlements]
) -> ScheduleView:
    merchant, due = await settlements.schedule(principal.merchant)
    return ScheduleView(
        merchant_id=ids.encode("mrc", merchant.id),
        settlement_days=merchant.settlement_days,
        items=[ScheduleItem.of(each) for each in due],
    )


@get(
    "/settlements/{settlement_id:str}",
    summary="A settlement",
    tags=["settlement"],
    opt=allow("settlements:read", "admin"),
)
async def read_settlement(
    settlement_id: FromPath[str],
    principal: NamedDependency[Principal],
    settlements: NamedDependency[Settlements],
) -> SettlementView:
    id_ = ids.decode("stl", settlement_id)
    return SettlementView.of(await settlements.get(id_, principal.merchant_id))


@post(
    "/settlements",
    status_code=202,
    summary="Ask for a day's settlement",
    description="Idempotent by its fields: the same call again answers how far the request is.",
    tags=["settlement"],
    opt=allow("settlements:write", "admin"),
)
async def request_settlement(
    data: JSONBody[RequestSettlement],
    principal: NamedDependency[Principal],
    settlements: NamedDependency[Settlements],
) -> RequestedSettlement:
    work = await settlements.request(
        data.date, _merchants(data.merchants, principal), livemode=principal.livemode
    )
    return RequestedSettlement(
        id=ids.encode("wrk", work.id), status=work.state, livemode=work.livemode, **work.params
    )


def _merchants(named: list[str], principal: Principal) -> list[UUID] | None:
    """Whom a call is about; None for everybody."""
    own = principal.merchant if principal.kind is Kind.MERCHANT else None
    if named == ["all"]:
        return None if own is None else [own]
    wanted = [ids.decode("mrc", each) for each in named]
    if own is not None and set(wanted) != {own}:
        raise Forbidden("these credentials belong to another merchant", "merchants")
    return wanted


@post(
    "/internal/v1/settlement-batches",
    status_code=200,
    summary="Hand in settlement batches (NDJSON)",
    description="Each is compared with the books, posted once, and paid out.",
    tags=["internal"],
    opt=allow("service") | lines_of(BatchLine),
    media_type=ndjson.MEDIA_TYPE,
    request_max_body_size=ndjson.MAX_BODY_BYTES,
)
async def take_in_batches(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    settlements: NamedDependency[Settlements],
) -> Response[bytes]:
    metadata = Metadata(actor=principal.actor, request_id=request_id_of(request))
    read = await ndjson.read_lines(request, BatchLine)
    lines = [_batch_of(line) if isinstance(line, BatchLine) else (None, line) for line in read]
    batches = [found for _, found in lines if isinstance(found, Batch)]
    receipts = iter(await settlements.take_in(batches, metadata))
    return ndjson.response(
        _answer(name, _refusal(found) if isinstance(found, Refused) else next(receipts))
        for name, found in lines
    )


def _batch_of(line: BatchLine) -> tuple[str, Batch | Refused]:
    try:
        return line.merchant_id, line.batch()
    except ids.InvalidId as error:
        return line.merchant_id, InvalidRequest(str(error), "merchant_id")


def _refusal(why: Refused) -> Receipt:
    return Receipt(status="refused", detail=why.detail, param=why.param)


def _answer(merchant_id: str | None, receipt: Receipt) -> BatchAnswer:
    settlement, payout = receipt.settlement_id, receipt.payout_attempt_id
    return BatchAnswer(
        merchant_id=merchant_id,
        status=receipt.status,
        settlement_id=ids.encode("stl", settlement) if settlement else None,
        payout_attempt_id=ids.encode("att", payout) if payout else None,
        difference=receipt.difference_minor,
        detail=receipt.detail,
        param=receipt.param,
    )


router = Router("/api/v1", route_handlers=[read_schedule, read_settlement, request_settlement])
internal_router = Router("/", route_handlers=[take_in_batches])
