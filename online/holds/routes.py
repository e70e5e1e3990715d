"""`/api/v1/holds`."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct

from online.holds.domain import Hold, Status
from online.holds.service import Holds, opening
from online.holds.store import Filters
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.limits.authority import Purchase
from online.payments import views
from online.payments.domain import Payment
from online.payments.methods import Instruments, PaymentMethod, ReturnUrl, UpiMethod
from online.payments.orders import Call, Done, Instrument, Order
from online.payments.service import Payments
from online.platform.calls import etag, key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, IdempotencyKey, Present, once
from online.platform.lists import Cursor, IdFilter, Limit, window
from online.platform.openapi_page import problems
from online.platform.wire import AmountMinor, IpAddress, WireStruct, id_of
from online.rails.domain import Outcome
from online.security.domain import Principal, allow

Words = Annotated[str, Meta(min_length=1, max_length=200)]
_URL: Final = "/holds/{hold_id:str}"
_READ: Final = allow("payments:read")
_WRITE: Final = allow("payments:write", signed=True)
_AT_RAIL: Final = ("refused_by_rail", "illegal_state")


class PlaceHold(WireStruct, frozen=True, kw_only=True):
    """By card an authorization; by UPI a block of the payer's money for one debit or several."""

    amount: AmountMinor
    payment_method: PaymentMethod
    currency: Literal["INR"] = "INR"
    description: Words | None = None
    priority: Literal["cost", "speed", "reliability", "balanced"] = "balanced"
    customer_id: Annotated[str, id_of("cus")] | None = None
    device_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    ip_address: IpAddress | None = None
    return_url: ReturnUrl | None = None


class PartOfHold(WireStruct, frozen=True, kw_only=True):
    """Without an amount, all that is left of it."""

    amount: AmountMinor | None = None


class Nothing(WireStruct, frozen=True, kw_only=True):
    """No fields."""


class HoldView(Struct, frozen=True, kw_only=True):
    """Amounts in minor units of `currency`: `amount` is what was asked for, and is captured,
    released or held once it was placed. `payment` is the payment behind it."""

    id: str
    payment: str
    merchant_id: str
    customer_id: str | None
    status: str
    amount: int
    currency: str
    method: str
    purpose: str | None
    description: str | None
    amount_held: int
    amount_captured: int
    amount_released: int
    expires_at: datetime | None
    next_action: dict[str, Any] | None = None
    last_error: dict[str, Any] | None = None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, hold: Hold, payment: Payment | None = None) -> "HoldView":
        """With what the payer has to do, where the payment is at hand."""
        return cls(
            id=ids.encode("hold", hold.id),
            payment=ids.encode("pay", hold.payment_id),
            merchant_id=ids.encode("mrc", hold.merchant_id),
            customer_id=ids.encode("cus", hold.customer_id) if hold.customer_id else None,
            status=hold.status,
            amount=hold.amount_minor,
            currency=hold.currency,
            method=hold.method,
            purpose=hold.purpose,
            description=hold.description,
            amount_held=hold.held_minor,
            amount_captured=hold.captured_minor,
            amount_released=hold.released_minor,
            expires_at=hold.expires_at,
            next_action=payment.next_action if payment else None,
            last_error=payment.last_error if payment else None,
            livemode=hold.livemode,
            created_at=hold.created_at,
            updated_at=hold.updated_at,
        )


class HoldList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    url: str = "/api/v1/holds"
    has_more: bool
    data: list[HoldView]


def _answer(payment: Payment, hold: Hold, done: int, *, known: bool) -> Answer:
    """`done` once the outcome is known; 202 while it is not."""
    open_ = not known or payment.status in {"processing", "unknown"}
    return Answer(202 if open_ else done, msgspec.json.encode(HoldView.of(hold, payment)))


def _shown(
    request: Request[Any, Any, Any],
    done: int,
    payment: Payment | None,
    hold: object | None,
    outcome: Outcome | None,
) -> Answer:
    """What became of the call; what the rail refused to do afterwards is no success."""
    assert payment is not None  # these calls always touch one
    assert isinstance(hold, Hold)  # which follows it
    refused = views.refusal_of(request, outcome) if done == 200 else None
    known = outcome is None or outcome.is_final or done == 201
    return refused or _answer(payment, hold, done, known=known)


