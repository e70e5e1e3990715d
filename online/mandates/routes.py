"""`/api/v1/mandates`."""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.events import Metadata
from online.mandates.debits import Call as ExecutionCall
from online.mandates.debits import Executions
from online.mandates.domain import Mandate, Status
from online.mandates.executions import Execution
from online.mandates.executions import Status as ExecutionStatus
from online.mandates.payers import Payers
from online.mandates.running import Call
from online.mandates.service import Mandates
from online.mandates.shapes import (
    CreateMandate,
    ExecutionList,
    ExecutionView,
    MandateAction,
    MandateList,
    MandateView,
    ScheduleExecution,
)
from online.mandates.stopping import Stopping
from online.mandates.store import Filters
from online.payments.orders import BUSY
from online.platform.calls import etag, key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.lists import Cursor, IdFilter, Limit, window
from online.platform.openapi_page import problems
from online.security.domain import Principal, allow

_READ: Final = allow("mandates:read")
_WRITE: Final = allow("mandates:write")
_URL: Final = "/mandates/{mandate_id:str}"


def _answer(mandate: Mandate) -> Answer:
    """202 while the rail has not answered."""
    done = 202 if mandate.status is Status.CREATED else 201
    return Answer(done, msgspec.json.encode(MandateView.of(mandate)))


def _made(execution: Execution) -> Answer:
    return Answer(201, msgspec.json.encode(ExecutionView.of(execution)))


