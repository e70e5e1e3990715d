"""`/api/v1/delegations`; what the primary approves and sees of payments is in `approvals`."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct

from online.delegations.service import Ask, DelegationOrder, Delegations, Shown
from online.delegations.store import Filters
from online.kernel import ids
from online.kernel.events import Metadata
from online.platform.calls import check_match, etag
from online.platform.http import request_id_of
from online.platform.lists import Cursor, IdFilter, Limit, window
from online.platform.openapi_page import problems
from online.platform.wire import AmountMinor, WireStruct, id_of
from online.security.domain import Principal, allow

Vpa = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{2,255}@[A-Za-z][A-Za-z0-9]{1,63}\Z")]
CustomerId = Annotated[str, id_of("cus")]
Reason = Annotated[str, Meta(min_length=1, max_length=200)]


class CreateDelegation(WireStruct, frozen=True, kw_only=True):
    """`full`: the secondary pays alone, within the caps; `partial`: the primary approves each
    payment. `vpa` is the primary's. Caps of its own may lower those of the rules, never raise
    them."""

    primary_id: CustomerId
    secondary_id: CustomerId
    vpa: Vpa
    kind: Literal["full", "partial"]
    max_per_payment: AmountMinor | None = None
    max_per_month: AmountMinor | None = None
    currency: Literal["INR"] = "INR"

    def __repr__(self) -> str:
        return "CreateDelegation(…)"


class PauseDelegation(WireStruct, frozen=True, kw_only=True):
    reason: Reason | None = None


class ResumeDelegation(WireStruct, frozen=True, kw_only=True):
    """No fields."""


class RevokeDelegation(WireStruct, frozen=True, kw_only=True):
    reason: Reason | None = None


class CapView(Struct, frozen=True, kw_only=True):
    """`used` until `until`; requests that wait for approval count."""

    rule: str
    cap: int
    used: int
    left: int
    until: datetime | None


class DelegationView(Struct, frozen=True, kw_only=True):
    """`max_per_payment` and the caps are those that count now: its own, or the rules' where they
    are lower. Amounts in minor units of `currency`."""

    id: str
    primary_id: str
    secondary_id: str
    kind: str
    status: str
    vpa_masked: str
    currency: str
    max_per_payment: int | None
    caps: list[CapView]
    cooling_until: datetime
    reason: str | None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, shown: Shown) -> "DelegationView":
        found = shown.delegation
        return cls(
            id=found.reference,
            primary_id=found.primary,
            secondary_id=found.secondary,
            kind=found.kind,
            status=found.status.value,
            vpa_masked=found.instrument_mask,
            currency=found.currency,
            max_per_payment=shown.per_payment,
            caps=[
                CapView(rule=c.rule, cap=c.cap, used=c.used, left=c.left, until=c.until)
                for c in shown.caps
            ],
            cooling_until=found.cooling_until,
            reason=found.reason,
            livemode=found.livemode,
            created_at=found.created_at,
            updated_at=found.updated_at,
        )


class DelegationList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    has_more: bool
    data: list[DelegationView]
    object: Literal["list"] = "list"
    url: str = "/api/v1/delegations"


def _response(shown: Shown, status: int = 200) -> Response[DelegationView]:
    view = DelegationView.of(shown)
    return Response(view, status_code=status, headers=etag(shown.delegation.version))


def _metadata(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


def _ask(request: Request[Any, Any, Any], delegation_id: str, principal: Principal) -> Ask:
    return Ask(
        delegation_id=ids.decode("dlg", delegation_id),
        merchant_id=principal.merchant,
        metadata=_metadata(request, principal),
        match=partial(check_match, request),
    )


@post(
    "/delegations",
    status_code=201,
    summary="Let one customer pay from another's account",
    description="A primary has at most five secondaries, a secondary one primary. In the first 24 "
    "hours little can be paid. The primary's VPA goes into the vault.",
    tags=["delegations"],
    opt=allow("delegations:write", signed=True)
    | problems("not_found", "not_for_this_user", "too_many_secondaries", "has_primary"),
)
async def create_delegation(
    request: Request[Any, Any, Any],
    data: JSONBody[CreateDelegation],
    principal: NamedDependency[Principal],
    delegations: NamedDependency[Delegations],
) -> Response[DelegationView]:
    order = DelegationOrder(
        merchant_id=principal.merchant,
        primary_id=ids.decode("cus", data.primary_id),
        secondary_id=ids.decode("cus", data.secondary_id),
        vpa=data.vpa,
        kind=data.kind,
        currency=data.currency,
        per_payment_minor=data.max_per_payment,
        per_month_minor=data.max_per_month,
        livemode=principal.livemode,
    )
    return _response(await delegations.create(order, _metadata(request, principal)), 201)


@get(
    "/delegations/{delegation_id:str}",
    summary="A delegation and how its caps stand",
    tags=["delegations"],
    opt=allow("delegations:read"),
)
async def read_delegation(
    delegation_id: FromPath[str],
    principal: NamedDependency[Principal],
    delegations: NamedDependency[Delegations],
) -> Response[DelegationView]:
    return _response(await delegations.show(ids.decode("dlg", delegation_id), principal.merchant))


@get(
    "/delegations",
    summary="Delegations, newest first",
    description="`customer_id`: those where they are the primary or the secondary.",
    tags=["delegations"],
    opt=allow("delegations:read"),
)
async def list_delegations(
    principal: NamedDependency[Principal],
    delegations: NamedDependency[Delegations],
    limit: Limit = 10,
    starting_after: Cursor = None,
    customer_id: IdFilter = None,
    status: FromQuery[Literal["active", "paused", "revoked"] | None] = None,
) -> DelegationList:
    filters = Filters(
        customer_id=ids.decode("cus", customer_id) if customer_id else None, status=status
    )
    asked = window("dlg", limit, starting_after)
    found, more = await delegations.page(principal.merchant, filters, asked)
    return DelegationList(has_more=more, data=[DelegationView.of(each) for each in found])


@post(
    "/delegations/{delegation_id:str}/pause",
    status_code=200,
    summary="Stop a delegation for a while, at once",
    tags=["delegations"],
    opt=allow("delegations:write") | problems("illegal_state", "precondition_failed"),
)
async def pause_delegation(
    request: Request[Any, Any, Any],
    delegation_id: FromPath[str],
    data: JSONBody[PauseDelegation],
    principal: NamedDependency[Principal],
    delegations: NamedDependency[Delegations],
) -> Response[DelegationView]:
    ask = _ask(request, delegation_id, principal)
    return _response(await delegations.pause(ask, data.reason))


@post(
    "/delegations/{delegation_id:str}/resume",
    status_code=200,
    summary="Let a paused delegation go on",
    tags=["delegations"],
    opt=allow("delegations:write") | problems("illegal_state", "precondition_failed"),
)
async def resume_delegation(
    request: Request[Any, Any, Any],
    delegation_id: FromPath[str],
    data: JSONBody[ResumeDelegation],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    delegations: NamedDependency[Delegations],
) -> Response[DelegationView]:
    return _response(await delegations.resume(_ask(request, delegation_id, principal)))


@post(
    "/delegations/{delegation_id:str}/revoke",
    status_code=200,
    summary="End a delegation for good, at once",
    description="A payment that races with it is refused, or was there before it. What waits for "
    "approval cannot be approved any more. Revoking again changes nothing.",
    tags=["delegations"],
    opt=allow("delegations:write") | problems("precondition_failed"),
)
async def revoke_delegation(
    request: Request[Any, Any, Any],
    delegation_id: FromPath[str],
    data: JSONBody[RevokeDelegation],
    principal: NamedDependency[Principal],
    delegations: NamedDependency[Delegations],
) -> Response[DelegationView]:
    ask = _ask(request, delegation_id, principal)
    return _response(await delegations.revoke(ask, data.reason))


router = Router(
    "/api/v1",
    route_handlers=[
        *(create_delegation, read_delegation, list_delegations),
        *(pause_delegation, resume_delegation, revoke_delegation),
    ],
)
