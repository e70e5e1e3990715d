"""`/api/v1/delegation-requests`, and what a primary sees under `/api/v1/delegations`."""

import binascii
from base64 import b64decode, urlsafe_b64decode
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct

from online.approvals.domain import Request as Asked
from online.approvals.service import Approval, Approvals, RequestOrder
from online.approvals.store import Filters
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import InvalidRequest
from online.kernel.events import Metadata
from online.payments import views
from online.payments.domain import Payment
from online.payments.orders import Call
from online.payments.service import Payments
from online.payments.views import PaymentList, PaymentView, is_busy
from online.platform.calls import etag, key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.lists import Cursor, Limit, window
from online.platform.openapi_page import problems
from online.platform.wire import AmountMinor, WireStruct
from online.security.domain import Principal, allow

Device = Annotated[str, Meta(min_length=1, max_length=100)]
Reason = Annotated[str, Meta(min_length=1, max_length=200)]


class AskApproval(WireStruct, frozen=True, kw_only=True):
    """`device_id` is the secondary's linked device."""

    amount: AmountMinor
    device_id: Device
    currency: Literal["INR"] = "INR"
    note: Annotated[str, Meta(min_length=1, max_length=50)] | None = None


class ApproveRequest(WireStruct, frozen=True, kw_only=True):
    """`device_id` is the primary's active device; `signature` its own over the `challenge` of the
    request, base64 (either alphabet)."""

    device_id: Device
    signature: Annotated[str, Meta(pattern=r"^[0-9A-Za-z+/_-]{32,200}={0,2}\Z")]


class DeclineRequest(WireStruct, frozen=True, kw_only=True):
    reason: Reason | None = None


class RequestView(Struct, frozen=True, kw_only=True):
    """`challenge` is there while it can be approved: the primary's device signs its bytes."""

    id: str
    delegation_id: str
    primary_id: str
    secondary_id: str
    status: str
    amount: int
    currency: str
    device_id: str
    note: str | None
    challenge: str | None
    expires_at: datetime
    payment_id: str | None
    approved_by: str | None
    reason: str | None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, asked: Asked, now: datetime) -> "RequestView":
        state = asked.state_at(now)
        return cls(
            id=asked.reference,
            delegation_id=ids.encode("dlg", asked.delegation_id),
            primary_id=ids.encode("cus", asked.primary_id),
            secondary_id=ids.encode("cus", asked.secondary_id),
            status=state.value,
            amount=asked.amount_minor,
            currency=asked.currency,
            device_id=asked.device_id,
            note=asked.note,
            challenge=asked.challenge if state == "pending" else None,
            expires_at=asked.expires_at,
            payment_id=ids.encode("pay", asked.payment_id) if asked.payment_id else None,
            approved_by=asked.approved_by,
            reason=asked.reason,
            livemode=asked.livemode,
            created_at=asked.created_at,
            updated_at=asked.updated_at,
        )


class RequestList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    url: str
    has_more: bool
    data: list[RequestView]
    object: Literal["list"] = "list"


