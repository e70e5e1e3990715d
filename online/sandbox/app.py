"""The sandbox as an HTTP service: routes, problems, and the hold of a timed-out answer.

Belongs here: handlers and wiring. Does not: what a bank decides (`bank.py`, `closing.py`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from online.kernel.clock import Clock
from online.kernel.errors import (
    Conflict,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    Refused,
)
from online.sandbox import closing, disputes, records, wire
from online.sandbox.bank import rail_named
from online.sandbox.challenge import answer_challenge, show_challenge
from online.sandbox.disputes import Dispute
from online.sandbox.magic import Operation
from online.sandbox.rails import RAILS
from online.sandbox.running import Sandbox, Settings

_HTTP_STATUS: Final[dict[type[Refused], int]] = {
    NotFound: 404,
    Conflict: 409,
    IdempotencyKeyReused: 422,
    IdempotencyKeyMissing: 400,
    InvalidRequest: 400,
}
_OPERATIONS: Final = ("authorize", "capture", "void", "reverse", "refund", "payout")
_MAX_KEY_LENGTH: Final = 255


@get("/health")
async def health(sandbox: NamedDependency[Sandbox]) -> dict[str, Any]:
    await sandbox.writer.run(lambda db: db.execute("select 1").fetchone())
    return {"status": "ok", "rails": list(RAILS)}


@post("/rails/{rail:str}/{operation:str}", status_code=200)
async def operate(
    rail: FromPath[str],
    operation: FromPath[str],
    request: Request[Any, Any, Any],
    sandbox: NamedDependency[Sandbox],
) -> Response[Any]:
    on = rail_named(rail)
    if operation not in _OPERATIONS:
        raise NotFound(f"no operation {operation[:40]!r}", param="operation")
    name = cast(Operation, operation)
    key = request.headers.get("idempotency-key", "")
    if not 1 <= len(key) <= _MAX_KEY_LENGTH:
        raise IdempotencyKeyMissing("a key of 1 to 255 characters", param="Idempotency-Key")
    asked = wire.decode(await request.body(), wire.OperationRequest)
    wire.check_shape(on, name, asked)
    reply = await sandbox.writer.run(
        lambda db: sandbox.bank.operate(db, on, name, asked, idempotency_key=key)
    )
    if reply.nudge_later:
        sandbox.nudger.nudge(rail, asked.reference, after_s=sandbox.settings.pending_s)
    if reply.dispute is not None:
        _nudge_dispute(sandbox, reply.dispute, after_s=sandbox.settings.pending_s)
    if reply.held:
        await sandbox.hold()
    if reply.answer is None:
        return _problem(504, "lost", "the request was lost on its way", None)
    return Response(reply.answer)


@get("/rails/{rail:str}/operations/{reference:str}")
async def enquire(
    rail: FromPath[str], reference: FromPath[str], sandbox: NamedDependency[Sandbox]
) -> Response[Any]:
    on = rail_named(rail)
    try:
        answer = await sandbox.writer.run(lambda db: sandbox.bank.enquire(db, on, reference))
    except NotFound:
        return Response({"status": "not_found"}, status_code=404)
    return Response(answer)


@post("/payer/{action:str}", status_code=200)
async def payer_acts(
    action: FromPath[str], request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> Response[Any]:
    if action not in ("approve", "decline"):
        raise NotFound(f"no action {action[:40]!r}", param="action")
    asked = wire.decode(await request.body(), wire.PayerAction)
    rail, answer = await sandbox.writer.run(
        lambda db: sandbox.bank.payer_acts(
            db, asked.reference, approves=action == "approve", funding=asked.funding
        )
    )
    sandbox.nudger.nudge(rail, asked.reference)
    return Response(answer)


@get("/rails/{rail:str}/disputes/{reference:str}")
async def get_dispute(
    rail: FromPath[str], reference: FromPath[str], sandbox: NamedDependency[Sandbox]
) -> Response[Any]:
    on = rail_named(rail)
    found = await sandbox.writer.run(lambda db: disputes.find(db, reference))
    if found is None or found.rail != on.name:
        return Response({"status": "not_found"}, status_code=404)
    return Response(found.view())


@post("/rails/{rail:str}/disputes/{reference:str}/evidence", status_code=200)
async def take_evidence(
    rail: FromPath[str],
    reference: FromPath[str],
    request: Request[Any, Any, Any],
    sandbox: NamedDependency[Sandbox],
) -> wire.Taken:
    on = rail_named(rail)
    said = wire.decode(await request.body(), wire.Evidence).evidence
    await sandbox.writer.run(lambda db: disputes.take_evidence(db, on.name, reference, said))
    return wire.Taken()


@post("/admin/disputes", status_code=200)
async def open_dispute(
    request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> wire.DisputeView:
    asked = wire.decode(await request.body(), wire.OpenDispute)
    now, seed = sandbox.clock.now(), sandbox.settings.seed
    dispute = await sandbox.writer.run(lambda db: disputes.open_for(db, asked, at=now, seed=seed))
    _nudge_dispute(sandbox, dispute)
    return dispute.view()


@post("/admin/disputes/{reference:str}/{verdict:str}", status_code=200)
async def decide_dispute(
    reference: FromPath[str], verdict: FromPath[str], sandbox: NamedDependency[Sandbox]
) -> wire.DisputeView:
    if verdict not in ("won", "lost"):
        raise NotFound(f"no verdict {verdict[:40]!r}", param="verdict")
    now = sandbox.clock.now()
    dispute = await sandbox.writer.run(
        lambda db: disputes.decide(db, reference, cast(disputes.Verdict, verdict), now)
    )
    _nudge_dispute(sandbox, dispute)
    return dispute.view()


def _nudge_dispute(sandbox: Sandbox, dispute: Dispute, *, after_s: float = 0) -> None:
    sandbox.nudger.nudge(dispute.rail, dispute.reference, to="disputes", after_s=after_s)


@post("/admin/close-day", status_code=200)
async def close_day(
    request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> dict[str, Any]:
    asked = wire.decode(await request.body(), wire.CloseDay)
    inbox = Path(asked.inbox)
    if not inbox.is_absolute() or "\0" in asked.inbox:
        raise InvalidRequest("an absolute path", param="inbox")
    if asked.bank_day > records.bank_day(sandbox.clock.now()):
        raise Conflict(f"{asked.bank_day} has not begun", param="bank_day")
    seed = sandbox.settings.seed
    files = await sandbox.writer.run(lambda db: closing.close_day(db, asked.bank_day, seed=seed))
    await _write_truth(sandbox)
    try:
        paths = await asyncio.to_thread(closing.deliver, files, inbox)
    except OSError as error:
        raise InvalidRequest(f"cannot write there: {error.strerror}", param="inbox") from None
    return {"bank_day": asked.bank_day, "files": paths}


@post("/admin/faults", status_code=200)
async def plan_faults(
    request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> wire.FaultPlan:
    plan = wire.decode(await request.body(), wire.FaultPlan)
    await sandbox.writer.run(lambda db: closing.set_fault_plan(db, plan))
    return plan


@post("/admin/opening", status_code=200)
async def set_opening(
    request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> wire.Opening:
    asked = wire.decode(await request.body(), wire.Opening)
    await sandbox.writer.run(lambda db: closing.set_opening(db, asked.bank, asked.amount_minor))
    return asked


@get("/admin/truth")
async def get_truth(sandbox: NamedDependency[Sandbox]) -> dict[str, Any]:
    return {"faults": await sandbox.writer.run(closing.truth)}


async def _write_truth(sandbox: Sandbox) -> None:
    faults = await sandbox.writer.run(closing.truth)
    content = msgspec.json.format(msgspec.json.encode({"faults": faults}), indent=2)
    await asyncio.to_thread(
        closing.write_atomically, sandbox.settings.data / "truth.json", content + b"\n"
    )


def _problem(status: int, code: str, detail: str, param: str | None) -> Response[Any]:
    body = {"type": "about:blank", "status": status, "code": code, "detail": detail}
    return Response(
        body if param is None else body | {"param": param},
        status_code=status,
        media_type="application/problem+json",
    )


def _on_refused(_: Request[Any, Any, Any], refused: Refused) -> Response[Any]:
    status = _HTTP_STATUS.get(type(refused), 400)
    return _problem(status, refused.code, refused.detail, refused.param)


def _on_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    return _problem(error.status_code, "http", error.detail, None)


def create_app(settings: Settings, clock: Clock, stopping: asyncio.Event | None = None) -> Litestar:
    """The ASGI application; its records open with its lifespan and close with it.

    `stopping`, once set, lets held answers go: a server waits for them before it ends.
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        sandbox = Sandbox(settings, clock, stopping or asyncio.Event())
        app.state.sandbox = sandbox
        try:
            yield
        finally:
            await sandbox.nudger.close()
            await asyncio.to_thread(sandbox.writer.close)

    def provide_sandbox(request: Request[Any, Any, Any]) -> Sandbox:
        return cast(Sandbox, request.app.state.sandbox)

    return Litestar(
        route_handlers=[
            *(health, operate, enquire, payer_acts, show_challenge, answer_challenge),
            *(get_dispute, take_evidence, open_dispute, decide_dispute),
            *(close_day, plan_faults, set_opening, get_truth),
        ],
        dependencies={"sandbox": Provide(provide_sandbox, sync_to_thread=False)},
        exception_handlers={
            Refused: _on_refused,
            HTTPException: _on_http,
        },
        lifespan=[lifespan],
        openapi_config=None,
        request_max_body_size=64 * 1024,
    )
