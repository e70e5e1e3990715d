"""`/api/v1/settlements`, and `/internal/v1` where the pipeline hands in batches."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from online.kernel import ids
from online.kernel.errors import Forbidden, InvalidRequest, Refused
from online.kernel.events import Metadata
from online.platform import ndjson
from online.platform.calls import check_match, etag
from online.platform.http import request_id_of
from online.platform.lists import Cursor, Limit, cut, window
from online.platform.openapi_page import problems
from online.platform.openapi_shapes import lines_of
from online.rails.domain import Beneficiary
from online.security.domain import Kind, Principal, allow
from online.settlements.domain import Batch, Settlement
from online.settlements.intake import Receipt
from online.settlements.service import Settlements
from online.settlements.views import (
    BatchAnswer,
    BatchLine,
    BeneficiaryView,
    ChangeBeneficiary,
    LineList,
    LineView,
    RequestedSettlement,
    RequestSettlement,
    ScheduleItem,
    ScheduleView,
    SettlementList,
    SettlementView,
)


@get(
    "/settlements/schedule",
    summary="When which period is paid out",
    description="The periods of the last week and the next two, with their cut-off and pay date.",
    tags=["settlement"],
    opt=allow("settlements:read"),
)
async def read_schedule(
    principal: NamedDependency[Principal], settlements: NamedDependency[Settlements]
) -> ScheduleView:
    merchant, due = await settlements.schedule(principal.merchant)
    return ScheduleView.of(merchant, [ScheduleItem.of(each) for each in due])


@get(
    "/settlements",
    summary="Settlements, newest first",
    tags=["settlement"],
    opt=allow("settlements:read", "admin"),
)
async def list_settlements(
    principal: NamedDependency[Principal],
    settlements: NamedDependency[Settlements],
    limit: Limit = 20,
    starting_after: Cursor = None,
) -> SettlementList:
    asked = window("stl", limit, starting_after)
    rows, has_more = cut(await settlements.list(principal.merchant_id, asked), asked)
    return SettlementList(data=[SettlementView.of(row) for row in rows], has_more=has_more)


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
) -> Response[SettlementView]:
    id_ = ids.decode("stl", settlement_id)
    return _shown(await settlements.get(id_, principal.merchant_id))


@get(
    "/settlements/{settlement_id:str}/lines",
    summary="What a settlement is the sum of",
    tags=["settlement"],
    opt=allow("settlements:read", "admin"),
)
async def list_lines(
    settlement_id: FromPath[str],
    principal: NamedDependency[Principal],
    settlements: NamedDependency[Settlements],
    limit: Limit = 20,
    starting_after: Cursor = None,
) -> LineList:
    asked = window("ent", limit, starting_after)
    id_ = ids.decode("stl", settlement_id)
    rows, has_more = cut(await settlements.lines(id_, principal.merchant_id, asked), asked)
    return LineList(data=[LineView.of(row) for row in rows], has_more=has_more)


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


# ── paying ───────────────────────────────────────────────────────────────────────────────


@post(
    "/settlements/{settlement_id:str}/payout",
    status_code=200,
    summary="Send a payout again",
    description="Only after it failed or came back: a new attempt, to the account that is used "
    "now. With `If-Match` it is refused (412) when the settlement has moved meanwhile, so that "
    "two people do not send two.",
    tags=["settlement"],
    opt=allow("admin") | problems("precondition_failed", "illegal_state", "conflict"),
)
async def pay_again(
    request: Request[Any, Any, Any],
    settlement_id: FromPath[str],
    principal: NamedDependency[Principal],
    settlements: NamedDependency[Settlements],
) -> Response[SettlementView]:
    def agree(settlement: Settlement) -> None:
        check_match(request, settlement.version)

    id_ = ids.decode("stl", settlement_id)
    return _shown(await settlements.pay_again(id_, agree, _metadata(request, principal)))


@get(
    "/merchants/{merchant_id:str}/beneficiary",
    summary="Where a merchant is paid to",
    tags=["merchants"],
    opt=allow("admin"),
)
async def read_beneficiary(
    merchant_id: FromPath[str], settlements: NamedDependency[Settlements]
) -> BeneficiaryView:
    return BeneficiaryView.of(await settlements.beneficiary(ids.decode("mrc", merchant_id)))


@post(
    "/merchants/{merchant_id:str}/beneficiary",
    status_code=200,
    summary="Name the bank account that a merchant is paid to",
    description="The first is used at once, a later one after a waiting time.",
    tags=["merchants"],
    opt=allow("admin"),
)
async def change_beneficiary(
    merchant_id: FromPath[str],
    data: JSONBody[ChangeBeneficiary],
    principal: NamedDependency[Principal],
    settlements: NamedDependency[Settlements],
) -> BeneficiaryView:
    to = Beneficiary(account=data.account, ifsc=data.ifsc, name=data.name)
    id_ = ids.decode("mrc", merchant_id)
    return BeneficiaryView.of(await settlements.change_beneficiary(id_, to, actor=principal.actor))


# ── from the pipeline ────────────────────────────────────────────────────────────────────


@post(
    "/internal/v1/settlement-batches",
    status_code=200,
    summary="Hand in settlement batches (NDJSON)",
    description="Each is compared with the books, posted once, and paid out on its day.",
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
    read = await ndjson.read_lines(request, BatchLine)
    lines = [_batch_of(line) if isinstance(line, BatchLine) else (None, line) for line in read]
    batches = [found for _, found in lines if isinstance(found, Batch)]
    receipts = iter(await settlements.take_in(batches, _metadata(request, principal)))
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
        payout=receipt.payout_minor,
        difference=receipt.difference_minor,
        detail=receipt.detail,
        param=receipt.param,
    )


def _metadata(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


def _shown(settlement: Settlement) -> Response[SettlementView]:
    return Response(SettlementView.of(settlement), headers=etag(settlement.version))


router = Router(
    "/api/v1",
    route_handlers=[
        read_schedule,
        list_settlements,
        read_settlement,
        list_lines,
        request_settlement,
        pay_again,
        read_beneficiary,
        change_beneficiary,
    ],
)
internal_router = Router("/", route_handlers=[take_in_batches])