class HoldDesk(Struct, frozen=True, kw_only=True):
    """What every call about a hold needs."""

    holds: Holds
    payments: Payments
    instruments: Instruments
    clock: Clock

    async def keyed(
        self, request: Request[Any, Any, Any], principal: Principal
    ) -> tuple[IdempotencyKey, Metadata]:
        owner = (principal.merchant, principal.livemode)
        key = await key_of(request, owner, self.clock.now())
        return key, Metadata(actor=principal.actor, request_id=request_id_of(request))

    async def once(
        self, key: IdempotencyKey, done: int, act: Callable[[], Awaitable[Done]]
    ) -> Response[HoldView]:
        """Acts, or answers for the first call with the same key."""

        async def answered() -> Answer:
            return (await act()).answer

        async def present(payment_id: UUID) -> Present:
            """What a repeated key learns whose first call has no stored answer."""
            payment = await self.payments.get(payment_id, key.merchant_id)
            hold = await self.holds.of_payment(payment_id, key.merchant_id)
            settled = not (payment.capture_open_minor or payment.refund_open_minor)
            shown = _answer(payment, hold, done, known=settled)
            return Present(shown, views.is_busy(payment, self.clock.now()))

        return respond(await once(answered, present, key.request_hash))

    async def instrument(self, method: PaymentMethod, purchase: Purchase, payer: str) -> Instrument:
        """Of UPI with the purpose of a block, unless the merchant names one."""
        if method.type == "upi":
            upi = method.upi or UpiMethod()
            purpose = upi.purpose or await self.holds.purpose(purchase.merchant_id)
            upi = msgspec.structs.replace(upi, purpose=purpose)
            method = msgspec.structs.replace(method, upi=upi)
        return await self.instruments.of(method, purchase, payer)


@post(
    "/holds",
    status_code=201,
    summary="Keep a payer's money, to be taken or let go later",
    description="By card an authorization, by UPI a block; `payment` is the payment behind it. "
    "202: the outcome is not known yet; read the hold, do not place it again.",
    tags=["holds"],
    opt=_WRITE,
)
async def place_hold(
    request: Request[Any, Any, Any],
    data: JSONBody[PlaceHold],
    principal: NamedDependency[Principal],
    hold_desk: NamedDependency[HoldDesk],
) -> Response[HoldView]:
    key, metadata = await hold_desk.keyed(request, principal)
    purchase = Purchase(
        merchant_id=principal.merchant,
        livemode=principal.livemode,
        amount_minor=data.amount,
        currency=data.currency,
        customer_id=ids.decode("cus", data.customer_id) if data.customer_id else None,
        device_id=data.device_id,
    )
    payer = data.customer_id or data.device_id or key.key

    async def act() -> Done:
        async with hold_desk.payments.replaying(key):
            instrument = await hold_desk.instrument(data.payment_method, purchase, payer)
        order = Order(
            merchant_id=principal.merchant,
            amount_minor=data.amount,
            currency=data.currency,
            instrument=instrument,
            capture_method="manual",
            priority=data.priority,
            customer_id=purchase.customer_id or instrument.customer_id,
            device_id=data.device_id,
            ip_hash=hold_desk.instruments.address(data.ip_address),
            return_url=data.return_url,
            hold=opening(hold_desk.clock.now(), instrument.purpose, data.description),
        )
        call = Call(key=key, render=partial(_shown, request, 201))
        return await hold_desk.holds.place(order, call, metadata)

    return await hold_desk.once(key, 201, act)


@get("/holds", summary="Holds, newest first", tags=["holds"], opt=_READ)
async def list_holds(
    principal: NamedDependency[Principal],
    hold_desk: NamedDependency[HoldDesk],
    limit: Limit = 10,
    starting_after: Cursor = None,
    status: FromQuery[Status | None] = None,
    customer_id: IdFilter = None,
) -> HoldList:
    filters = Filters(
        status=status, customer_id=ids.decode("cus", customer_id) if customer_id else None
    )
    asked = window("hold", limit, starting_after)
    found, more = await hold_desk.holds.page(principal.merchant, filters, asked)
    return HoldList(has_more=more, data=[HoldView.of(each) for each in found])


