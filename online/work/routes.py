"""`/internal/v1/work`: a pipeline's sensor claims requests and reports them."""

from typing import Annotated, Any, Literal

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.platform.wire import WireStruct
from online.security.domain import Principal, allow
from online.work.domain import State, WorkRequest
from online.work.service import Work

Kind = Literal["settlement", "statement"]


class ClaimWork(WireStruct, frozen=True, kw_only=True):
    kinds: Annotated[list[Kind], Meta(min_length=1, max_length=2)]
    limit: Annotated[int, Meta(ge=1, le=100)] = 10


class WorkItem(Struct, frozen=True, kw_only=True):
    id: str
    kind: str
    state: str
    params: dict[str, Any]

    @classmethod
    def of(cls, work: WorkRequest) -> "WorkItem":
        return cls(
            id=ids.encode("wrk", work.id), kind=work.kind, state=work.state, params=work.params
        )


class WorkItems(Struct, frozen=True):
    items: list[WorkItem]


@post(
    "/internal/v1/work/claim",
    status_code=200,
    summary="Claim requested settlements and statements",
    tags=["internal"],
    opt=allow("service"),
)
async def claim_work(
    data: JSONBody[ClaimWork],
    principal: NamedDependency[Principal],
    work: NamedDependency[Work],
) -> WorkItems:
    claimed = await work.claim(list(data.kinds), data.limit, livemode=principal.livemode)
    return WorkItems([WorkItem.of(item) for item in claimed])


@post(
    "/internal/v1/work/{work_id:str}/done",
    status_code=200,
    summary="Report claimed work",
    description='The body is kept as the result; `"state": "failed"` in it lets the request be '
    "queued again when it is asked for again.",
    tags=["internal"],
    opt=allow("service"),
)
async def finish_work(
    work_id: FromPath[str],
    data: JSONBody[dict[str, Any]],
    principal: NamedDependency[Principal],
    work: NamedDependency[Work],
) -> WorkItem:
    state = State.FAILED if data.get("state") == State.FAILED else State.DONE
    done = await work.finish(ids.decode("wrk", work_id), state, data, livemode=principal.livemode)
    return WorkItem.of(done)


router = Router("/", route_handlers=[claim_work, finish_work])
