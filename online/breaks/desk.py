"""`/api/v1/breaks/{id}/…`: what finance does with a break. Mounted by `routes.py`."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from online.breaks.domain import Break
from online.breaks.shapes import Assign, BreakView, Comment, Reject, Resolve, WriteOff
from online.breaks.workflow import Call, Workflow
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.events import Metadata
from online.platform.calls import key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.openapi_page import problems
from online.security.domain import Principal, allow

_MONEY_PROBLEMS: Final = (
    *("illegal_state", "version_conflict", "nothing_in_suspense", "insufficient_funds"),
    *("idempotency_key_missing", "idempotency_key_reused", "idempotency_in_flight"),
)
_ALLOWED: Final = allow("admin", "breaks:write")
_WRITE: Final = _ALLOWED | problems("illegal_state", "version_conflict")
_MONEY: Final = _ALLOWED | problems(*_MONEY_PROBLEMS)


class _Desk(Struct, frozen=True, kw_only=True):
    """One call of the workflow: who, which break, and how it is answered."""

    request: Any
    principal: Principal
    workflow: Workflow
    clock: Clock
    break_id: UUID

    def view(self, found: Break) -> BreakView:
        return BreakView.of(found, business_date(self.clock.now()))

    def answer(self, found: Break) -> Answer:
        return Answer(200, msgspec.json.encode(self.view(found)))

    def call(self, **more: Any) -> Call:
        actor, request_id = self.principal.actor, request_id_of(self.request)
        return Call(
            break_id=self.break_id,
            livemode=self.principal.livemode,
            metadata=Metadata(actor=actor, request_id=request_id),
            **more,
        )

    async def keyed(self, move: Callable[[Call], Awaitable[Break]]) -> Response[Any]:
        """A call that may move money: the same key is the same call, made once."""
        # A key is its caller's own: nobody of the house sees another's answers.
        owner = (ids.derived("actor", self.principal.actor), self.principal.livemode)
        key = await key_of(self.request, owner, self.clock.now())

        async def act() -> Answer:
            return self.answer(await move(self.call(key=key, render=self.answer)))

        async def present(_: UUID) -> Present:
            raise AssertionError("a call of one commit is answered with it")

        return respond(await once(act, present, key.request_hash))


def _desk(
    request: Request[Any, Any, Any],
    break_id: FromPath[str],
    principal: NamedDependency[Principal],
    workflow: NamedDependency[Workflow],
    clock: NamedDependency[Clock],
) -> _Desk:
    return _Desk(
        request=request,
        principal=principal,
        workflow=workflow,
        clock=clock,
        break_id=ids.decode("brk", break_id),
    )


_GIVEN: Final = {"break_desk": Provide(_desk, sync_to_thread=False)}
_URL: Final = "/breaks/{break_id:str}"


@post(
    f"{_URL}/assign",
    status_code=200,
    summary="Give a break to somebody",
    tags=["breaks"],
    opt=_WRITE,
    dependencies=_GIVEN,
)
async def assign(data: JSONBody[Assign], break_desk: NamedDependency[_Desk]) -> BreakView:
    found = await break_desk.workflow.assign(break_desk.call(), data.owner)
    return break_desk.view(found)


@post(
    f"{_URL}/comments",
    status_code=201,
    summary="Write down what was found out",
    tags=["breaks"],
    opt=_WRITE,
    dependencies=_GIVEN,
)
async def comment(data: JSONBody[Comment], break_desk: NamedDependency[_Desk]) -> BreakView:
    return break_desk.view(await break_desk.workflow.comment(break_desk.call(), data.text))


@post(
    f"{_URL}/resolve",
    status_code=200,
    summary="Say what it was",
    description="Money in suspense goes to `account`, where it belongs, once. If the missing row "
    "comes after all, it goes back and the break closes.",
    tags=["breaks"],
    opt=_MONEY,
    dependencies=_GIVEN,
)
async def resolve(
    data: JSONBody[Resolve], break_desk: NamedDependency[_Desk]
) -> Response[BreakView]:
    explanation, account = data.explanation, data.account
    return await break_desk.keyed(
        lambda call: break_desk.workflow.resolve(call, explanation, account)
    )


@post(
    f"{_URL}/write-off",
    status_code=200,
    summary="Give a break's money up, or keep it",
    description="Up to a limit at once; above it the break waits as `write_off_requested` until "
    "somebody else approves. Money that a payer was debited is never written off.",
    tags=["breaks"],
    opt=_MONEY | problems(*_MONEY_PROBLEMS, "owed_to_customer"),
    dependencies=_GIVEN,
)
async def write_off(
    data: JSONBody[WriteOff], break_desk: NamedDependency[_Desk]
) -> Response[BreakView]:
    reason = data.reason
    return await break_desk.keyed(lambda call: break_desk.workflow.write_off(call, reason))


@post(
    f"{_URL}/write-off/approve",
    status_code=200,
    summary="Approve the write-off that somebody else asked for",
    tags=["breaks"],
    opt=_MONEY | problems(*_MONEY_PROBLEMS, "same_person"),
    dependencies=_GIVEN,
)
async def approve(break_desk: NamedDependency[_Desk]) -> Response[BreakView]:
    return await break_desk.keyed(break_desk.workflow.approve)


@post(
    f"{_URL}/write-off/reject",
    status_code=200,
    summary="Refuse a write-off, or take the request back",
    tags=["breaks"],
    opt=_WRITE,
    dependencies=_GIVEN,
)
async def reject(data: JSONBody[Reject], break_desk: NamedDependency[_Desk]) -> BreakView:
    found = await break_desk.workflow.reject(break_desk.call(), data.explanation)
    return break_desk.view(found)


handlers: Final = [assign, comment, resolve, write_off, approve, reject]
