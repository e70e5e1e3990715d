"""The sandbox as an HTTP service: routes, problems and wiring.

Belongs here: payers, disputes, the close of a day. Does not: the gateway's calls (`delivery.py`),
scripts and records (`admin.py`), what a bank decides (`bank.py`, `closing.py`).
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
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
from online.sandbox import (
    bank_books,
    callbacks,
    closing,
    cycles,
    disputes,
    fault_plans,
    links,
    payees,
    wire,
)
from online.sandbox.admin import HANDLERS as ADMIN_HANDLERS
from online.sandbox.bank import rail_named
from online.sandbox.challenge import answer_challenge, show_challenge
from online.sandbox.closing import BankFile
from online.sandbox.delivery import enquire, operate
from online.sandbox.disputes import Dispute
from online.sandbox.mandate_calls import HANDLERS as MANDATE_HANDLERS
from online.sandbox.rails import RAILS
from online.sandbox.running import Sandbox, Settings

_HTTP_STATUS: Final[dict[type[Refused], int]] = {
    NotFound: 404,
    Conflict: 409,
    IdempotencyKeyReused: 422,
    IdempotencyKeyMissing: 400,
    InvalidRequest: 400,
}


@get("/health")
async def health(sandbox: NamedDependency[Sandbox]) -> dict[str, Any]:
    await sandbox.writer.run(lambda db: db.execute("select 1").fetchone())
    return {"status": "ok", "rails": list(RAILS)}


@post("/payer/{action:str}", status_code=200)
async def payer_acts(
    action: FromPath[str], request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> Response[Any]:
    if action not in ("approve", "decline"):
        raise NotFound(f"no action {action[:40]!r}", param="action")
    asked = wire.decode(await request.body(), wire.PayerAction)

    def act(db: sqlite3.Connection) -> wire.Answer:
        approves = action == "approve"
        rail, answer = sandbox.bank.payer_acts(
            db, asked.reference, approves=approves, funding=asked.funding
        )
        callbacks.plan(db, rail=rail, reference=asked.reference, due_at=sandbox.clock.now())
        return answer

    answer = await sandbox.writer.run(act)
    sandbox.postman.wake()
    return Response(answer)


@post("/rails/{rail:str}/names", status_code=200)
async def name_of(rail: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """Whose account this is. Nothing is written down."""
    on = rail_named(rail)
    if on.method != "payout":
        raise InvalidRequest(f"rail {on.name} pays nobody", param="rail")
    payee = wire.decode(await request.body(), wire.NameRequest).beneficiary
    wire.check_beneficiary(payee, None)
    name = payees.name_of(payee)
    if name is None:
        return Response({"status": "not_found"}, status_code=404)
    return Response(wire.NameAnswer(name))


@post("/payer/scan", status_code=200)
async def payer_scans(
    request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> Response[Any]:
    asked = wire.decode(await request.body(), wire.ScanLink)
    scanned = links.scan(asked.link)

    def act(db: sqlite3.Connection) -> wire.Answer:
        sandbox.bank.check_scanned(db, scanned)
        rail, answer = sandbox.bank.payer_acts(
            db, scanned.reference, approves=asked.approve, funding=asked.funding
        )
        callbacks.plan(db, rail=rail, reference=scanned.reference, due_at=sandbox.clock.now())
        return answer

    answer = await sandbox.writer.run(act)
    sandbox.postman.wake()
    return Response(answer)


@post("/admin/deemed/{reference:str}/{end:str}", status_code=200)
async def end_deemed(
    reference: FromPath[str], end: FromPath[str], sandbox: NamedDependency[Sandbox]
) -> Response[Any]:
    if end not in ("tcc", "ret"):
        raise NotFound(f"no end {end[:40]!r}", param="end")

    def work(db: sqlite3.Connection) -> wire.Answer:
        rail, answer = sandbox.bank.end_deemed(db, reference, credited=end == "tcc")
        callbacks.plan(db, rail=rail, reference=reference, due_at=sandbox.clock.now())
        return answer

    answer = await sandbox.writer.run(work)
    sandbox.postman.wake()
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

    def work(db: sqlite3.Connection) -> Dispute:
        dispute = disputes.open_for(db, asked, at=now, seed=seed)
        _tell_of_dispute(db, dispute, now)
        return dispute

    dispute = await sandbox.writer.run(work)
    sandbox.postman.wake()
    return dispute.view()


@post("/admin/disputes/{reference:str}/{verdict:str}", status_code=200)
async def decide_dispute(
    reference: FromPath[str], verdict: FromPath[str], sandbox: NamedDependency[Sandbox]
) -> wire.DisputeView:
    if verdict not in ("won", "lost"):
        raise NotFound(f"no verdict {verdict[:40]!r}", param="verdict")
    now = sandbox.clock.now()

    def work(db: sqlite3.Connection) -> Dispute:
        dispute = disputes.decide(db, reference, cast(disputes.Verdict, verdict), now)
        _tell_of_dispute(db, dispute, now)
        return dispute

    dispute = await sandbox.writer.run(work)
    sandbox.postman.wake()
    return dispute.view()


def _tell_of_dispute(db: sqlite3.Connection, dispute: Dispute, at: datetime) -> None:
    callbacks.plan(db, rail=dispute.rail, reference=dispute.reference, due_at=at, kind="dispute")


@post("/admin/close-day", status_code=200)
async def close_day(
    request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> dict[str, Any]:
    asked = wire.decode(await request.body(), wire.CloseDay)
    day, seed = asked.bank_day, sandbox.settings.seed
    _refuse_future(sandbox, day)
    files = await sandbox.up_to_date(lambda db: closing.close_day(db, day, seed=seed))
    return {"bank_day": day, "files": await _deliver(sandbox, files, asked.inbox)}


@post("/admin/close-cycle", status_code=200)
async def close_cycle(
    request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> dict[str, Any]:
    asked = wire.decode(await request.body(), wire.CloseCycle)
    day, seed = asked.bank_day, sandbox.settings.seed
    cycle = cycles.number_of(day, asked.cycle)
    _refuse_future(sandbox, day)
    files = await sandbox.up_to_date(lambda db: closing.close_cycle(db, day, cycle, seed=seed))
    delivered = await _deliver(sandbox, files, asked.inbox)
    return {"bank_day": day, "cycle": asked.cycle, "files": delivered}


def _refuse_future(sandbox: Sandbox, day: date) -> None:
    if day > cycles.bank_day(sandbox.clock.now()):
        raise Conflict(f"{day} has not begun", param="bank_day")


async def _deliver(sandbox: Sandbox, files: Sequence[BankFile], into: str) -> list[str]:
    """Into the inbox of whoever asked, with the truth about the faults beside our records."""
    inbox = Path(into)
    if not inbox.is_absolute() or "\0" in into:
        raise InvalidRequest("an absolute path", param="inbox")
    await _write_truth(sandbox)
    try:
        return await asyncio.to_thread(closing.deliver, files, inbox)
    except OSError as error:
        raise InvalidRequest(f"cannot write there: {error.strerror}", param="inbox") from None


@post("/admin/faults", status_code=200)
async def plan_faults(
    request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> wire.FaultPlan:
    plan = wire.decode(await request.body(), wire.FaultPlan)
    await sandbox.writer.run(lambda db: fault_plans.set_fault_plan(db, plan))
    return plan


@post("/admin/opening", status_code=200)
async def set_opening(
    request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> wire.Opening:
    asked = wire.decode(await request.body(), wire.Opening)
    await sandbox.writer.run(lambda db: bank_books.set_opening(db, asked.bank, asked.amount_minor))
    return asked


@get("/admin/truth")
async def get_truth(sandbox: NamedDependency[Sandbox]) -> dict[str, Any]:
    return {"faults": await sandbox.writer.run(fault_plans.truth)}


async def _write_truth(sandbox: Sandbox) -> None:
    faults = await sandbox.writer.run(fault_plans.truth)
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
        await sandbox.start()
        sandbox.postman.start()
        try:
            yield
        finally:
            await sandbox.postman.close()
            await asyncio.to_thread(sandbox.writer.close)

    def provide_sandbox(request: Request[Any, Any, Any]) -> Sandbox:
        return cast(Sandbox, request.app.state.sandbox)

    return Litestar(
        route_handlers=[
            *(
                health,
                operate,
                enquire,
                payer_acts,
                show_challenge,
                answer_challenge,
                end_deemed,
                payer_scans,
            ),
            name_of,
            *(get_dispute, take_evidence, open_dispute, decide_dispute),
            *(close_day, close_cycle, plan_faults, set_opening, get_truth),
            *ADMIN_HANDLERS,
            *MANDATE_HANDLERS,
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
