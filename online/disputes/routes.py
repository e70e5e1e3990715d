"""`/api/v1/disputes` for merchants; the rails' files under `/internal`."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from online.disputes.domain import Dispute, News
from online.disputes.intake import Taken
from online.disputes.service import Call, Disputes
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import InvalidRequest, Refused
from online.kernel.events import Metadata
from online.payments.orders import BUSY
from online.platform import ndjson
from online.platform.calls import check_match, etag, key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.lists import Cursor, Limit, cut, window
from online.platform.openapi_page import problems
from online.platform.openapi_shapes import lines_of
from online.platform.wire import AmountMinor, Text, WireStruct
from online.security.domain import Principal, allow

# It becomes part of an address at the rail, so that nothing but plain characters may come.
RailReference = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z")]
StatusName = Literal["needs_response", "under_review", "won", "lost"]
Line = Annotated[str, Meta(min_length=1, max_length=255)]
Passage = Annotated[str, Meta(min_length=1, max_length=5_000)]
Story = Annotated[str, Meta(min_length=1, max_length=20_000)]
_URL: Final = "/api/v1/disputes"


class Evidence(WireStruct, frozen=True, kw_only=True):
    """Whatever shows that the money is the merchant's; at least one field."""

    explanation: Story | None = None
    product_description: Passage | None = None
    customer_communication: Story | None = None
    shipping_carrier: Line | None = None
    shipping_tracking: Line | None = None
    shipping_date: date | None = None
    service_date: date | None = None
    refund_policy: Passage | None = None
    cancellation_policy: Passage | None = None

    def text(self) -> str:
        """As it is stored, hashed and handed to the rail: JSON with what was said alone."""
        said = {name: value for name, value in msgspec.structs.asdict(self).items() if value}
        if not said:
            raise InvalidRequest("at least one field is required", "explanation")
        return msgspec.json.encode(said, order="sorted").decode()


class EvidenceView(Struct, frozen=True, kw_only=True):
    """That it is there, not what it says; `sent_at` once the rail has taken it."""

    sha256: str
    submitted_at: datetime
    sent_at: datetime | None


class DisputeView(Struct, frozen=True, kw_only=True):
    """Amounts in minor units of `currency`; `fee` and `tax` are charged when it is lost."""

    id: str
    payment: str
    amount: int
    currency: str
    status: str
    reason: str
    reason_code: str
    respond_by: datetime
    evidence: EvidenceView | None
    fee: int
    tax: int
    rail: str
    rail_reference: str
    livemode: bool
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None

    @classmethod
    def of(cls, dispute: Dispute) -> "DisputeView":
        return cls(
            id=dispute.reference,
            payment=ids.encode("pay", dispute.payment_id),
            amount=dispute.amount_minor,
            currency=dispute.currency,
            status=dispute.status,
            reason=dispute.reason,
            reason_code=dispute.reason_code,
            respond_by=dispute.respond_by,
            evidence=_evidence(dispute),
            fee=dispute.fee_minor,
            tax=dispute.tax_minor,
            rail=dispute.rail,
            rail_reference=dispute.rail_reference,
            livemode=dispute.livemode,
            created_at=dispute.created_at,
            updated_at=dispute.updated_at,
            closed_at=dispute.closed_at,
        )


def _evidence(dispute: Dispute) -> EvidenceView | None:
    if dispute.evidence_sha256 is None or dispute.evidence_at is None:
        return None
    return EvidenceView(
        sha256=dispute.evidence_sha256,
        submitted_at=dispute.evidence_at,
        sent_at=dispute.evidence_sent_at,
    )