def _metadata(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


@post(
    "/delegations/{delegation_id:str}/requests",
    status_code=201,
    summary="Ask the primary to approve a payment",
    description="Under a partial delegation. What the payment would take of limits is held until "
    "the primary decides, at most ten minutes.",
    tags=["delegations"],
    opt=allow("delegations:write", signed=True)
    | problems(*("delegation_closed", "device_not_trusted", "limit_exceeded", "conflict")),
)
async def ask_approval(
    request: Request[Any, Any, Any],
    delegation_id: FromPath[str],
    data: JSONBody[AskApproval],
    principal: NamedDependency[Principal],
    approvals: NamedDependency[Approvals],
    clock: NamedDependency[Clock],
) -> Response[RequestView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    order = RequestOrder(
        merchant_id=principal.merchant,
        delegation_id=ids.decode("dlg", delegation_id),
        amount_minor=data.amount,
        currency=data.currency,
        device_id=data.device_id,
        note=data.note,
        livemode=principal.livemode,
    )

    def render(made: Asked) -> Answer:
        return Answer(201, msgspec.json.encode(RequestView.of(made, clock.now())))

    async def act() -> Answer:
        return await approvals.ask(order, key, render, _metadata(request, principal))

    async def present(request_id: UUID) -> Present:
        return Present(render(await approvals.get(request_id, principal.merchant)), busy=False)

    return respond(await once(act, present, key.request_hash))


@get(
    "/delegations/{delegation_id:str}/requests",
    summary="Requests under a delegation, newest first",
    tags=["delegations"],
    opt=allow("delegations:read"),
)
async def list_requests(
    delegation_id: FromPath[str],
    principal: NamedDependency[Principal],
    approvals: NamedDependency[Approvals],
    clock: NamedDependency[Clock],
    limit: Limit = 10,
    starting_after: Cursor = None,
    status: FromQuery[Literal["pending", "approved", "declined", "expired"] | None] = None,
) -> RequestList:
    now = clock.now()
    filters = Filters(delegation_id=ids.decode("dlg", delegation_id), now=now, status=status)
    asked = window("dlr", limit, starting_after)
    found, more = await approvals.page(principal.merchant, filters, asked)
    url = f"/api/v1/delegations/{delegation_id}/requests"
    return RequestList(url=url, has_more=more, data=[RequestView.of(each, now) for each in found])


@get(
    "/delegations/{delegation_id:str}/payments",
    summary="Payments under a delegation, newest first",
    description="All that its primary may see: made alone or approved, whatever became of them.",
    tags=["delegations"],
    opt=allow("delegations:read"),
)
async def list_delegated_payments(
    delegation_id: FromPath[str],
    principal: NamedDependency[Principal],
    approvals: NamedDependency[Approvals],
    limit: Limit = 10,
    starting_after: Cursor = None,
) -> PaymentList:
    asked = window("pay", limit, starting_after)
    found, more = await approvals.payments(
        ids.decode("dlg", delegation_id), principal.merchant, asked
    )
    url = f"/api/v1/delegations/{delegation_id}/payments"
    return PaymentList(url=url, has_more=more, data=[PaymentView.of(each) for each in found])


@get(
    "/delegation-requests/{request_id:str}",
    summary="A request for approval",
    tags=["delegations"],
    opt=allow("delegations:read"),
)
async def read_request(
    request_id: FromPath[str],
    principal: NamedDependency[Principal],
    approvals: NamedDependency[Approvals],
    clock: NamedDependency[Clock],
) -> Response[RequestView]:
    found = await approvals.get(ids.decode("dlr", request_id), principal.merchant)
    return Response(RequestView.of(found, clock.now()), headers=etag(found.version))


@post(
    "/delegation-requests/{request_id:str}/approve",
    status_code=201,
    summary="Approve a request, and pay",
    description="With a signature by an active device of the primary. Answers with the payment, as "
    "`POST /payments` does; approving again makes no second one and answers with the first. 202: "
    "the outcome is not known yet; read the payment.",
    tags=["delegations"],
    opt=allow("payments:write", signed=True)
    | problems(
        *("illegal_state", "request_expired", "proof_invalid", "device_not_trusted"),
        *("delegation_closed", "limit_exceeded"),
    ),
)
async def approve_request(
    request: Request[Any, Any, Any],
    request_id: FromPath[str],
    data: JSONBody[ApproveRequest],
    principal: NamedDependency[Principal],
    approvals: NamedDependency[Approvals],
    payments: NamedDependency[Payments],
    clock: NamedDependency[Clock],
) -> Response[PaymentView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    approval = Approval(
        request_id=ids.decode("dlr", request_id),
        merchant_id=principal.merchant,
        device_id=data.device_id,
        signature=_signature(data.signature),
        metadata=_metadata(request, principal),
    )

    async def act() -> Answer:
        return (await approvals.approve(approval, Call(key=key, render=_paid))).answer

    async def present(payment_id: UUID) -> Present:
        payment = await payments.get(payment_id, principal.merchant)
        return Present(views.answer(payment, 201), is_busy(payment, clock.now()))

    return respond(await once(act, present, key.request_hash))


@post(
    "/delegation-requests/{request_id:str}/decline",
    status_code=200,
    summary="Decline a request",
    description="By the primary, or by the secondary who wants it no more. What it held is given "
    "back. Declining again changes nothing.",
    tags=["delegations"],
    opt=allow("delegations:write") | problems("illegal_state", "request_expired"),
)
async def decline_request(
    request: Request[Any, Any, Any],
    request_id: FromPath[str],
    data: JSONBody[DeclineRequest],
    principal: NamedDependency[Principal],
    approvals: NamedDependency[Approvals],
    clock: NamedDependency[Clock],
) -> Response[RequestView]:
    declined = await approvals.decline(
        ids.decode("dlr", request_id),
        principal.merchant,
        data.reason,
        _metadata(request, principal),
    )
    return Response(RequestView.of(declined, clock.now()), headers=etag(declined.version))


def _paid(payment: Payment | None, *_: object) -> Answer:
    """A decline by the rail is a payment too: one that failed."""
    assert payment is not None  # a payment was made
    return views.answer(payment, 201)


def _signature(text: str) -> bytes:
    bare = text.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    try:
        if "-" in bare or "_" in bare:
            return urlsafe_b64decode(padded)
        return b64decode(padded, validate=True)
    except binascii.Error:
        raise InvalidRequest("must be base64", param="signature") from None


router = Router(
    "/api/v1",
    route_handlers=[
        *(ask_approval, list_requests, list_delegated_payments),
        *(read_request, approve_request, decline_request),
    ],
)