@get(_URL, summary="A hold", tags=["holds"], opt=_READ)
async def read_hold(
    hold_id: FromPath[str],
    principal: NamedDependency[Principal],
    hold_desk: NamedDependency[HoldDesk],
) -> Response[HoldView]:
    hold = await hold_desk.holds.get(ids.decode("hold", hold_id), principal.merchant)
    payment = await hold_desk.payments.get(hold.payment_id, principal.merchant)
    return Response(HoldView.of(hold, payment), headers=etag(hold.version))


@post(
    f"{_URL}/capture",
    status_code=200,
    summary="Take what is held, whole or in part, as often as there is some left",
    tags=["holds"],
    opt=_WRITE | problems(*_AT_RAIL, "over_capture"),
)
async def capture_hold(
    request: Request[Any, Any, Any],
    hold_id: FromPath[str],
    data: JSONBody[PartOfHold],
    principal: NamedDependency[Principal],
    hold_desk: NamedDependency[HoldDesk],
) -> Response[HoldView]:
    key, metadata = await hold_desk.keyed(request, principal)
    hold = await hold_desk.holds.get(ids.decode("hold", hold_id), principal.merchant)
    call = Call(key=key, render=partial(_shown, request, 200))
    return await hold_desk.once(
        key, 200, lambda: hold_desk.holds.capture(hold, data.amount, call, metadata)
    )


@post(
    f"{_URL}/release",
    status_code=200,
    summary="Let a part of what is held go",
    description="Its rail is told. Once nothing is left the hold is over: `captured` where some of "
    "it was taken, else `canceled`.",
    tags=["holds"],
    opt=_WRITE | problems(*_AT_RAIL, "over_release"),
)
async def release_hold(
    request: Request[Any, Any, Any],
    hold_id: FromPath[str],
    data: JSONBody[PartOfHold],
    principal: NamedDependency[Principal],
    hold_desk: NamedDependency[HoldDesk],
) -> Response[HoldView]:
    key, metadata = await hold_desk.keyed(request, principal)
    hold = await hold_desk.holds.get(ids.decode("hold", hold_id), principal.merchant)
    call = Call(key=key, render=partial(_shown, request, 200))
    return await hold_desk.once(
        key, 200, lambda: hold_desk.holds.release(hold, data.amount, call, metadata)
    )


@post(
    f"{_URL}/extend",
    status_code=200,
    summary="Hold what is left for longer",
    description="By the rule of the payer's network and the merchant's category, counted from now; "
    "its rail is asked where the rule says so. `not_extendable` where there is none, or where it "
    "is held as long as may be already.",
    tags=["holds"],
    opt=_WRITE | problems(*_AT_RAIL, "not_extendable"),
)
async def extend_hold(
    request: Request[Any, Any, Any],
    hold_id: FromPath[str],
    data: JSONBody[Nothing],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    hold_desk: NamedDependency[HoldDesk],
) -> Response[HoldView]:
    key, metadata = await hold_desk.keyed(request, principal)
    hold = await hold_desk.holds.get(ids.decode("hold", hold_id), principal.merchant)
    call = Call(key=key, render=partial(_shown, request, 200))
    return await hold_desk.once(key, 200, lambda: hold_desk.holds.extend(hold, call, metadata))


@post(
    f"{_URL}/cancel",
    status_code=200,
    summary="Let all of it go, before any of it was taken",
    tags=["holds"],
    opt=_WRITE | problems(*_AT_RAIL),
)
async def cancel_hold(
    request: Request[Any, Any, Any],
    hold_id: FromPath[str],
    data: JSONBody[Nothing],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    hold_desk: NamedDependency[HoldDesk],
) -> Response[HoldView]:
    key, metadata = await hold_desk.keyed(request, principal)
    hold = await hold_desk.holds.get(ids.decode("hold", hold_id), principal.merchant)
    call = Call(key=key, render=partial(_shown, request, 200))
    return await hold_desk.once(key, 200, lambda: hold_desk.holds.cancel(hold, call, metadata))


router = Router(
    "/api/v1",
    route_handlers=[
        *(place_hold, list_holds, read_hold),
        *(capture_hold, release_hold, extend_hold, cancel_hold),
    ],
)
