"""`/api/v1/handles`."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct

from online.handles.service import Ask, HandleOrder, Handles, Shown
from online.handles.store import Filters
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.platform.calls import check_match, etag
from online.platform.http import request_id_of
from online.platform.lists import Cursor, IdFilter, Limit, window
from online.platform.openapi_page import problems
from online.platform.wire import AmountMinor, WireStruct, id_of
from online.security.domain import Principal, allow

Vpa = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{2,255}@[A-Za-z][A-Za-z0-9]{1,63}\Z")]
Purpose = Annotated[str, Meta(pattern=r"^([0-9A-Z]{2}|p2p)\Z")]


class CreateHandle(WireStruct, frozen=True, kw_only=True):
    """`purpose` is the code that UPI knows (`00` an ordinary payment, `p2p` a transfer): what is
    paid under the handle has to be for the same. `max_amount` caps one payment, `max_total` all of
    them together."""

    customer_id: Annotated[str, id_of("cus")]
    vpa: Vpa
    max_amount: AmountMinor
    expires_at: Annotated[datetime, Meta(tz=True)]
    max_uses: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    max_total: AmountMinor | None = None
    purpose: Purpose = "00"
    currency: Literal["INR"] = "INR"

    def __repr__(self) -> str:
        return "CreateHandle(…)"


class RevokeHandle(WireStruct, frozen=True, kw_only=True):
    reason: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class HandleView(Struct, frozen=True, kw_only=True):
    """`vpa_masked` is all that is shown of the VPA. `uses_left` and `amount_left` are what payments
    have not taken yet; `amount_left` is null without `max_total`."""

    id: str
    customer_id: str
    status: str
    vpa_masked: str
    purpose: str
    currency: str
    max_amount: int
    max_total: int | None
    max_uses: int
    uses_left: int
    amount_left: int | None
    expires_at: datetime
    reason: str | None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, shown: Shown) -> "HandleView":
        return cls(**_fields(shown))


class NewHandleView(HandleView, frozen=True, kw_only=True):
    """With the `alias` to pay by, as `payment_method.upi.handle`; it is told this once."""

    alias: str


class HandleList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    has_more: bool
    data: list[HandleView]
    object: Literal["list"] = "list"
    url: str = "/api/v1/handles"


def _fields(shown: Shown) -> dict[str, Any]:
    handle = shown.handle
    return {
        "id": handle.reference,
        "customer_id": ids.encode("cus", handle.customer_id),
        "status": shown.state.value,
        "vpa_masked": handle.instrument_mask,
        "purpose": handle.purpose,
        "currency": handle.currency,
        "max_amount": handle.max_amount_minor,
        "max_total": handle.max_total_minor,
        "max_uses": handle.max_uses,
        "uses_left": shown.uses_left,
        "amount_left": shown.amount_left,
        "expires_at": handle.expires_at,
        "reason": handle.reason,
        "livemode": handle.livemode,
        "created_at": handle.created_at,
        "updated_at": handle.updated_at,
    }


def _metadata(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


@post(
    "/handles",
    status_code=201,
    summary="Make a payment handle for a customer's VPA",
    description="The VPA goes into the vault; the answer's `alias` stands for it in "
    "`payment_method.upi.handle`, within the amounts, uses, time and purpose given here, with this "
    "merchant alone. The alias is told this once.",
    tags=["handles"],
    opt=allow("handles:write", signed=True) | problems("not_found"),
)
async def create_handle(
    request: Request[Any, Any, Any],
    data: JSONBody[CreateHandle],
    principal: NamedDependency[Principal],
    handles: NamedDependency[Handles],
) -> Response[NewHandleView]:
    order = HandleOrder(
        merchant_id=principal.merchant,
        customer_id=ids.decode("cus", data.customer_id),
        vpa=data.vpa,
        purpose=data.purpose,
        currency=data.currency,
        max_amount_minor=data.max_amount,
        max_total_minor=data.max_total,
        max_uses=data.max_uses,
        expires_at=data.expires_at,
        livemode=principal.livemode,
    )
    shown, alias = await handles.create(order, _metadata(request, principal))
    view = NewHandleView(**_fields(shown), alias=alias)
    return Response(view, status_code=201, headers=etag(shown.handle.version))


@get(
    "/handles/{handle_id:str}",
    summary="A handle and what is left of it",
    tags=["handles"],
    opt=allow("handles:read"),
)
async def read_handle(
    handle_id: FromPath[str],
    principal: NamedDependency[Principal],
    handles: NamedDependency[Handles],
) -> Response[HandleView]:
    shown = await handles.show(ids.decode("hdl", handle_id), principal.merchant)
    return Response(HandleView.of(shown), headers=etag(shown.handle.version))


@get("/handles", summary="Handles, newest first", tags=["handles"], opt=allow("handles:read"))
async def list_handles(
    principal: NamedDependency[Principal],
    handles: NamedDependency[Handles],
    clock: NamedDependency[Clock],
    limit: Limit = 10,
    starting_after: Cursor = None,
    customer_id: IdFilter = None,
    status: FromQuery[Literal["active", "revoked", "expired"] | None] = None,
) -> HandleList:
    filters = Filters(
        now=clock.now(),
        customer_id=ids.decode("cus", customer_id) if customer_id else None,
        status=status,
    )
    asked = window("hdl", limit, starting_after)
    found, more = await handles.page(principal.merchant, filters, asked)
    return HandleList(has_more=more, data=[HandleView.of(each) for each in found])


@post(
    "/handles/{handle_id:str}/revoke",
    status_code=200,
    summary="Revoke a handle at once",
    description="A payment that races with it is refused, or was there before it. Revoking again "
    "changes nothing.",
    tags=["handles"],
    opt=allow("handles:write") | problems("precondition_failed"),
)
async def revoke_handle(
    request: Request[Any, Any, Any],
    handle_id: FromPath[str],
    data: JSONBody[RevokeHandle],
    principal: NamedDependency[Principal],
    handles: NamedDependency[Handles],
) -> Response[HandleView]:
    ask = Ask(
        handle_id=ids.decode("hdl", handle_id),
        merchant_id=principal.merchant,
        metadata=_metadata(request, principal),
        match=partial(check_match, request),
    )
    shown = await handles.revoke(ask, data.reason)
    return Response(HandleView.of(shown), headers=etag(shown.handle.version))


router = Router("/api/v1", route_handlers=[create_handle, read_handle, list_handles, revoke_handle])
