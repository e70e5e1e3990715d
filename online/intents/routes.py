"""`/api/v1/intents`."""

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from online.customers.service import Customers
from online.intents.domain import Intent, Status
from online.intents.service import Confirmation, Intents, NewIntent
from online.intents.views import IntentList, IntentView, Showing
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.limits.authority import Purchase
from online.merchants.service import Merchants
from online.payments.methods import Instruments, PaymentMethod, ReturnUrl
from online.payments.orders import BUSY, Call
from online.payments.service import Payments
from online.payments.views import refusal_of
from online.platform.calls import check_match, etag, key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.lists import Cursor, Limit, window
from online.platform.openapi_page import problems
from online.platform.wire import AmountMinor, IpAddress, WireStruct, id_of
from online.rails.domain import Outcome
from online.security.domain import Kind, Principal, allow

Methods = Annotated[tuple[Literal["upi", "card"], ...], Meta(min_length=1, max_length=2)]
CustomerId = Annotated[str, id_of("cus")]
Description = Annotated[str, Meta(max_length=200)]
ValidFor = Annotated[int, Meta(ge=60, le=7 * 86_400, description="seconds")]
_VALID_FOR_S: Final = 3600
_SECRET_HEADER: Final = "Khata-Client-Secret"  # noqa: S105 - the name of a header


class CreateIntent(WireStruct, frozen=True, kw_only=True):
    amount: AmountMinor
    currency: Literal["INR"] = "INR"
    payment_methods: Methods = ("upi", "card")
    capture_method: Literal["automatic", "manual"] = "automatic"
    priority: Literal["cost", "speed", "reliability", "balanced"] = "balanced"
    customer_id: CustomerId | None = None
    description: Description | None = None
    expires_in_s: ValidFor = _VALID_FOR_S


class UpdateIntent(WireStruct, frozen=True, kw_only=True):
    """What is left out stays as it is; null takes a customer or a description away."""

    amount: AmountMinor | UnsetType = UNSET
    payment_methods: Methods | UnsetType = UNSET
    capture_method: Literal["automatic", "manual"] | UnsetType = UNSET
    priority: Literal["cost", "speed", "reliability", "balanced"] | UnsetType = UNSET
    customer_id: CustomerId | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    expires_in_s: ValidFor | UnsetType = UNSET

    def changes(self, now: datetime) -> dict[str, Any]:
        """As the fields of the event."""
        given = {f: v for f in self.__struct_fields__ if (v := getattr(self, f)) is not UNSET}
        if "expires_in_s" in given:
            given["expires_at"] = now + timedelta(seconds=given.pop("expires_in_s"))
        if "payment_methods" in given:
            given["payment_methods"] = list(dict.fromkeys(given["payment_methods"]))
        return given


class ConfirmIntent(WireStruct, frozen=True, kw_only=True):
    """`client_secret` is required with a publishable key."""

    payment_method: PaymentMethod
    client_secret: Annotated[str, Meta(max_length=200)] | None = None
    device_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    ip_address: IpAddress | None = None
    return_url: ReturnUrl | None = None


class CancelIntent(WireStruct, frozen=True, kw_only=True):
    """No fields."""


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
        # The two were not read at once: the payment may have ended in between.
        intent = await desk.intents.get(intent_id, showing.merchant.id)
    return Present(showing.answer(200, intent), busy)


@post(
    "/intents",
    status_code=201,
    summary="Create a payment intent",
    description="An Idempotency-Key is optional here: no money moves before the confirmation.",
    tags=["intents"],
    opt=allow("intents:write")
    | problems("not_found", "idempotency_in_flight", "idempotency_key_reused"),
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
) -> Response[IntentView]:
    id_ = ids.decode("pi", intent_id)
    if principal.kind is Kind.PUBLISHABLE:
        desk.intents.check_secret(id_, request.headers.get(_SECRET_HEADER))
    intent = await desk.intents.get(id_, principal.merchant)
    showing = await desk.showing(principal.merchant, intent.customer_id)
    return Response(showing.view(intent), headers=etag(intent.version))


@get("/intents", summary="Intents, newest first", tags=["intents"], opt=allow("intents:read"))
async def list_intents(
    principal: NamedDependency[Principal],
    desk: NamedDependency[Desk],
    limit: Limit = 10,
    starting_after: Cursor = None,
    status: FromQuery[Status | None] = None,
) -> IntentList:
    asked = window("pi", limit, starting_after)
    found, more = await desk.intents.page(principal.merchant, status, asked)
    merchant = await desk.merchants.get(principal.merchant)
    wanted = {intent.customer_id for intent in found if intent.customer_id}
    customers = await desk.customers.by_ids(wanted, principal.merchant)
    shown = [
        Showing(
            intents=desk.intents,
            merchant=merchant,
            customer=customers.get(intent.customer_id) if intent.customer_id else None,
        ).view(intent)
        for intent in found
    ]
    return IntentList(has_more=more, data=shown)


@post(
    "/intents/{intent_id:str}",
    status_code=200,
    summary="Update a payment intent that is not under way",
    description="`If-Match` with the ETag of the version that was read refuses a lost update.",
    tags=["intents"],
    opt=allow("intents:write") | problems("illegal_state", "precondition_failed"),
)
async def update_intent(
    request: Request[Any, Any, Any],
    intent_id: FromPath[str],
    data: JSONBody[UpdateIntent],
    principal: NamedDependency[Principal],
    desk: NamedDependency[Desk],
) -> Response[IntentView]:
    changes = data.changes(desk.clock.now())

    def check(intent: Intent) -> dict[str, Any]:
        check_match(request, intent.version)
        return changes

    if changes.get("customer_id"):
        named = ids.decode("cus", changes["customer_id"])
        await desk.customers.get(named, principal.merchant)
    id_ = ids.decode("pi", intent_id)
    metadata = _metadata(request, principal)
    intent = await desk.intents.update(id_, principal.merchant, check, metadata)
    showing = await desk.showing(principal.merchant, intent.customer_id)
    return Response(showing.view(intent), headers=etag(intent.version))


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
    purchase = Purchase(
        merchant_id=principal.merchant,
        livemode=principal.livemode,
        amount_minor=intent.amount_minor,
        currency=intent.currency,
        customer_id=intent.customer_id,
        device_id=data.device_id,
        intent_id=id_,
    )
    ip_hash = desk.instruments.address(data.ip_address)

    async def act() -> Answer:
        call = Call(key=key, render=showing.followed)
        async with desk.intents.replaying(key):
            instrument = await desk.instruments.of(data.payment_method, purchase, payer)
        confirmation = Confirmation(
            instrument=instrument,
            device_id=data.device_id,
            ip_hash=ip_hash,
            return_url=data.return_url,
        )
        return await desk.intents.confirm(
            id_, principal.merchant, confirmation, call, _metadata(request, principal)
        )

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
        def render(payment: object, intent: object, outcome: Outcome | None) -> Answer:
            return refusal_of(request, outcome) or showing.followed(payment, intent, outcome)

        call = Call(key=key, render=render)
        metadata = _metadata(request, principal)
        return await desk.intents.cancel(id_, principal.merchant, call, metadata)

    present = partial(_present, desk, showing, id_)
    return respond(await once(act, present, key.request_hash))


router = Router(
    "/api/v1",
    route_handlers=[
        *(create_intent, read_intent, list_intents),
        *(update_intent, confirm_intent, cancel_intent),
    ],
)