class DisputeList(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    url: str = _URL
    has_more: bool
    data: list[DisputeView]


def _answer(dispute: Dispute) -> Answer:
    return Answer(200, msgspec.json.encode(DisputeView.of(dispute)))


@get(
    "/disputes",
    summary="Disputes, newest first",
    tags=["disputes"],
    opt=allow("disputes:read"),
)
async def list_disputes(
    principal: NamedDependency[Principal],
    disputes: NamedDependency[Disputes],
    standing: Annotated[StatusName | None, QueryParameter(name="status")] = None,
    payment: Annotated[str | None, QueryParameter(max_length=40)] = None,
    limit: Limit = 10,
    starting_after: Cursor = None,
) -> DisputeList:
    asked = window("dsp", limit, starting_after)
    found = await disputes.page(
        principal.merchant,
        asked,
        livemode=principal.livemode,
        status=standing,
        payment_id=ids.decode("pay", payment) if payment else None,
    )
    shown, more = cut(found, asked)
    return DisputeList(has_more=more, data=[DisputeView.of(each) for each in shown])


@get(
    "/disputes/{dispute_id:str}", summary="A dispute", tags=["disputes"], opt=allow("disputes:read")
)
async def read_dispute(
    dispute_id: FromPath[str],
    principal: NamedDependency[Principal],
    disputes: NamedDependency[Disputes],
) -> Response[DisputeView]:
    dispute = await disputes.get(
        ids.decode("dsp", dispute_id), principal.merchant, livemode=principal.livemode
    )
    return Response(DisputeView.of(dispute), headers=etag(dispute.version))


@post(
    "/disputes/{dispute_id:str}/evidence",
    status_code=200,
    summary="Say why the money is yours",
    description=(
        "Once, before `respond_by`; later it is refused with `evidence_late`. It is handed to the"
        " bank at once, or again and again until the bank takes it."
    ),
    tags=["disputes"],
    opt=allow("disputes:write", signed=True) | problems("precondition_failed"),
)
async def submit_evidence(
    request: Request[Any, Any, Any],
    dispute_id: FromPath[str],
    data: JSONBody[Evidence],
    principal: NamedDependency[Principal],
    disputes: NamedDependency[Disputes],
    clock: NamedDependency[Clock],
) -> Response[DisputeView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    metadata = Metadata(actor=principal.actor, request_id=request_id_of(request))
    text = data.text()
    id_ = ids.decode("dsp", dispute_id)
    shown: list[Dispute] = []  # what the answer is about, unless it is a stored one

    async def read(found: UUID) -> Dispute:
        return await disputes.get(found, principal.merchant, livemode=principal.livemode)

    async def act() -> Answer:
        call = Call(
            key=key,
            check=lambda dispute: check_match(request, dispute.version),
            render=_answer,
        )
        shown.append(await disputes.submit_evidence(await read(id_), text, call, metadata))
        return _answer(shown[0])

    async def present(found: UUID) -> Present:
        dispute = await read(found)
        shown.append(dispute)
        recent = clock.now() - dispute.updated_at < BUSY
        return Present(_answer(dispute), dispute.evidence_sent_at is None and recent)

    response = respond(await once(act, present, key.request_hash))
    if shown:
        response.headers.update(etag(shown[0].version))
    return response


# ── what rails' files say ───────────────────────────────────────────────────────────────


class DisputeLine(WireStruct, frozen=True, kw_only=True):
    """One dispute as a rail's file has it; amount in minor units, all that is disputed."""

    rail: Text
    reference: RailReference
    original_reference: Text
    amount: AmountMinor
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    reason_code: Annotated[str, Meta(min_length=1, max_length=40)]
    status: Literal["open", "won", "lost"]
    respond_by: Annotated[datetime, Meta(tz=True)] | None = None

    def news(self) -> News:
        return News(
            rail=self.rail,
            reference=self.reference,
            original_reference=self.original_reference,
            amount_minor=self.amount,
            currency=self.currency,
            reason_code=self.reason_code,
            status=self.status,
            respond_by=self.respond_by,
        )


class DisputeAnswer(Struct, frozen=True, kw_only=True):
    """`state` is how the dispute stands now; `conflict`: it is otherwise, and stays so."""

    rail: str | None
    reference: str | None
    status: Literal["posted", "exists", "conflict", "refused"]
    dispute: str | None = None
    state: str | None = None
    detail: str | None = None
    param: str | None = None


@post(
    "/internal/v1/disputes",
    status_code=200,
    summary="Take in what a rail's file says of disputes (NDJSON)",
    description="Idempotent by rail, reference and status: a file may be sent again.",
    tags=["internal"],
    opt=allow("service") | lines_of(DisputeLine),
    media_type=ndjson.MEDIA_TYPE,
    request_max_body_size=ndjson.MAX_BODY_BYTES,
)
async def take_in_disputes(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    disputes: NamedDependency[Disputes],
) -> Response[bytes]:
    lines = await ndjson.read_lines(request, DisputeLine)
    metadata = Metadata(actor=principal.actor, request_id=request_id_of(request))
    news = [line.news() for line in lines if isinstance(line, DisputeLine)]
    results = iter(await disputes.take_in(news, livemode=principal.livemode, metadata=metadata))
    return ndjson.response(
        _refused(line) if isinstance(line, Refused) else _taken(line, next(results))
        for line in lines
    )


def _refused(why: Refused) -> DisputeAnswer:
    return DisputeAnswer(
        rail=None, reference=None, status="refused", detail=why.detail, param=why.param
    )


def _taken(line: DisputeLine, taken: Taken) -> DisputeAnswer:
    return DisputeAnswer(
        rail=line.rail,
        reference=line.reference,
        status=taken.status,
        dispute=taken.dispute.reference if taken.dispute else None,
        state=taken.dispute.status if taken.dispute else None,
        detail=taken.refusal.detail if taken.refusal else None,
        param=taken.refusal.param if taken.refusal else None,
    )


router = Router("/api/v1", route_handlers=[list_disputes, read_dispute, submit_evidence])
internal_router = Router("/", route_handlers=[take_in_disputes])
