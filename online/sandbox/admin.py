"""Controls for whoever runs the banks: the fault script while they run, and a look at the records.

Belongs here: handlers under `/admin/script`, `/admin/rails`, `/admin/operations` and
`/admin/movements`. Does not: what a script means (`script.py`), closing days (`app.py`).
"""

from typing import Any, Final

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from online.kernel.errors import InvalidRequest, NotFound
from online.sandbox import reading
from online.sandbox.bank import rail_named
from online.sandbox.running import Sandbox
from online.sandbox.script import Script, read_rail, read_script

_MOST: Final = 1_000


@get("/admin/script")
async def show_script(sandbox: NamedDependency[Sandbox]) -> Response[Any]:
    return _shown(sandbox.script)


@put("/admin/script")
async def set_script(
    request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> Response[Any]:
    script = read_script(await request.body()).since(sandbox.clock.now())
    return _shown(await sandbox.set_script(script))


@delete("/admin/script", status_code=200)
async def drop_script(sandbox: NamedDependency[Sandbox]) -> Response[Any]:
    return _shown(await sandbox.set_script(Script()))


@post("/admin/rails/{rail:str}/behaviour", status_code=200)
async def set_behaviour(
    rail: FromPath[str], request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> Response[Any]:
    name = rail_named(rail).name
    part = read_rail(await request.body()).since(sandbox.clock.now())
    rails = {**sandbox.script.rails, name: part}
    return _shown(await sandbox.set_script(msgspec.structs.replace(sandbox.script, rails=rails)))


@delete("/admin/rails/{rail:str}/behaviour", status_code=200)
async def drop_behaviour(rail: FromPath[str], sandbox: NamedDependency[Sandbox]) -> Response[Any]:
    name = rail_named(rail).name
    rails = {other: part for other, part in sandbox.script.rails.items() if other != name}
    return _shown(await sandbox.set_script(msgspec.structs.replace(sandbox.script, rails=rails)))


@get("/admin/operations")
async def list_operations(
    sandbox: NamedDependency[Sandbox],
    rail: FromQuery[str | None] = None,
    after: FromQuery[str] = "",
    limit: FromQuery[int] = 100,
) -> dict[str, Any]:
    name, most = (rail_named(rail).name if rail else None), _limit(limit)
    return await sandbox.up_to_date(lambda db: reading.operations(db, name, after, most))


@get("/admin/operations/{reference:str}")
async def show_operation(
    reference: FromPath[str], sandbox: NamedDependency[Sandbox]
) -> dict[str, Any]:
    found = await sandbox.up_to_date(lambda db: reading.operation(db, reference))
    if found is None:
        raise NotFound("no such operation", param="reference")
    return found


@get("/admin/movements")
async def list_movements(
    sandbox: NamedDependency[Sandbox],
    rail: FromQuery[str | None] = None,
    after: FromQuery[str] = "",
    limit: FromQuery[int] = 100,
) -> dict[str, Any]:
    name, most = (rail_named(rail).name if rail else None), _limit(limit)
    return await sandbox.up_to_date(lambda db: reading.movements(db, name, after, most))


def _limit(limit: int) -> int:
    if not 1 <= limit <= _MOST:
        raise InvalidRequest(f"between 1 and {_MOST}", param="limit")
    return limit


def _shown(script: Script) -> Response[Any]:
    return Response(msgspec.json.encode(script), media_type="application/json")


HANDLERS: Final = (
    *(show_script, set_script, drop_script, set_behaviour, drop_behaviour),
    *(list_operations, show_operation, list_movements),
)
