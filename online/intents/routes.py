"""`/api/v1/intents`."""

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from online.customers.domain import Customer
from online.customers.service import Customers
from online.intents.domain import Intent, Status
from online.intents.service import Confirmation, Intents, NewIntent
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.merchants.domain import Merchant
from online.merchants.service import Merchants
from online.payments.methods import Instruments, PaymentMethod
from online.payments.orders import BUSY, Call
from online.payments.service import Payments
from online.platform.calls import key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.wire import AmountMinor, WireStruct
from online.security.domain import Kind, Principal, allow

Methods = Annotated[tuple[Literal["upi", "card"], ...], Meta(min_length=1, max_length=2)]
_VALID_FOR_S: Final = 3600
_SECRET_HEADER: Final = "Khata-Client-Secret"  # noqa: S105 - the name of a header


class CreateIntent(WireStruct, frozen=True, kw_only=True):
    amount: AmountMinor
    currency: Literal["INR"] = "INR"
    payment_methods: Methods = ("upi", "card")
    capture_method: Literal["automatic", "manual"] = "automatic"
    priority: Literal["cost", "speed", "reliability", "balanced"] = "balanced"
    customer_id: Annotated[str, Meta(pattern=r"^cus_")] | None = None
    description: Annotated[str, Meta(max_length=200)] | None = None
    expires_in_s: Annotated[int, Meta(ge=60, le=7 * 86_400)] = _VALID_FOR_S


class ConfirmIntent(WireStruct, frozen=True, kw_only=True):
    """`client_secret` is required with a publishable key."""

    payment_method: PaymentMethod
    client_secret: Annotated[str, Meta(max_length=200)] | None = None
    device_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None


class CancelIntent(WireStruct, frozen=True, kw_only=True):
    """No fields."""


class CustomerPart(Struct, frozen=True, kw_only=True):
    id: str
    name: str | None
    email: str | None
    phone: str | None
    upi_type: str | None
    vpa_masked: str | None


