"""`/api/v1/payments`."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.limits.authority import Purchase
from online.payments import views
from online.payments.domain import Payment, Status
from online.payments.late_desk import list_late_money
from online.payments.methods import Instruments, PaymentMethod, ReturnUrl
from online.payments.orders import Call, Order
from online.payments.qr import draw_payment
from online.payments.service import Payments
from online.payments.store import Filters
from online.payments.views import PaymentList, PaymentView
from online.platform.calls import etag, key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.lists import Cursor, IdFilter, Limit, window
from online.platform.wire import AmountMinor, IpAddress, WireStruct, id_of
from online.rails.domain import Outcome
from online.security.domain import Principal, allow

Currency = Literal["INR"]
Device = Annotated[str, Meta(min_length=1, max_length=100)]
CustomerId = Annotated[str, id_of("cus")]


class CreatePayment(WireStruct, frozen=True, kw_only=True):
    amount: AmountMinor
    payment_method: PaymentMethod
    currency: Currency = "INR"
    capture_method: Literal["automatic", "manual"] = "automatic"
    priority: Literal["cost", "speed", "reliability", "balanced"] = "balanced"
    customer_id: CustomerId | None = None
    device_id: Device | None = None
    ip_address: IpAddress | None = None
    return_url: ReturnUrl | None = None


class CapturePayment(WireStruct, frozen=True, kw_only=True):
    """Without an amount, all that is left of the authorization."""

    amount: AmountMinor | None = None


class CancelPayment(WireStruct, frozen=True, kw_only=True):
    """No fields."""


class ReversePayment(WireStruct, frozen=True, kw_only=True):
    """No fields: a reversal undoes the whole payment."""


def _paid(payment: Payment | None, _: object | None, __: Outcome | None) -> Answer:
    """A decline is a payment too: one that failed."""
    assert payment is not None  # a payment was made
    return views.answer(payment, 201)


def _afterwards(
    request: Request[Any, Any, Any],
    payment: Payment | None,
    _: object | None,
    outcome: Outcome | None,
) -> Answer:
    """An operation on a payment: done, still open, or refused by the rail, which is no success."""
    assert payment is not None  # these calls always touch one
    refused = views.refusal_of(request, outcome)
    return refused or views.answer(payment, 200, known=outcome is None or outcome.is_final)


def metadata_of(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    """Who asked, for the events of this call."""
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


class _Presenter:
    """What a repeated key learns about a payment whose first call has no stored answer."""

    def __init__(self, payments: Payments, merchant_id: UUID, now: datetime, done: int) -> None:
        self._payments = payments
        self._merchant_id = merchant_id
        self._now = now
        self._done = done

    async def __call__(self, payment_id: UUID) -> Present:
        payment = await self._payments.get(payment_id, self._merchant_id)
        settled = not (payment.capture_open_minor or payment.refund_open_minor)
        shown = views.answer(payment, self._done, known=settled)
        return Present(shown, views.is_busy(payment, self._now))


@post(
    "/payments",
    status_code=201,
    summary="Take a payment in one call",
    description="Assesses risk, chooses a route and asks the rail. 202: the outcome is not known "
    "yet; read the payment, do not pay again.",
    tags=["payments"],
    opt=allow("payments:write", signed=True),
)
async def create_payment(
    request: Request[Any, Any, Any],
    data: JSONBody[CreatePayment],
    principal: NamedDependency[Principal],
    payments: NamedDependency[Payments],
    instruments: NamedDependency[Instruments],
    clock: NamedDependency[Clock],
) -> Response[PaymentView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    purchase = Purchase(
        merchant_id=principal.merchant,
        livemode=principal.livemode,
        amount_minor=data.amount,
        currency=data.currency,
        customer_id=ids.decode("cus", data.customer_id) if data.customer_id else None,
        device_id=data.device_id,
    )
    payer = data.customer_id or data.device_id or key.key

    async def act() -> Answer:
        async with payments.replaying(key):
            instrument = await instruments.of(data.payment_method, purchase, payer)
        order = Order(
            merchant_id=principal.merchant,
            amount_minor=data.amount,
            currency=data.currency,
            instrument=instrument,
            capture_method=data.capture_method,
            priority=data.priority,
            customer_id=purchase.customer_id or instrument.customer_id,
            device_id=data.device_id,
            ip_hash=instruments.address(data.ip_address),
            return_url=data.return_url,
        )
        call = Call(key=key, render=_paid)
        return (await payments.pay(order, call, metadata_of(request, principal))).answer

    present = _Presenter(payments, principal.merchant, clock.now(), 201)
    return respond(await once(act, present, key.request_hash))


@get(
    "/payments/{payment_id:str}",
    summary="A payment",
    tags=["payments"],
    opt=allow("payments:read"),
)
async def read_payment(
    payment_id: FromPath[str],
    principal: NamedDependency[Principal],
    payments: NamedDependency[Payments],
) -> Response[PaymentView]:
    payment = await payments.get(ids.decode("pay", payment_id), principal.merchant)
    return Response(PaymentView.of(payment), headers=etag(payment.version))


@get("/payments", summary="Payments, newest first", tags=["payments"], opt=allow("payments:read"))
async def list_payments(
    principal: NamedDependency[Principal],
    payments: NamedDependency[Payments],
    limit: Limit = 10,
    starting_after: Cursor = None,
    status: FromQuery[Status | None] = None,
    method: FromQuery[Literal["upi", "card"] | None] = None,
    customer_id: IdFilter = None,
    intent_id: IdFilter = None,
    created_from: FromQuery[datetime | None] = None,
    created_to: FromQuery[datetime | None] = None,
) -> PaymentList:
    filters = Filters(
        status=status,
        method=method,
        customer_id=ids.decode("cus", customer_id) if customer_id else None,
        intent_id=ids.decode("pi", intent_id) if intent_id else None,
        created_from=created_from,
        created_to=created_to,
    )
    asked = window("pay", limit, starting_after)
    found, more = await payments.page(principal.merchant, filters, asked)
    return PaymentList(has_more=more, data=[PaymentView.of(each) for each in found])


@post(
    "/payments/{payment_id:str}/capture",
    status_code=200,
    summary="Capture an authorized payment, whole or in part",
    tags=["payments"],
    opt=allow("payments:write", signed=True),
)
async def capture_payment(
    request: Request[Any, Any, Any],
    payment_id: FromPath[str],
    data: JSONBody[CapturePayment],
    principal: NamedDependency[Principal],
    payments: NamedDependency[Payments],
    clock: NamedDependency[Clock],
) -> Response[PaymentView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    id_ = ids.decode("pay", payment_id)

    async def act() -> Answer:
        call = Call(key=key, render=partial(_afterwards, request))
        done = await payments.capture(
            id_, principal.merchant, data.amount, call, metadata_of(request, principal)
        )
        return done.answer

    present = _Presenter(payments, principal.merchant, clock.now(), 200)
    return respond(await once(act, present, key.request_hash))


@post(
    "/payments/{payment_id:str}/cancel",
    status_code=200,
    summary="Cancel a payment that is authorized or waits for the payer",
    tags=["payments"],
    opt=allow("payments:write", signed=True),
)
async def cancel_payment(
    request: Request[Any, Any, Any],
    payment_id: FromPath[str],
    data: JSONBody[CancelPayment],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    payments: NamedDependency[Payments],
    clock: NamedDependency[Clock],
) -> Response[PaymentView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    id_ = ids.decode("pay", payment_id)

    async def act() -> Answer:
        call = Call(key=key, render=partial(_afterwards, request))
        metadata = metadata_of(request, principal)
        return (await payments.cancel(id_, principal.merchant, call, metadata)).answer

    present = _Presenter(payments, principal.merchant, clock.now(), 200)
    return respond(await once(act, present, key.request_hash))


@post(
    "/payments/{payment_id:str}/reverse",
    status_code=200,
    summary="Undo a captured payment before its day is settled",
    description="Fee and tax included, as if it had never been; a refund gives money back later. "
    "202: the outcome is not known yet; read the payment, do not reverse again.",
    tags=["payments"],
    opt=allow("payments:write", signed=True),
)
async def reverse_payment(
    request: Request[Any, Any, Any],
    payment_id: FromPath[str],
    data: JSONBody[ReversePayment],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    payments: NamedDependency[Payments],
    clock: NamedDependency[Clock],
) -> Response[PaymentView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    id_ = ids.decode("pay", payment_id)

    async def act() -> Answer:
        call = Call(key=key, render=partial(_afterwards, request))
        metadata = metadata_of(request, principal)
        return (await payments.reverse(id_, principal.merchant, call, metadata)).answer

    present = _Presenter(payments, principal.merchant, clock.now(), 200)
    return respond(await once(act, present, key.request_hash))


router = Router(
    "/api/v1",
    route_handlers=[
        *(create_payment, read_payment, list_payments),
        *(capture_payment, cancel_payment, reverse_payment),
        list_late_money,
        draw_payment,
    ],
)
