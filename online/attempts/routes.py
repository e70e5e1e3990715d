"""`/api/v1/attempts` for people of the house: what has no outcome yet, since when, and asking now.

Belongs here: what they see of an open attempt. Does not: when the worker asks (`schedule`).
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Struct

from online.attempts.domain import Attempt, Status
from online.attempts.return_routes import take_in_returns
from online.attempts.schedule import CLAIM
from online.attempts.service import Attempts
from online.attempts.store import Filter
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import Conflict, NotFound
from online.platform.db import Database
from online.platform.lists import Cursor, Limit, window
from online.platform.openapi_page import problems
from online.security.domain import Principal, allow

_URL: Final = "/attempts/{attempt_id:str}/enquire"

OpenStatus = Literal["open", "sent", "pending", "unknown", "deemed"]
OperationName = Literal[
    "authorize", "capture", "void", "reverse", "refund", "payout", "mandate", "mandate_revoke"
]
Why = Literal[
    "awaiting_answer",
    "awaiting_payer",
    "awaiting_rail",
    "awaiting_bank",
    "outcome_unknown",
    "over",
]
_WHY: Final[dict[Status, Why]] = {
    Status.SENT: "awaiting_answer",
    Status.PENDING: "awaiting_rail",
    Status.UNKNOWN: "outcome_unknown",
    Status.DEEMED: "awaiting_bank",
}


class AttemptView(Struct, frozen=True, kw_only=True):
    """One operation at one rail."""

    id: str
    payment: str | None
    refund: str | None
    settlement: str | None
    merchant: str
    operation: OperationName
    rail: str
    route: str | None
    amount: int
    currency: str
    status: str
    why: Why
    code: str | None  # what the rail said last
    sent_at: datetime
    age_s: int
    enquiries: int
    next_enquiry_at: datetime | None
    overdue: bool  # the rail's own number of enquiries did not settle it
    rail_reference: str | None
    livemode: bool


class AttemptPage(Struct, frozen=True, kw_only=True):
    data: list[AttemptView]
    has_more: bool


class AttemptDesk(Struct, frozen=True, kw_only=True):
    """What the handlers need; `resolve` asks the rail and lets the right slice record it."""

    database: Database
    attempts: Attempts
    clock: Clock
    resolve: Callable[[Attempt, str], Awaitable[None]]

    def view(self, attempt: Attempt) -> AttemptView:
        age = self.clock.now() - attempt.sent_at
        return _view(attempt, int(age.total_seconds()), overdue=self.attempts.is_overdue(attempt))


@get(
    "/attempts",
    summary="Operations at rails that have no outcome yet",
    description=(
        "Newest first. `unknown`: the rail gave no answer, or none that is final; funds and limits"
        " stay held, nothing is sent again, and the rail is asked at `next_enquiry_at`. `pending`:"
        " it waits for the payer, or for another bank. `deemed`: the payer was debited and the"
        " payee's bank has still to confirm the credit; it counts as a success until it says"
        " otherwise. `sent`: the call is on the line, or its"
        " process died and the rail is asked once that is due. `overdue`: the number of enquiries"
        " that the rail allows did not settle it; it is asked ever more slowly, and is worth a"
        " telephone call. `age_s` is in seconds since it was sent."
    ),
    tags=["recovery"],
    opt=allow("admin", "attempts:read", "attempts:write"),
)
async def list_attempts(
    principal: NamedDependency[Principal],
    attempt_desk: NamedDependency[AttemptDesk],
    standing: Annotated[OpenStatus, QueryParameter(name="status")] = "open",
    rail: Annotated[str | None, QueryParameter(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = None,
    operation: FromQuery[OperationName | None] = None,
    min_age: Annotated[int, QueryParameter(ge=0, le=10**8, description="in seconds")] = 0,
    overdue: FromQuery[bool | None] = None,
    limit: Limit = 20,
    starting_after: Cursor = None,
) -> AttemptPage:
    wanted = Filter(
        livemode=principal.livemode,
        status=None if standing == "open" else standing,
        rail=rail,
        operation=operation,
        sent_before=attempt_desk.clock.now() - timedelta(seconds=min_age) if min_age else None,
        overdue=overdue,
    )
    async with attempt_desk.database.connection() as connection:
        found, more = await attempt_desk.attempts.page(
            connection, wanted, window("att", limit, starting_after)
        )
    return AttemptPage(data=[attempt_desk.view(each) for each in found], has_more=more)


@post(
    _URL,
    status_code=200,
    summary="Ask the rail now",
    description=(
        "Asks once and answers with what the attempt is after that; nothing is sent again. It"
        " counts among the enquiries that the rail allows. 409 while its own call or somebody"
        " else's enquiry is under way, and when it has its outcome already."
    ),
    tags=["recovery"],
    opt=allow("admin", "attempts:write") | problems("not_found", "conflict"),
)
async def enquire_now(
    attempt_id: FromPath[str],
    principal: NamedDependency[Principal],
    attempt_desk: NamedDependency[AttemptDesk],
) -> AttemptView:
    id_ = ids.decode("att", attempt_id)
    found = await _get(attempt_desk, id_, livemode=principal.livemode)
    if not attempt_desk.attempts.can_ask(found.rail):
        raise Conflict(f"no rail {found.rail} is configured")
    async with attempt_desk.database.connection() as connection:
        until = attempt_desk.clock.now() + CLAIM
        mine = await attempt_desk.attempts.claim(connection, id_, until)
    if mine is None:
        raise Conflict(
            "somebody is asking already, or its call is on the line"
            if found.is_open
            else f"it has its outcome: {found.status}"
        )
    await attempt_desk.resolve(mine, principal.actor)
    return attempt_desk.view(await _get(attempt_desk, id_, livemode=principal.livemode))


async def _get(desk: AttemptDesk, attempt_id: UUID, *, livemode: bool) -> Attempt:
    async with desk.database.connection() as connection:
        found = await desk.attempts.get(connection, attempt_id)
    if found is None or found.livemode is not livemode:
        raise NotFound("no such attempt", "attempt_id")
    return found


def _view(attempt: Attempt, age_s: int, *, overdue: bool) -> AttemptView:
    def text(prefix: str, id_: UUID | None) -> str | None:
        return ids.encode(prefix, id_) if id_ else None

    return AttemptView(
        id=attempt.reference,
        payment=text("pay", attempt.payment_id),
        refund=text("rfd", attempt.refund_id),
        settlement=text("stl", attempt.settlement_id),
        merchant=ids.encode("mrc", attempt.merchant_id),
        operation=attempt.operation,  # type: ignore[arg-type]  # the database knows no others
        rail=attempt.rail,
        route=attempt.route,
        amount=attempt.amount_minor,
        currency=attempt.currency,
        status=attempt.status,
        why=_why(attempt),
        code=attempt.code,
        sent_at=attempt.sent_at,
        age_s=max(0, age_s),
        enquiries=attempt.enquiries,
        next_enquiry_at=attempt.next_enquiry_at,
        overdue=overdue,
        rail_reference=attempt.rail_reference,
        livemode=attempt.livemode,
    )


def _why(attempt: Attempt) -> Why:
    if attempt.status is Status.PENDING and attempt.operation == "authorize":
        return "awaiting_payer"
    return _WHY.get(attempt.status, "over")


router = Router("/api/v1", route_handlers=[list_attempts, enquire_now])
internal_router = Router("/", route_handlers=[take_in_returns])
