"""`/api/v1/risk/lists` and `/api/v1/risk/settings`."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from litestar import Request, Response, Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta, Struct

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.platform.calls import check_match, etag
from online.platform.http import request_id_of
from online.platform.lists import Cursor, Limit, window
from online.platform.openapi_page import problems
from online.platform.wire import WireStruct
from online.screening.domain import HOUSE, Entry, FailureMode, Kind, Owner, RiskTerms, Subject
from online.screening.service import Listing, Lists, Standing, Terms
from online.screening.store import Filter, Logged
from online.security.domain import Principal, allow

Value = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=320,
        description="a card's token, a VPA, a device id as payments name it, an IP address, a"
        " customer's id, a merchant's id; only its keyed hash is kept where it is personal",
    ),
]
Reason = Annotated[str, Meta(min_length=1, max_length=200, description="no personal data")]
Moment = Annotated[datetime, Meta(tz=True)]
Threshold = Annotated[int, Meta(ge=1, le=100)]
TimeoutMs = Annotated[int, Meta(ge=10, le=5_000, description="for the whole assessment")]
ScorerName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\Z", max_length=40)]


class ListEntry(WireStruct, frozen=True, kw_only=True):
    kind: Kind
    subject: Subject
    value: Value
    reason: Reason
    expires_at: Moment | None = None

    def __repr__(self) -> str:
        return f"ListEntry({self.kind} {self.subject})"


class EntryView(Struct, frozen=True, kw_only=True):
    """`value_masked` is for people; the value itself is not kept where it is personal."""

    id: str
    kind: str
    subject: str
    value_masked: str
    reason: str
    scope: str
    state: Literal["listed", "expired", "removed"]
    added_by: str
    expires_at: datetime | None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, entry: Entry, now: datetime) -> "EntryView":
        return cls(
            id=ids.encode("rle", entry.id),
            kind=entry.kind,
            subject=entry.subject,
            value_masked=entry.mask,
            reason=entry.reason,
            scope=entry.owner.scope,
            state=entry.state_at(now),
            added_by=entry.added_by,
            expires_at=entry.expires_at,
            version=entry.version,
            livemode=entry.livemode,
            created_at=entry.created_at,
            updated_at=entry.updated_at,
        )


class EntryPage(Struct, frozen=True, kw_only=True):
    data: list[EntryView]
    has_more: bool


class EntryChange(Struct, frozen=True, kw_only=True):
    """Who did what to an entry, and when."""

    type: str
    at: datetime
    by: str | None
    reason: str | None
    expires_at: str | None

    @classmethod
    def of(cls, logged: Logged) -> "EntryChange":
        return cls(
            type=logged.event_type,
            at=logged.at,
            by=logged.actor,
            reason=logged.data.get("reason"),
            expires_at=logged.data.get("expires_at"),
        )


class EntryDetail(Struct, frozen=True, kw_only=True):
    data: EntryView
    history: list[EntryChange]


class PutTerms(WireStruct, frozen=True, kw_only=True):
    """All of it: what is left out falls back to no scorer. A score of at least a threshold has its
    decision, the strictest first; a threshold equal to the next one leaves its decision out."""

    challenge_at: Threshold
    review_at: Threshold
    block_at: Threshold
    failure_mode: FailureMode
    timeout_ms: TimeoutMs
    scorer: ScorerName | None = None


class TermsView(Struct, frozen=True, kw_only=True):
    """Version 0: the house's defaults, as nothing was agreed."""

    challenge_at: int
    review_at: int
    block_at: int
    failure_mode: str
    timeout_ms: int
    scorer: str | None
    agreed_by: str | None
    updated_at: datetime | None
    version: int
    livemode: bool


def _owner(principal: Principal) -> Owner:
    """A merchant's own lists; those of the house for its people, who belong to no merchant."""
    return Owner(principal.merchant_id or HOUSE, principal.livemode)


