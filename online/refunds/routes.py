"""`/api/v1/refunds`."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import InvalidRequest
from online.kernel.events import Metadata
from online.payments.orders import BUSY
from online.platform.calls import etag, key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.lists import Cursor, IdFilter, Limit, window
from online.platform.wire import AmountMinor, WireStruct, id_of
from online.rails import upi_ids
from online.refunds.domain import OVER, Refund, Status
from online.refunds.service import Call, RefundOrder, Refunds
from online.refunds.store import Filters
from online.security.domain import Principal, allow


class CreateRefund(WireStruct, frozen=True, kw_only=True):
    """Without an amount, all that is left of the payment; out of an `escrow` the amount is said."""

    payment: Annotated[str, id_of("pay")]
    escrow: Annotated[str, id_of("esc")] | None = None
    amount: AmountMinor | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


def _escrow(data: CreateRefund) -> UUID | None:
    if data.escrow is None:
        return None
    if data.amount is None:
        raise InvalidRequest("say how much of the escrow goes back", "amount")
    return ids.decode("esc", data.escrow)


class RefundView(Struct, frozen=True, kw_only=True):
    """Amounts in minor units of `currency`.

    `fee_returned` and `tax_returned`: what of the captures' fee and its GST went back to the
    merchant with it, by contract.
    """

    id: str
    payment: str
    escrow: str | None
    amount: int
    currency: str
    status: str
    reason: str | None
    rail: str | None
    rail_reference: str | None
    upi_transaction_id: str | None
    rrn: str | None
    failure_code: str | None
    fee_returned: int
    tax_returned: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, refund: Refund) -> "RefundView":
        return cls(
            id=ids.encode("rfd", refund.id),
            payment=ids.encode("pay", refund.payment_id),
            escrow=ids.encode("esc", refund.escrow_id) if refund.escrow_id else None,
            amount=refund.amount_minor,
            currency=refund.currency,
            status=refund.status,
            reason=refund.reason,
            rail=refund.rail,
            rail_reference=refund.rail_reference,
            upi_transaction_id=upi_ids.of(refund.method, refund.attempt_id),
            rrn=upi_ids.rrn(refund.method, refund.rail_reference),
            failure_code=refund.failure_code,
            fee_returned=refund.fee_returned_minor,
            tax_returned=refund.tax_returned_minor,
            livemode=refund.livemode,
            created_at=refund.created_at,
            updated_at=refund.updated_at,
        )


class RefundList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    url: str = "/api/v1/refunds"
    has_more: bool
    data: list[RefundView]


def _answer(refund: Refund) -> Answer:
    """201 once the outcome is known; 202 while it is not."""
    done = 201 if refund.status in OVER else 202
    return Answer(done, msgspec.json.encode(RefundView.of(refund)))


@post(
    "/refunds",
    status_code=201,
    summary="Give captured money back, whole or in part",
    description="202: the rail has not given its last word yet; read the refund, do not ask for "
    "it again. A refund of money that is settled already is taken from what comes next, down to "
    "the merchant's exposure limit; beyond that it is refused (402).",
    tags=["refunds"],
    opt=allow("refunds:write", signed=True),
)
async def create_refund(
    request: Request[Any, Any, Any],
    data: JSONBody[CreateRefund],
    principal: NamedDependency[Principal],
    refunds: NamedDependency[Refunds],
    clock: NamedDependency[Clock],
) -> Response[RefundView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    order = RefundOrder(
        payment_id=ids.decode("pay", data.payment),
        merchant_id=principal.merchant,
        amount_minor=data.amount,
        reason=data.reason,
        escrow_id=_escrow(data),
    )
    metadata = Metadata(actor=principal.actor, request_id=request_id_of(request))

    async def act() -> Answer:
        return _answer(await refunds.create(order, Call(key=key, render=_answer), metadata))

    async def present(refund_id: UUID) -> Present:
        refund = await refunds.get(refund_id, principal.merchant)
        busy = clock.now() - refund.created_at < BUSY and await refunds.at_the_rail(refund)
        return Present(_answer(refund), busy)

    return respond(await once(act, present, key.request_hash))


@get("/refunds/{refund_id:str}", summary="A refund", tags=["refunds"], opt=allow("refunds:read"))
async def read_refund(
    refund_id: FromPath[str],
    principal: NamedDependency[Principal],
    refunds: NamedDependency[Refunds],
) -> Response[RefundView]:
    refund = await refunds.get(ids.decode("rfd", refund_id), principal.merchant)
    return Response(RefundView.of(refund), headers=etag(refund.version))


@get("/refunds", summary="Refunds, newest first", tags=["refunds"], opt=allow("refunds:read"))
async def list_refunds(
    principal: NamedDependency[Principal],
    refunds: NamedDependency[Refunds],
    limit: Limit = 10,
    starting_after: Cursor = None,
    payment: IdFilter = None,
    status: FromQuery[Status | None] = None,
) -> RefundList:
    filters = Filters(payment_id=ids.decode("pay", payment) if payment else None, status=status)
    asked = window("rfd", limit, starting_after)
    found, more = await refunds.page(principal.merchant, filters, asked)
    return RefundList(has_more=more, data=[RefundView.of(each) for each in found])


router = Router("/api/v1", route_handlers=[create_refund, read_refund, list_refunds])
