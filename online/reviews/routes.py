"""`/api/v1/reviews`: for a merchant's staff their own, for people of the house all."""

from typing import Annotated, Any, Final, Literal

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.platform.calls import etag
from online.platform.http import request_id_of
from online.platform.lists import Cursor, IdFilter, Limit, window
from online.platform.openapi_page import problems
from online.reviews.domain import Reviewer
from online.reviews.service import Call, Reviews
from online.reviews.shapes import (
    DecidedView,
    DecideReview,
    LevelName,
    ReviewDetail,
    ReviewedPayment,
    ReviewList,
    ReviewView,
    StatusName,
    WriteNote,
)
from online.reviews.store import Filter
from online.security.domain import ADMIN_SCOPES, Principal, allow

_LEADS: Final = ADMIN_SCOPES | {"reviews:lead"}
_READ: Final = allow("admin", "reviews:read")
_WRITE: Final = allow("admin", "reviews:write", "reviews:lead")
_PROBLEMS: Final = ("not_found", "claimed_by_another", "already_decided")
_URL: Final = "/reviews/{review_id:str}"


def _reviewer(principal: Principal) -> Reviewer:
    return Reviewer(actor=principal.actor, leads=not _LEADS.isdisjoint(principal.scopes))


def _call(
    request: Request[Any, Any, Any], review_id: FromPath[str], principal: NamedDependency[Principal]
) -> Call:
    return Call(
        review_id=ids.decode("rev", review_id),
        tenant=principal.merchant_id,
        livemode=principal.livemode,
        who=_reviewer(principal),
        metadata=Metadata(actor=principal.actor, request_id=request_id_of(request)),
    )


_GIVEN: Final = {"review_call": Provide(_call, sync_to_thread=False)}


@get(
    "/reviews",
    summary="Payments in review",
    description=(
        "A merchant sees their own, people of the house see all. `assignee` is whoever claimed or"
        " decided, as `assignee` names them; `me` is the caller."
    ),
    tags=["reviews"],
    opt=_READ,
)
async def list_reviews(
    principal: NamedDependency[Principal],
    reviews: NamedDependency[Reviews],
    clock: NamedDependency[Clock],
    standing: Annotated[StatusName | None, QueryParameter(name="status")] = None,
    level: FromQuery[LevelName | None] = None,
    merchant: IdFilter = None,
    assignee: Annotated[str | None, QueryParameter(min_length=1, max_length=100)] = None,
    order: FromQuery[Literal["newest", "most_at_stake"]] = "newest",
    limit: Limit = 20,
    starting_after: Cursor = None,
) -> ReviewList:
    now = clock.now()
    wanted = Filter(
        livemode=principal.livemode,
        now=now,
        tenant=principal.merchant_id,
        merchant=ids.decode("mrc", merchant) if merchant else None,
        status=standing,
        level=level,
        assignee=principal.actor if assignee == "me" else assignee,
    )
    found, more = await reviews.page(wanted, window("rev", limit, starting_after), order)
    return ReviewList(has_more=more, data=[ReviewView.of(each, now) for each in found])


@get(
    _URL,
    summary="A review with its payment, the reasons and what happened",
    tags=["reviews"],
    opt=_READ,
)
async def read_review(
    review_id: FromPath[str],
    principal: NamedDependency[Principal],
    reviews: NamedDependency[Reviews],
    clock: NamedDependency[Clock],
) -> Response[ReviewDetail]:
    file = await reviews.file(
        ids.decode("rev", review_id), tenant=principal.merchant_id, livemode=principal.livemode
    )
    return Response(ReviewDetail.of(file, clock.now()), headers=etag(file.review.version))


@post(
    f"{_URL}/claim",
    status_code=200,
    summary="Take a review to work on",
    description=(
        "It is the caller's alone until `claimed_until`; then anybody may claim it. Claiming it"
        " again before that gives more time. Of two who claim at once one has it, the other is"
        " answered `claimed_by_another`."
    ),
    tags=["reviews"],
    opt=_WRITE | problems(*_PROBLEMS),
    dependencies=_GIVEN,
)
async def claim_review(
    review_call: NamedDependency[Call],
    reviews: NamedDependency[Reviews],
    clock: NamedDependency[Clock],
) -> ReviewView:
    return ReviewView.of(await reviews.claim(review_call), clock.now())


@post(
    f"{_URL}/release",
    status_code=200,
    summary="Give a review back",
    description="By whoever holds it; `reviews:lead` may take it from them.",
    tags=["reviews"],
    opt=_WRITE | problems(*_PROBLEMS, "not_claimed"),
    dependencies=_GIVEN,
)
async def release_review(
    review_call: NamedDependency[Call],
    reviews: NamedDependency[Reviews],
    clock: NamedDependency[Clock],
) -> ReviewView:
    return ReviewView.of(await reviews.release(review_call), clock.now())


@post(
    f"{_URL}/notes",
    status_code=201,
    summary="Write down what was found out",
    tags=["reviews"],
    opt=_WRITE | problems("not_found"),
    dependencies=_GIVEN,
)
async def note_on_review(
    data: JSONBody[WriteNote],
    review_call: NamedDependency[Call],
    reviews: NamedDependency[Reviews],
    clock: NamedDependency[Clock],
) -> ReviewView:
    return ReviewView.of(await reviews.note(review_call, data.text), clock.now())


@post(
    f"{_URL}/decide",
    status_code=200,
    summary="Decide that it was fraud, or good",
    description=(
        "By whoever holds it; `reviews:lead` need not. Risk learns it as a label at once. No money"
        " moves: `payment.actions` of the answer says what may be done about it. The same decision"
        " again changes nothing, another one is refused; what turns out later is reported by"
        " `POST /api/v1/risk/labels`."
    ),
    tags=["reviews"],
    opt=_WRITE | problems(*_PROBLEMS, "not_claimed"),
    dependencies=_GIVEN,
)
async def decide_review(
    data: JSONBody[DecideReview],
    review_call: NamedDependency[Call],
    reviews: NamedDependency[Reviews],
    clock: NamedDependency[Clock],
) -> DecidedView:
    decided = await reviews.decide(review_call, data.outcome, data.reason)
    payment = await reviews.payment_of(decided)
    return DecidedView(
        data=ReviewView.of(decided, clock.now()), payment=ReviewedPayment.of(payment)
    )


router = Router(
    "/api/v1",
    route_handlers=[
        *(list_reviews, read_review),
        *(claim_review, release_review, note_on_review, decide_review),
    ],
)