def _metadata(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


def _shown(mandate: Mandate) -> Response[MandateView]:
    return Response(MandateView.of(mandate), headers=etag(mandate.version))


@post(
    "/mandates",
    status_code=201,
    summary="Ask a payer for a mandate",
    description="The payer approves it in their UPI app; until then it is `pending`. 202: the rail"
    " has not answered; read the mandate, do not ask again.",
    tags=["mandates"],
    opt=allow("mandates:write", signed=True)
    | problems("not_for_this_user", "route_unavailable", "limit_exceeded"),
)
async def create_mandate(
    request: Request[Any, Any, Any],
    data: JSONBody[CreateMandate],
    principal: NamedDependency[Principal],
    mandates: NamedDependency[Mandates],
    payers: NamedDependency[Payers],
    clock: NamedDependency[Clock],
) -> Response[MandateView]:
    owner = (principal.merchant, principal.livemode)
    key = await key_of(request, owner, clock.now())
    customer_id = ids.decode("cus", data.customer_id)

    async def act() -> Answer:
        async with mandates.replaying(key):
            terms = data.terms(business_date(clock.now()))
            if data.handle is not None:
                order = await payers.by_handle(owner, customer_id, terms, data.handle)
            else:
                order = await payers.by_vpa(owner, customer_id, terms, data.vpa)
        call = Call(key=key, render=_answer)
        return _answer(await mandates.create(order, call, _metadata(request, principal)))

    async def present(mandate_id: UUID) -> Present:
        mandate = await mandates.get(mandate_id, principal.merchant)
        new = mandate.status is Status.CREATED
        return Present(_answer(mandate), new and clock.now() - mandate.created_at < BUSY)

    return respond(await once(act, present, key.request_hash))


@get("/mandates", summary="Mandates, newest first", tags=["mandates"], opt=_READ)
async def list_mandates(
    principal: NamedDependency[Principal],
    mandates: NamedDependency[Mandates],
    limit: Limit = 10,
    starting_after: Cursor = None,
    status: FromQuery[Status | None] = None,
    customer_id: IdFilter = None,
) -> MandateList:
    filters = Filters(
        status=status, customer_id=ids.decode("cus", customer_id) if customer_id else None
    )
    asked = window("mnd", limit, starting_after)
    found, more = await mandates.page(principal.merchant, filters, asked)
    return MandateList(has_more=more, data=[MandateView.of(each) for each in found])


@get(_URL, summary="A mandate", tags=["mandates"], opt=_READ)
async def read_mandate(
    mandate_id: FromPath[str],
    principal: NamedDependency[Principal],
    mandates: NamedDependency[Mandates],
) -> Response[MandateView]:
    return _shown(await mandates.get(ids.decode("mnd", mandate_id), principal.merchant))


@post(
    f"{_URL}/pause",
    status_code=200,
    summary="Let a mandate rest",
    description="Nothing is debited until it is resumed; what comes due meanwhile is canceled.",
    tags=["mandates"],
    opt=_WRITE | problems("mandate_not_active"),
)
async def pause_mandate(
    request: Request[Any, Any, Any],
    mandate_id: FromPath[str],
    data: JSONBody[MandateAction],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    stopping: NamedDependency[Stopping],
) -> Response[MandateView]:
    id_ = ids.decode("mnd", mandate_id)
    return _shown(await stopping.pause(id_, principal.merchant, _metadata(request, principal)))


@post(
    f"{_URL}/resume",
    status_code=200,
    summary="Let a mandate that rests go on",
    description="What the payer paused in their app, only they resume.",
    tags=["mandates"],
    opt=_WRITE | problems("illegal_state"),
)
async def resume_mandate(
    request: Request[Any, Any, Any],
    mandate_id: FromPath[str],
    data: JSONBody[MandateAction],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    stopping: NamedDependency[Stopping],
) -> Response[MandateView]:
    id_ = ids.decode("mnd", mandate_id)
    return _shown(await stopping.resume(id_, principal.merchant, _metadata(request, principal)))


@post(
    f"{_URL}/revoke",
    status_code=200,
    summary="Revoke a mandate",
    description="At once and for good: no debit begins after this answer, and those that wait are"
    " canceled. The rail is told until it has taken it (`told`). Revoking again changes nothing.",
    tags=["mandates"],
    opt=_WRITE | problems("illegal_state"),
)
async def revoke_mandate(
    request: Request[Any, Any, Any],
    mandate_id: FromPath[str],
    data: JSONBody[MandateAction],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    stopping: NamedDependency[Stopping],
    executions: NamedDependency[Executions],
) -> Response[MandateView]:
    metadata = _metadata(request, principal)
    revoked = await stopping.revoke(ids.decode("mnd", mandate_id), principal.merchant, metadata)
    await executions.cancel_of(revoked, metadata)
    return _shown(revoked)


@post(
    f"{_URL}/executions",
    status_code=201,
    summary="Debit once under a mandate",
    description="The payer is told at least a day before; the debit runs on `debit_on` outside the"
    " switch's busy hours, with one try and up to three retries within its period. One execution a"
    " period: another is refused (`period_taken`), also where many are asked for at once.",
    tags=["mandates"],
    opt=allow("mandates:write", signed=True)
    | problems("mandate_not_active", "period_taken", "notice_too_late"),
)
async def create_execution(
    request: Request[Any, Any, Any],
    mandate_id: FromPath[str],
    data: JSONBody[ScheduleExecution],
    principal: NamedDependency[Principal],
    mandates: NamedDependency[Mandates],
    executions: NamedDependency[Executions],
    clock: NamedDependency[Clock],
) -> Response[ExecutionView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    mandate = await mandates.get(ids.decode("mnd", mandate_id), principal.merchant)
    metadata = _metadata(request, principal)

    async def act() -> Answer:
        call = ExecutionCall(key=key, render=_made)
        return _made(await executions.schedule(mandate, data.amount, data.debit_on, call, metadata))

    async def present(execution_id: UUID) -> Present:
        return Present(_made(await executions.get(execution_id, mandate)), busy=False)

    return respond(await once(act, present, key.request_hash))


@get(f"{_URL}/executions", summary="All debits of a mandate", tags=["mandates"], opt=_READ)
async def list_executions(
    mandate_id: FromPath[str],
    principal: NamedDependency[Principal],
    mandates: NamedDependency[Mandates],
    executions: NamedDependency[Executions],
    limit: Limit = 10,
    starting_after: Cursor = None,
    status: FromQuery[ExecutionStatus | None] = None,
) -> ExecutionList:
    mandate = await mandates.get(ids.decode("mnd", mandate_id), principal.merchant)
    found, more = await executions.page(mandate, status, window("mex", limit, starting_after))
    return ExecutionList(
        url=f"/api/v1/mandates/{mandate.reference}/executions",
        has_more=more,
        data=[ExecutionView.of(each) for each in found],
    )


@get(f"{_URL}/executions/{{execution_id:str}}", summary="A debit", tags=["mandates"], opt=_READ)
async def read_execution(
    mandate_id: FromPath[str],
    execution_id: FromPath[str],
    principal: NamedDependency[Principal],
    mandates: NamedDependency[Mandates],
    executions: NamedDependency[Executions],
) -> Response[ExecutionView]:
    mandate = await mandates.get(ids.decode("mnd", mandate_id), principal.merchant)
    found = await executions.get(ids.decode("mex", execution_id), mandate)
    return Response(ExecutionView.of(found), headers=etag(found.version))


@post(
    f"{_URL}/executions/{{execution_id:str}}/cancel",
    status_code=200,
    summary="Cancel a debit",
    description="Before it is tried, or between two tries. Its period is free again if it was never"
    " tried.",
    tags=["mandates"],
    opt=_WRITE | problems("illegal_state"),
)
async def cancel_execution(
    request: Request[Any, Any, Any],
    mandate_id: FromPath[str],
    execution_id: FromPath[str],
    data: JSONBody[MandateAction],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    mandates: NamedDependency[Mandates],
    executions: NamedDependency[Executions],
) -> Response[ExecutionView]:
    mandate = await mandates.get(ids.decode("mnd", mandate_id), principal.merchant)
    metadata = _metadata(request, principal)
    canceled = await executions.cancel(mandate, ids.decode("mex", execution_id), metadata)
    return Response(ExecutionView.of(canceled), headers=etag(canceled.version))


router = Router(
    "/api/v1",
    route_handlers=[
        *(create_mandate, list_mandates, read_mandate),
        *(pause_mandate, resume_mandate, revoke_mandate),
        *(create_execution, list_executions, read_execution, cancel_execution),
    ],
)