class MerchantPart(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    mcc: str


class IntentView(Struct, frozen=True, kw_only=True):
    """Amount in minor units of `currency`."""

    id: str
    amount: int
    currency: str
    payment_methods: list[str]
    customer: CustomerPart | None
    merchant: MerchantPart
    status: str
    client_secret: str
    capture_method: str
    priority: str
    description: str | None
    payment_id: str | None
    next_action: dict[str, Any] | None
    last_payment_error: dict[str, Any] | None
    livemode: bool
    created_at: datetime
    expires_at: datetime


class Desk(Struct, frozen=True, kw_only=True):
    """What every handler here needs; one dependency instead of seven."""

    intents: Intents
    payments: Payments
    merchants: Merchants
    customers: Customers
    instruments: Instruments
    clock: Clock

    async def showing(self, merchant_id: UUID, customer_id: UUID | None) -> "Showing":
        merchant = await self.merchants.get(merchant_id)
        customer = await self.customers.get(customer_id, merchant_id) if customer_id else None
        return Showing(intents=self.intents, merchant=merchant, customer=customer)


class Showing(Struct, frozen=True, kw_only=True):
    """Renders intents of one merchant and customer."""

    intents: Intents
    merchant: Merchant
    customer: Customer | None

    def view(self, intent: Intent) -> IntentView:
        return IntentView(
            id=ids.encode("pi", intent.id),
            amount=intent.amount_minor,
            currency=intent.currency,
            payment_methods=intent.payment_methods,
            customer=_customer(self.customer) if self.customer else None,
            merchant=MerchantPart(
                id=ids.encode("mrc", self.merchant.id),
                name=self.merchant.name,
                mcc=self.merchant.mcc,
            ),
            status=intent.status,
            client_secret=self.intents.client_secret(intent.id),
            capture_method=intent.capture_method,
            priority=intent.priority,
            description=intent.description,
            payment_id=ids.encode("pay", intent.payment_id) if intent.payment_id else None,
            next_action=intent.next_action,
            last_payment_error=intent.last_payment_error,
            livemode=intent.livemode,
            created_at=intent.created_at,
            expires_at=intent.expires_at,
        )

    def answer(self, done: int, intent: Intent) -> Answer:
        return Answer(done, msgspec.json.encode(self.view(intent)))

    def followed(self, _: object, intent: object) -> Answer:
        """For a call whose payment the intent follows."""
        assert isinstance(intent, Intent)
        return self.answer(200, intent)


def _customer(customer: Customer) -> CustomerPart:
    return CustomerPart(
        id=ids.encode("cus", customer.id),
        name=customer.name,
        email=customer.email,
        phone=customer.phone,
        upi_type=customer.upi_type,
        vpa_masked=customer.vpa_masked,
    )


def _metadata(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


async def _present(desk: Desk, showing: Showing, intent_id: UUID, _: UUID) -> Present:
    """What a repeated key learns while its first answer is not stored: the intent as it is."""
    intent = await desk.intents.get(intent_id, showing.merchant.id)
    busy = False
    if intent.status is Status.PROCESSING and intent.payment_id:
        payment = await desk.payments.get(intent.payment_id, showing.merchant.id)
        now = desk.clock.now()
        busy = payment.status == "processing" and now - payment.updated_at < BUSY
    return Present(showing.answer(200, intent), busy)


@post(
    "/intents",
    status_code=201,
    summary="Create a payment intent",
    description="An Idempotency-Key is optional here: no money moves before the confirmation.",
    tags=["intents"],
    opt=allow("intents:write"),
)
async def create_intent(
    request: Request[Any, Any, Any],
    data: JSONBody[CreateIntent],
    principal: NamedDependency[Principal],
    desk: NamedDependency[Desk],
) -> Response[IntentView]:
    owner = (principal.merchant, principal.livemode)
    keyed = "Idempotency-Key" in request.headers
    key = await key_of(request, owner, desk.clock.now()) if keyed else None
    customer_id = ids.decode("cus", data.customer_id) if data.customer_id else None
    showing = await desk.showing(principal.merchant, customer_id)
    new = NewIntent(
        merchant_id=principal.merchant,
        livemode=principal.livemode,
        amount_minor=data.amount,
        currency=data.currency,
        payment_methods=list(dict.fromkeys(data.payment_methods)),
        capture_method=data.capture_method,
        priority=data.priority,
        valid_for=timedelta(seconds=data.expires_in_s),
        customer_id=customer_id,
        description=data.description,
    )

    async def act() -> Answer:
        render = partial(showing.answer, 201)
        created = await desk.intents.create(new, key, render, _metadata(request, principal))
        return showing.answer(201, created)

    async def present(intent_id: UUID) -> Present:
        return Present(
            showing.answer(201, await desk.intents.get(intent_id, principal.merchant)), busy=False
        )

    return respond(await once(act, present, key.request_hash if key else b""))


@get(
    "/intents/{intent_id:str}",
    summary="A payment intent",
    description=f"With a publishable key, send the client secret in `{_SECRET_HEADER}`.",
    tags=["intents"],
    opt=allow("intents:read", publishable=True),
)
async def read_intent(
    request: Request[Any, Any, Any],
    intent_id: FromPath[str],
    principal: NamedDependency[Principal],
    desk: NamedDependency[Desk],
) -> IntentView:
    id_ = ids.decode("pi", intent_id)
    if principal.kind is Kind.PUBLISHABLE:
        desk.intents.check_secret(id_, request.headers.get(_SECRET_HEADER))
    intent = await desk.intents.get(id_, principal.merchant)
    showing = await desk.showing(principal.merchant, intent.customer_id)
    return showing.view(intent)


@post(
    "/intents/{intent_id:str}/confirm",
    status_code=200,
    summary="Confirm a payment intent: pay it",
    description="A decline leaves the intent at `requires_payment_method` with "
    "`last_payment_error`. With a publishable key, `client_secret` is required.",
    tags=["intents"],
    opt=allow("intents:write", publishable=True, signed=True),
)
async def confirm_intent(
    request: Request[Any, Any, Any],
    intent_id: FromPath[str],
    data: JSONBody[ConfirmIntent],
    principal: NamedDependency[Principal],
    desk: NamedDependency[Desk],
) -> Response[IntentView]:
    id_ = ids.decode("pi", intent_id)
    if principal.kind is Kind.PUBLISHABLE or data.client_secret is not None:
        desk.intents.check_secret(id_, data.client_secret)
    owner = (principal.merchant, principal.livemode)
    key = await key_of(request, owner, desk.clock.now())
    intent = await desk.intents.get(id_, principal.merchant)
    showing = await desk.showing(principal.merchant, intent.customer_id)
    payer = str(intent.customer_id) if intent.customer_id else data.device_id or intent_id
    instrument = await desk.instruments.of(data.payment_method, principal.merchant, payer)

    async def act() -> Answer:
        call = Call(key=key, render=showing.followed)
        confirmation = Confirmation(instrument=instrument, device_id=data.device_id)
        confirmed = await desk.intents.confirm(
            id_, principal.merchant, confirmation, call, _metadata(request, principal)
        )
        return showing.answer(200, confirmed)

    present = partial(_present, desk, showing, id_)
    return respond(await once(act, present, key.request_hash))


@post(
    "/intents/{intent_id:str}/cancel",
    status_code=200,
    summary="Cancel a payment intent",
    tags=["intents"],
    opt=allow("intents:write", signed=True),
)
async def cancel_intent(
    request: Request[Any, Any, Any],
    intent_id: FromPath[str],
    data: JSONBody[CancelIntent],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    desk: NamedDependency[Desk],
) -> Response[IntentView]:
    id_ = ids.decode("pi", intent_id)
    owner = (principal.merchant, principal.livemode)
    key = await key_of(request, owner, desk.clock.now())
    intent = await desk.intents.get(id_, principal.merchant)
    showing = await desk.showing(principal.merchant, intent.customer_id)

    async def act() -> Answer:
        call = Call(key=key, render=showing.followed)
        metadata = _metadata(request, principal)
        canceled = await desk.intents.cancel(id_, principal.merchant, call, metadata)
        return showing.answer(200, canceled)

    present = partial(_present, desk, showing, id_)
    return respond(await once(act, present, key.request_hash))


router = Router(
    "/api/v1", route_handlers=[create_intent, read_intent, confirm_intent, cancel_intent]
)
