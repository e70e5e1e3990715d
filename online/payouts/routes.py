"""`/api/v1/payouts` and `/api/v1/payout-beneficiaries`."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.payouts import beneficiaries as naming
from online.payouts.beneficiaries import Beneficiaries
from online.payouts.beneficiary import Beneficiary
from online.payouts.beneficiary import Status as Standing
from online.payouts.domain import OVER, Payout, Status
from online.payouts.sending import Call
from online.payouts.service import PayoutOrder, Payouts
from online.payouts.store import Filters
from online.payouts.views import (
    BeneficiaryList,
    BeneficiaryView,
    NameBeneficiary,
    Nothing,
    OrderPayout,
    PayoutList,
    PayoutView,
)
from online.platform.calls import etag, key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.lists import Cursor, IdFilter, Limit, cut, window
from online.platform.openapi_page import problems
from online.security.domain import Principal, allow

_BUSY: Final = timedelta(seconds=60)  # how long a first call may still be running
_WRITE: Final = allow("payouts:write", signed=True)
_READ: Final = allow("payouts:read", "payouts:write")


def _answer_of(beneficiary: Beneficiary) -> Answer:
    """201 once the bank has said whose account it is; 202 while it has not."""
    done = 202 if beneficiary.status is Standing.PENDING else 201
    return Answer(done, msgspec.json.encode(BeneficiaryView.of(beneficiary)))


def _answer(payout: Payout) -> Answer:
    """201 once the outcome is known or its time is to come; 202 while the bank has not said."""
    done = 201 if payout.status in OVER or payout.status is Status.SCHEDULED else 202
    return Answer(done, msgspec.json.encode(PayoutView.of(payout)))


def _metadata(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


# ── beneficiaries ────────────────────────────────────────────────────────────────────────


@post(
    "/payout-beneficiaries",
    status_code=201,
    summary="Name somebody to be paid",
    description="A bank account is verified by one rupee that is paid into it, a VPA by asking "
    "whose it is; the bank's name has to be the one that was given. After that it cools, and may "
    "be paid from `usable_from` on. 202: the bank has not answered yet.",
    tags=["payouts"],
    opt=_WRITE | problems("limit_exceeded"),
)
async def add_beneficiary(
    request: Request[Any, Any, Any],
    data: JSONBody[NameBeneficiary],
    principal: NamedDependency[Principal],
    beneficiaries: NamedDependency[Beneficiaries],
    clock: NamedDependency[Clock],
) -> Response[BeneficiaryView]:
    owner = principal.merchant, principal.livemode
    key = await key_of(request, owner, clock.now())
    metadata = _metadata(request, principal)

    async def act() -> Answer:
        call = naming.Call(key=key, render=_answer_of)
        return _answer_of(await beneficiaries.add(data.named(), owner, call, metadata))

    async def present(beneficiary_id: UUID) -> Present:
        found = await beneficiaries.get(beneficiary_id, principal.merchant)
        return Present(_answer_of(found), busy=False)

    return respond(await once(act, present, key.request_hash))


@get(
    "/payout-beneficiaries",
    summary="Who may be paid, newest first",
    tags=["payouts"],
    opt=_READ,
)
async def list_beneficiaries(
    principal: NamedDependency[Principal],
    beneficiaries: NamedDependency[Beneficiaries],
    limit: Limit = 10,
    starting_after: Cursor = None,
    status: FromQuery[Standing | None] = None,
) -> BeneficiaryList:
    asked = window("bnf", limit, starting_after)
    found, more = cut(await beneficiaries.page(principal.merchant, status, asked), asked)
    return BeneficiaryList(has_more=more, data=[BeneficiaryView.of(each) for each in found])


@get(
    "/payout-beneficiaries/{beneficiary_id:str}",
    summary="A beneficiary",
    tags=["payouts"],
    opt=_READ,
)
async def read_beneficiary(
    beneficiary_id: FromPath[str],
    principal: NamedDependency[Principal],
    beneficiaries: NamedDependency[Beneficiaries],
) -> Response[BeneficiaryView]:
    id_ = ids.decode("bnf", beneficiary_id)
    return _shown(await beneficiaries.get(id_, principal.merchant))


@post(
    "/payout-beneficiaries/{beneficiary_id:str}",
    status_code=200,
    summary="Name another account of a beneficiary",
    description="It is verified and cools anew. No payout begins to the account before it from "
    "now on; the same account again changes nothing.",
    tags=["payouts"],
    opt=_WRITE | problems("illegal_state", "limit_exceeded"),
)
async def change_beneficiary(
    request: Request[Any, Any, Any],
    beneficiary_id: FromPath[str],
    data: JSONBody[NameBeneficiary],
    principal: NamedDependency[Principal],
    beneficiaries: NamedDependency[Beneficiaries],
) -> Response[BeneficiaryView]:
    id_ = ids.decode("bnf", beneficiary_id)
    owner = principal.merchant, principal.livemode
    metadata = _metadata(request, principal)
    return _shown(await beneficiaries.change(id_, data.named(), owner, metadata))


@post(
    "/payout-beneficiaries/{beneficiary_id:str}/verify",
    status_code=200,
    summary="Ask the bank again about a beneficiary",
    description="For one that is pending: of any other the bank has said its word. A rupee that is "
    "on its way is asked about, never sent again.",
    tags=["payouts"],
    opt=_WRITE,
)
async def verify_beneficiary(
    request: Request[Any, Any, Any],
    beneficiary_id: FromPath[str],
    data: JSONBody[Nothing],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    beneficiaries: NamedDependency[Beneficiaries],
) -> Response[BeneficiaryView]:
    id_ = ids.decode("bnf", beneficiary_id)
    metadata = _metadata(request, principal)
    return _shown(await beneficiaries.verify_again(id_, principal.merchant, metadata))


@post(
    "/payout-beneficiaries/{beneficiary_id:str}/disable",
    status_code=200,
    summary="Stop paying a beneficiary",
    description="At once and for good: no payout begins from now on.",
    tags=["payouts"],
    opt=_WRITE,
)
async def disable_beneficiary(
    request: Request[Any, Any, Any],
    beneficiary_id: FromPath[str],
    data: JSONBody[Nothing],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    beneficiaries: NamedDependency[Beneficiaries],
) -> Response[BeneficiaryView]:
    id_ = ids.decode("bnf", beneficiary_id)
    metadata = _metadata(request, principal)
    return _shown(await beneficiaries.disable(id_, principal.merchant, metadata))


def _shown(beneficiary: Beneficiary) -> Response[BeneficiaryView]:
    return Response(BeneficiaryView.of(beneficiary), headers=etag(beneficiary.version))


# ── payouts ──────────────────────────────────────────────────────────────────────────────


@post(
    "/payouts",
    status_code=201,
    summary="Pay money of the payable balance to a beneficiary",
    description="402 where the payable balance does not have it. 202: the bank has not given its "
    "last word yet; read the payout, do not order it again. One that failed is not sent again: "
    "order another. For merchants whose contract says `payouts: on_demand`.",
    tags=["payouts"],
    opt=_WRITE | problems("insufficient_funds", "limit_exceeded", "conflict"),
)
async def create_payout(
    request: Request[Any, Any, Any],
    data: JSONBody[OrderPayout],
    principal: NamedDependency[Principal],
    payouts: NamedDependency[Payouts],
    clock: NamedDependency[Clock],
) -> Response[PayoutView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    order = PayoutOrder(
        merchant_id=principal.merchant,
        beneficiary_id=ids.decode("bnf", data.beneficiary),
        amount_minor=data.amount,
        purpose=data.purpose,
        mode=data.mode,
        reference=data.reference,
        scheduled_at=data.scheduled_at,
    )
    metadata = _metadata(request, principal)

    async def act() -> Answer:
        return _answer(await payouts.create(order, Call(key=key, render=_answer), metadata))

    async def present(payout_id: UUID) -> Present:
        payout = await payouts.get(payout_id, principal.merchant)
        busy = clock.now() - payout.created_at < _BUSY and await payouts.at_the_rail(payout)
        return Present(_answer(payout), busy)

    return respond(await once(act, present, key.request_hash))


@get("/payouts/{payout_id:str}", summary="A payout", tags=["payouts"], opt=_READ)
async def read_payout(
    payout_id: FromPath[str],
    principal: NamedDependency[Principal],
    payouts: NamedDependency[Payouts],
) -> Response[PayoutView]:
    payout = await payouts.get(ids.decode("pout", payout_id), principal.merchant)
    return Response(PayoutView.of(payout), headers=etag(payout.version))


@get("/payouts", summary="Payouts, newest first", tags=["payouts"], opt=_READ)
async def list_payouts(
    principal: NamedDependency[Principal],
    payouts: NamedDependency[Payouts],
    limit: Limit = 10,
    starting_after: Cursor = None,
    beneficiary: IdFilter = None,
    status: FromQuery[Status | None] = None,
) -> PayoutList:
    of = ids.decode("bnf", beneficiary) if beneficiary else None
    asked = window("pout", limit, starting_after)
    filters = Filters(status=status, beneficiary_id=of)
    found, more = cut(await payouts.page(principal.merchant, filters, asked), asked)
    return PayoutList(has_more=more, data=[PayoutView.of(each) for each in found])


@post(
    "/payouts/{payout_id:str}/cancel",
    status_code=200,
    summary="Cancel a payout that waits for its time",
    description="What is at the bank already is not called back (409).",
    tags=["payouts"],
    opt=_WRITE | problems("illegal_state"),
)
async def cancel_payout(
    request: Request[Any, Any, Any],
    payout_id: FromPath[str],
    data: JSONBody[Nothing],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    payouts: NamedDependency[Payouts],
) -> Response[PayoutView]:
    id_ = ids.decode("pout", payout_id)
    payout = await payouts.cancel(id_, principal.merchant, _metadata(request, principal))
    return Response(PayoutView.of(payout), headers=etag(payout.version))


router = Router(
    "/api/v1",
    route_handlers=[
        add_beneficiary,
        list_beneficiaries,
        read_beneficiary,
        change_beneficiary,
        verify_beneficiary,
        disable_beneficiary,
        create_payout,
        read_payout,
        list_payouts,
        cancel_payout,
    ],
)
