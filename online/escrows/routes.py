"""`/api/v1/escrows`: for the owner and the parties, each with credentials of their own."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody

from online.escrows.decisions import Voice
from online.escrows.domain import Escrow
from online.escrows.service import Call, Escrows
from online.escrows.shapes import (
    Amount,
    CreateEscrow,
    Delivery,
    EscrowList,
    EscrowView,
    Freeze,
    Nothing,
    Resolution,
)
from online.escrows.store import Filter
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.platform.calls import etag, key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.lists import Cursor, IdFilter, Limit, window
from online.platform.openapi_page import problems
from online.security.domain import Principal, allow

StatusName = Literal["proposed", "agreed", "funded", "frozen", "closed", "canceled", "expired"]
_URL: Final = "/escrows/{escrow_id:str}"
_READ: Final = allow("admin", "escrows:read")
_WRITE: Final = allow("escrows:write", signed=True)
_MOVES: Final = ("escrow_frozen", "conditions_not_met", "over_release", "illegal_state")


def _call(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    clock: NamedDependency[Clock],
) -> Call:
    """Without a key; those that move money add theirs."""
    own = principal.merchant_id

    def render(escrow: Escrow) -> Answer:
        return Answer(200, msgspec.json.encode(EscrowView.of(escrow, clock.now())))

    return Call(
        voice=Voice(
            merchant_id=ids.encode("mrc", own) if own else None,
            actor=ids.encode("mrc", own) if own else principal.actor,
        ),
        tenant=own,
        livemode=principal.livemode,
        metadata=Metadata(actor=principal.actor, request_id=request_id_of(request)),
        render=render,
    )


_GIVEN: Final = {"escrow_call": Provide(_call, sync_to_thread=False)}


async def _once(
    request: Request[Any, Any, Any],
    call: Call,
    escrows: Escrows,
    clock: Clock,
    act: Callable[[Call], Awaitable[Answer]],
) -> Response[EscrowView]:
    """Everything is one commit, so that a key that is known has its answer."""
    assert call.tenant is not None  # the gate let a merchant in
    key = await key_of(request, (call.tenant, call.livemode), clock.now())
    keyed = msgspec.structs.replace(call, key=key)

    async def present(escrow_id: UUID) -> Present:
        found = await escrows.get(escrow_id, call.tenant, livemode=call.livemode)
        return Present(call.render(found), busy=False)

    return respond(await once(lambda: act(keyed), present, key.request_hash))


@post(
    "/escrows",
    status_code=201,
    summary="Propose an escrow",
    description="Money is set aside between parties until what they agreed on is met. Every party "
    "but the owner has to accept before it can be funded.",
    tags=["escrows"],
    opt=_WRITE,
    dependencies=_GIVEN,
)
async def create_escrow(
    request: Request[Any, Any, Any],
    data: JSONBody[CreateEscrow],
    principal: NamedDependency[Principal],
    escrow_call: NamedDependency[Call],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
) -> Response[EscrowView]:
    owner = principal.merchant
    proposed = data.proposed(ids.encode("mrc", owner))
    said = escrow_call.render

    def render(escrow: Escrow) -> Answer:
        return msgspec.structs.replace(said(escrow), status=201)

    call = msgspec.structs.replace(escrow_call, render=render)
    return await _once(
        request, call, escrows, clock, lambda keyed: escrows.propose(proposed, owner, keyed)
    )


@get(
    "/escrows",
    summary="Escrows, newest first",
    description="Of a merchant those it owns and those it is a party of.",
    tags=["escrows"],
    opt=_READ,
)
async def list_escrows(
    principal: NamedDependency[Principal],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
    limit: Limit = 10,
    starting_after: Cursor = None,
    status: FromQuery[StatusName | None] = None,
    payment: IdFilter = None,
) -> EscrowList:
    wanted = Filter(
        merchant_id=principal.merchant_id,
        livemode=principal.livemode,
        status=status,
        payment_id=ids.decode("pay", payment) if payment else None,
    )
    found, more = await escrows.page(wanted, window("esc", limit, starting_after))
    now = clock.now()
    return EscrowList(has_more=more, data=[EscrowView.of(each, now) for each in found])


@get(_URL, summary="An escrow", tags=["escrows"], opt=_READ)
async def read_escrow(
    escrow_id: FromPath[str],
    principal: NamedDependency[Principal],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
) -> Response[EscrowView]:
    found = await escrows.get(
        ids.decode("esc", escrow_id), principal.merchant_id, livemode=principal.livemode
    )
    return Response(EscrowView.of(found, clock.now()), headers=etag(found.version))


@post(
    f"{_URL}/accept",
    status_code=200,
    summary="Accept an escrow as one of its parties",
    description="By each party's own credentials; the same again changes nothing.",
    tags=["escrows"],
    opt=_WRITE | problems("illegal_state"),
    dependencies=_GIVEN,
)
async def accept_escrow(
    request: Request[Any, Any, Any],
    escrow_id: FromPath[str],
    data: JSONBody[Nothing],  # noqa: ARG001 - read so that unknown fields are refused
    escrow_call: NamedDependency[Call],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
) -> Response[EscrowView]:
    id_ = ids.decode("esc", escrow_id)
    return await _once(request, escrow_call, escrows, clock, lambda c: escrows.accept(id_, c))


@post(
    f"{_URL}/cancel",
    status_code=200,
    summary="Cancel an escrow before money is in it",
    tags=["escrows"],
    opt=_WRITE | problems("illegal_state"),
    dependencies=_GIVEN,
)
async def cancel_escrow(
    request: Request[Any, Any, Any],
    escrow_id: FromPath[str],
    data: JSONBody[Nothing],  # noqa: ARG001 - read so that unknown fields are refused
    escrow_call: NamedDependency[Call],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
) -> Response[EscrowView]:
    id_ = ids.decode("esc", escrow_id)
    return await _once(request, escrow_call, escrows, clock, lambda c: escrows.cancel(id_, c))


@post(
    f"{_URL}/fund",
    status_code=200,
    summary="Set the money aside",
    description="Once all parties have accepted. The owner's pending balance has to hold it, and "
    "of the payment behind it each part goes into escrow once.",
    tags=["escrows"],
    opt=_WRITE | problems("illegal_state", "insufficient_funds", "over_escrowed"),
    dependencies=_GIVEN,
)
async def fund_escrow(
    request: Request[Any, Any, Any],
    escrow_id: FromPath[str],
    data: JSONBody[Nothing],  # noqa: ARG001 - read so that unknown fields are refused
    escrow_call: NamedDependency[Call],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
) -> Response[EscrowView]:
    id_ = ids.decode("esc", escrow_id)
    return await _once(request, escrow_call, escrows, clock, lambda c: escrows.fund(id_, c))


@post(
    f"{_URL}/approve",
    status_code=200,
    summary="Say yes in one's role",
    description="Every approval that the caller's role is asked for; the owner speaks for the "
    "buyer too. An automatic release goes with the last of them.",
    tags=["escrows"],
    opt=_WRITE | problems("escrow_frozen", "illegal_state"),
    dependencies=_GIVEN,
)
async def approve_escrow(
    request: Request[Any, Any, Any],
    escrow_id: FromPath[str],
    data: JSONBody[Nothing],  # noqa: ARG001 - read so that unknown fields are refused
    escrow_call: NamedDependency[Call],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
) -> Response[EscrowView]:
    id_ = ids.decode("esc", escrow_id)
    return await _once(
        request, escrow_call, escrows, clock, lambda c: escrows.say(id_, "approval", None, c)
    )


@post(
    f"{_URL}/deliver",
    status_code=200,
    summary="Confirm the delivery",
    tags=["escrows"],
    opt=_WRITE | problems("escrow_frozen", "illegal_state"),
    dependencies=_GIVEN,
)
async def deliver_escrow(
    request: Request[Any, Any, Any],
    escrow_id: FromPath[str],
    data: JSONBody[Delivery],
    escrow_call: NamedDependency[Call],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
) -> Response[EscrowView]:
    id_ = ids.decode("esc", escrow_id)
    return await _once(
        request,
        escrow_call,
        escrows,
        clock,
        lambda c: escrows.say(id_, "delivery", data.reference, c),
    )


@post(
    f"{_URL}/release",
    status_code=200,
    summary="Release what is in escrow to its parties, whole or in part",
    description="Once the conditions are met. A part is split by what each party has still to "
    "get, in whole minor units; what is left over goes one unit each to the parties in the order "
    "in which they are named. All parts together are each party's share, to the unit.",
    tags=["escrows"],
    opt=_WRITE | problems(*_MOVES),
    dependencies=_GIVEN,
)
async def release_escrow(
    request: Request[Any, Any, Any],
    escrow_id: FromPath[str],
    data: JSONBody[Amount],
    escrow_call: NamedDependency[Call],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
) -> Response[EscrowView]:
    id_ = ids.decode("esc", escrow_id)
    return await _once(
        request, escrow_call, escrows, clock, lambda c: escrows.release(id_, data.amount, c)
    )


@post(
    f"{_URL}/return",
    status_code=200,
    summary="Take money back into the owner's balance, where no payment stands behind it",
    description="Until the conditions are met. Where a payment stands behind it, the money is its "
    "payer's: `POST /refunds` with `escrow` gives it back.",
    tags=["escrows"],
    opt=_WRITE | problems("escrow_frozen", "over_release", "illegal_state"),
    dependencies=_GIVEN,
)
async def return_escrow(
    request: Request[Any, Any, Any],
    escrow_id: FromPath[str],
    data: JSONBody[Amount],
    escrow_call: NamedDependency[Call],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
) -> Response[EscrowView]:
    id_ = ids.decode("esc", escrow_id)
    return await _once(
        request, escrow_call, escrows, clock, lambda c: escrows.take_back(id_, data.amount, c)
    )


@post(
    f"{_URL}/freeze",
    status_code=200,
    summary="Freeze an escrow: nothing moves until it is resolved",
    description="By the owner or any party. A dispute of the payment at its bank freezes it too.",
    tags=["escrows"],
    opt=_WRITE | problems("illegal_state"),
    dependencies=_GIVEN,
)
async def freeze_escrow(
    request: Request[Any, Any, Any],
    escrow_id: FromPath[str],
    data: JSONBody[Freeze],
    escrow_call: NamedDependency[Call],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
) -> Response[EscrowView]:
    id_ = ids.decode("esc", escrow_id)
    return await _once(
        request, escrow_call, escrows, clock, lambda c: escrows.freeze(id_, data.reason, c)
    )


@post(
    f"{_URL}/resolve",
    status_code=200,
    summary="Agree on what becomes of a frozen escrow",
    description="It is done once the owner and every party have said the same.",
    tags=["escrows"],
    opt=_WRITE | problems("escrow_frozen", "illegal_state"),
    dependencies=_GIVEN,
)
async def resolve_escrow(
    request: Request[Any, Any, Any],
    escrow_id: FromPath[str],
    data: JSONBody[Resolution],
    escrow_call: NamedDependency[Call],
    escrows: NamedDependency[Escrows],
    clock: NamedDependency[Clock],
) -> Response[EscrowView]:
    id_ = ids.decode("esc", escrow_id)
    return await _once(
        request, escrow_call, escrows, clock, lambda c: escrows.resolve(id_, data.parts(), c)
    )


@post(
    f"{_URL}/decide",
    status_code=200,
    summary="Decide, for the house, what becomes of a frozen escrow",
    tags=["escrows"],
    opt=allow("admin") | problems("escrow_frozen", "illegal_state", "not_found"),
    dependencies=_GIVEN,
)
async def decide_escrow(
    escrow_id: FromPath[str],
    data: JSONBody[Resolution],
    escrow_call: NamedDependency[Call],
    escrows: NamedDependency[Escrows],
) -> Response[EscrowView]:
    id_ = ids.decode("esc", escrow_id)
    return respond(await escrows.resolve(id_, data.parts(), escrow_call))


router = Router(
    "/api/v1",
    route_handlers=[
        *(create_escrow, list_escrows, read_escrow, accept_escrow, cancel_escrow, fund_escrow),
        *(approve_escrow, deliver_escrow, release_escrow, return_escrow),
        *(freeze_escrow, resolve_escrow, decide_escrow),
    ],
)
