"""Mandates over HTTP: what the gateway asks about them and tells payers, what payers do in apps.

Belongs here: routes. Does not: rules (`mandates.py`); asking for a mandate and revoking it are
operations like any other (`delivery.py`).
"""

import sqlite3
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from online.kernel.errors import NotFound
from online.sandbox import callbacks, mandates, wire
from online.sandbox.bank import rail_named
from online.sandbox.running import Sandbox


@get("/rails/{rail:str}/mandates/{reference:str}")
async def get_mandate(
    rail: FromPath[str], reference: FromPath[str], sandbox: NamedDependency[Sandbox]
) -> Response[Any]:
    on = rail_named(rail)
    found = await sandbox.up_to_date(lambda db: mandates.find(db, reference))
    if found is None or found.rail != on.name:
        return Response({"status": "not_found"}, status_code=404)
    return Response(wire.MandateView(found.reference, found.status, found.umn))


@post("/rails/{rail:str}/mandates/{reference:str}/notices", status_code=200)
async def take_notice(
    rail: FromPath[str],
    reference: FromPath[str],
    request: Request[Any, Any, Any],
    sandbox: NamedDependency[Sandbox],
) -> wire.Taken:
    on = rail_named(rail)
    notice = wire.decode(await request.body(), wire.Notice)
    await sandbox.up_to_date(lambda db: mandates.take_notice(db, on.name, reference, notice))
    return wire.Taken()


@post("/payer/mandates/{action:str}", status_code=200)
async def payer_acts_on_mandate(
    action: FromPath[str], request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> wire.MandateView:
    if action not in ("pause", "resume", "revoke"):
        raise NotFound(f"no action {action[:40]!r}", param="action")
    asked = wire.decode(await request.body(), wire.PayerAction)

    def act(db: sqlite3.Connection) -> wire.MandateView:
        sandbox.bank.ripen(db, sandbox.clock.now())
        mandate = mandates.payer_acts(db, asked.reference, action)
        callbacks.plan(
            db,
            rail=mandate.rail,
            reference=mandate.reference,
            due_at=sandbox.clock.now(),
            kind="mandate",
        )
        now = mandates.find(db, asked.reference) or mandate
        return wire.MandateView(now.reference, now.status, now.umn)

    shown = await sandbox.writer.run(act)
    sandbox.postman.wake()
    return shown


HANDLERS = (get_mandate, take_notice, payer_acts_on_mandate)