def _metadata(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


@post(
    "/risk/lists",
    status_code=201,
    summary="Put somebody or something on a list",
    description="Holds for the very next payment. A merchant's lists hold for its own payments,"
    " those that the house's people make hold for all merchants. Once more with another reason or"
    " end changes the entry; what a list does to a score, the rules say.",
    tags=["risk"],
    responses={200: ResponseSpec(EntryView, description="It was on the list before")},
    opt=allow("risk:write", "risk_lists:write") | problems("not_found"),
)
async def add_to_list(
    request: Request[Any, Any, Any],
    data: JSONBody[ListEntry],
    principal: NamedDependency[Principal],
    risk_lists: NamedDependency[Lists],
    clock: NamedDependency[Clock],
) -> Response[EntryView]:
    order = Listing(
        owner=_owner(principal),
        kind=data.kind,
        subject=data.subject,
        value=data.value,
        reason=data.reason,
        expires_at=data.expires_at,
    )
    entry, is_new = await risk_lists.add(order, _metadata(request, principal))
    return Response(EntryView.of(entry, clock.now()), status_code=201 if is_new else 200)


@get(
    "/risk/lists",
    summary="Entries of the risk lists, newest first",
    description="Those that stand; with `all=true` also those that expired or were removed.",
    tags=["risk"],
    opt=allow("risk:read", "risk_lists:read"),
)
async def list_entries(
    principal: NamedDependency[Principal],
    risk_lists: NamedDependency[Lists],
    clock: NamedDependency[Clock],
    kind: FromQuery[Kind | None] = None,
    subject: FromQuery[Subject | None] = None,
    every: Annotated[bool, QueryParameter(name="all")] = False,
    limit: Limit = 20,
    starting_after: Cursor = None,
) -> EntryPage:
    now = clock.now()
    wanted = Filter(
        owner=_owner(principal),
        now=now,
        kind=kind,
        subject=subject,
        standing=not every,
    )
    found, more = await risk_lists.page(wanted, window("rle", limit, starting_after))
    return EntryPage(data=[EntryView.of(each, now) for each in found], has_more=more)


@get(
    "/risk/lists/{entry_id:str}",
    summary="An entry of a risk list and its history",
    tags=["risk"],
    opt=allow("risk:read", "risk_lists:read"),
)
async def read_entry(
    entry_id: FromPath[str],
    principal: NamedDependency[Principal],
    risk_lists: NamedDependency[Lists],
    clock: NamedDependency[Clock],
) -> EntryDetail:
    entry, history = await risk_lists.show(ids.decode("rle", entry_id), _owner(principal))
    return EntryDetail(
        data=EntryView.of(entry, clock.now()), history=[EntryChange.of(each) for each in history]
    )


@delete(
    "/risk/lists/{entry_id:str}",
    status_code=200,
    summary="Take an entry off its list",
    description="Holds for the very next payment; the entry stays to be read. Once more changes"
    " nothing.",
    tags=["risk"],
    opt=allow("risk:write", "risk_lists:write"),
)
async def remove_entry(
    request: Request[Any, Any, Any],
    entry_id: FromPath[str],
    principal: NamedDependency[Principal],
    risk_lists: NamedDependency[Lists],
    clock: NamedDependency[Clock],
) -> EntryView:
    entry = await risk_lists.remove(
        ids.decode("rle", entry_id), _owner(principal), _metadata(request, principal)
    )
    return EntryView.of(entry, clock.now())


@get(
    "/risk/settings",
    summary="The merchant's terms of risk",
    tags=["risk"],
    opt=allow("risk:read"),
)
async def read_risk_settings(
    principal: NamedDependency[Principal], risk_terms: NamedDependency[Terms]
) -> Response[TermsView]:
    livemode = principal.livemode
    return _shown(await risk_terms.show(principal.merchant, livemode=livemode), livemode=livemode)


@put(
    "/risk/settings",
    summary="Agree on other terms of risk",
    description="Other processes go on with the old terms for a few seconds. `failure_mode` is what"
    " happens to a payment whose assessment is late, or whose scorer does not answer. `scorer` is"
    " one that the house has set up. With `If-Match` the change is refused (412) when the terms"
    " were changed meanwhile.",
    tags=["risk"],
    opt=allow("risk:write") | problems("precondition_failed"),
)
async def put_risk_settings(
    request: Request[Any, Any, Any],
    data: JSONBody[PutTerms],
    principal: NamedDependency[Principal],
    risk_terms: NamedDependency[Terms],
) -> Response[TermsView]:
    terms = RiskTerms(
        challenge_at=data.challenge_at,
        review_at=data.review_at,
        block_at=data.block_at,
        failure_mode=data.failure_mode,
        timeout_ms=data.timeout_ms,
        scorer=data.scorer,
    )
    standing = await risk_terms.agree(
        principal.merchant,
        terms,
        partial(check_match, request),
        _metadata(request, principal),
        livemode=principal.livemode,
    )
    return _shown(standing, livemode=principal.livemode)


def _shown(standing: Standing, *, livemode: bool) -> Response[TermsView]:
    terms = standing.terms
    view = TermsView(
        challenge_at=terms.challenge_at,
        review_at=terms.review_at,
        block_at=terms.block_at,
        failure_mode=terms.failure_mode,
        timeout_ms=terms.timeout_ms,
        scorer=terms.scorer,
        agreed_by=standing.agreed_by,
        updated_at=standing.updated_at,
        version=standing.version,
        livemode=livemode,
    )
    return Response(view, headers=etag(standing.version))


router = Router(
    "/api/v1",
    route_handlers=[
        add_to_list,
        list_entries,
        read_entry,
        remove_entry,
        read_risk_settings,
        put_risk_settings,
    ],
)
