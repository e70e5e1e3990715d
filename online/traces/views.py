"""A trace as it is shown over the wire. Amounts are minor units; those of entries are signed,
debit negative.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct

from online.attempts.domain import Attempt
from online.disputes.domain import Dispute
from online.kernel import events as ev
from online.kernel import ids
from online.ledger.trail import Booked, BookedLeg, Logged
from online.payments.views import PaymentView
from online.refunds.domain import Refund
from online.settlements.domain import Settlement
from online.traces.domain import Link
from online.traces.limits import LimitsStep, limits_of
from online.traces.service import Trace

_AGGREGATES: Final = {"payment": "pay", "intent": "pi", "attempt": "att", "refund": "rfd",
                      "dispute": "dsp"}  # fmt: skip
# Of a stored decision, what a merchant is told; the rest would teach how to pass.
_RISK_FOR_MERCHANTS: Final = ("score", "level", "decision", "model_version", "rules_version")
_ROUTE_FOR_MERCHANTS: Final = ("route", "strategy", "reason", "candidates")
_CANDIDATE_FOR_MERCHANTS: Final = ("name", "eligible", "reason")  # what rails charge us is ours


class EventStep(Struct, frozen=True, kw_only=True):
    """An event of the log, by what it is about and its place there."""

    id: str
    aggregate_id: str
    type: str
    version: int
    at: datetime


class AnswerStep(Struct, frozen=True, kw_only=True):
    """What a rail said of an attempt; `enquiry` counts how often it had been asked by then."""

    status: str
    at: datetime
    code: str | None
    rail_reference: str | None
    network_reference: str | None
    message: str
    latency_ms: int | None
    enquiry: int


class AttemptStep(Struct, frozen=True, kw_only=True):
    id: str
    operation: str
    status: str
    amount: int
    currency: str
    route: str | None
    rail: str
    rail_reference: str | None
    code: str | None
    refund_id: str | None
    original_id: str | None
    sent_at: datetime
    answers: list[AnswerStep]


class TryStep(Struct, frozen=True, kw_only=True):
    """What became of the try that was decided: of a payment that went on to another route, each."""

    number: int
    status: str
    code: str | None
    latency_ms: int | None  # of the call, whatever was heard of it afterwards


class DecisionStep(Struct, frozen=True, kw_only=True):
    """Risk's and routing's decision as stored with the event that followed it; whole for ours, in
    short for a merchant. `attempt` is what it led to.
    """

    event_id: str
    type: str
    at: datetime
    risk: dict[str, Any]
    route: dict[str, Any] | None
    attempt: TryStep | None
    attempt_id: str | None


class EntryStep(Struct, frozen=True, kw_only=True):
    id: str
    account_id: str
    account: str
    amount: int
    currency: str
    layer: str


class TransactionStep(Struct, frozen=True, kw_only=True):
    id: str
    kind: str
    reference: str | None
    business_date: date
    effective_at: datetime
    created_at: datetime
    entries: list[EntryStep]


class IntentStep(Struct, frozen=True, kw_only=True):
    id: str
    status: str
    amount: int
    currency: str
    created_at: datetime


class RefundStep(Struct, frozen=True, kw_only=True):
    id: str
    status: str
    amount: int
    currency: str
    attempt_id: str | None
    rail_reference: str | None
    failure_code: str | None
    created_at: datetime
    updated_at: datetime


class DisputeStep(Struct, frozen=True, kw_only=True):
    id: str
    status: str
    amount: int
    currency: str
    reason_code: str
    rail_reference: str
    evidence_sha256: str | None
    created_at: datetime
    closed_at: datetime | None


class SettlementStep(Struct, frozen=True, kw_only=True):
    """The batch of a business day on which this payment moved money."""

    id: str
    business_date: date
    status: str
    net: int
    currency: str
    payout_attempt_id: str | None
    utr: str | None
    created_at: datetime


class LinkStep(Struct, frozen=True, kw_only=True):
    """A place outside our books; `sha256` is of the file it stands in."""

    attempt_id: str
    hop: str
    reference: str
    at: date
    amount: int | None
    sha256: str | None
    recorded_at: datetime


class TraceView(Struct, frozen=True, kw_only=True):
    """Lists are oldest first. `links` is filled as the banks' files come in."""

    payment: PaymentView
    intent: IntentStep | None
    attempts: list[AttemptStep]
    decisions: list[DecisionStep]
    limits: LimitsStep | None
    transactions: list[TransactionStep]
    refunds: list[RefundStep]
    disputes: list[DisputeStep]
    settlements: list[SettlementStep]
    links: list[LinkStep]
    events: list[EventStep]
    object: Literal["trace"] = "trace"


def view(trace: Trace, *, whole: bool) -> TraceView:
    """`whole` decisions are for ours, not for a merchant."""
    intent = trace.intent
    attempts = [_attempt(each, trace.events) for each in trace.attempts]
    return TraceView(
        payment=PaymentView.of(trace.payment),
        intent=IntentStep(
            id=ids.encode("pi", intent.id),
            status=intent.status,
            amount=intent.amount_minor,
            currency=intent.currency,
            created_at=intent.created_at,
        )
        if intent
        else None,
        attempts=attempts,
        decisions=_decisions(trace.events, attempts, whole=whole),
        limits=limits_of(trace.events),
        transactions=[_transaction(each) for each in trace.transactions],
        refunds=[_refund(each) for each in trace.refunds],
        disputes=[_dispute(each) for each in trace.disputes],
        settlements=[_settlement(each) for each in trace.settlements],
        links=[_link(each) for each in trace.links],
        events=[_event(each) for each in trace.events],
    )


def _optional(prefix: str, id_: UUID | None) -> str | None:
    return ids.encode(prefix, id_) if id_ else None


def _event(logged: Logged) -> EventStep:
    prefix = _AGGREGATES[logged.event_type.partition(".")[0]]
    return EventStep(
        id=ids.encode("evt", logged.id),
        aggregate_id=ids.encode(prefix, logged.aggregate_id),
        type=logged.event_type,
        version=logged.version,
        at=logged.at,
    )


def _attempt(attempt: Attempt, events: Sequence[Logged]) -> AttemptStep:
    own = [logged for logged in events if logged.aggregate_id == attempt.id]
    said = [(logged, logged.event) for logged in own]
    return AttemptStep(
        id=attempt.reference,
        operation=attempt.operation,
        status=attempt.status,
        amount=attempt.amount_minor,
        currency=attempt.currency,
        route=attempt.route,
        rail=attempt.rail,
        rail_reference=attempt.rail_reference,
        code=attempt.code,
        refund_id=_optional("rfd", attempt.refund_id),
        original_id=_optional("att", attempt.original_id),
        sent_at=attempt.sent_at,
        answers=[
            AnswerStep(
                status=logged.event_type.partition(".")[2],
                at=logged.at,
                code=event.code,
                rail_reference=event.rail_reference,
                network_reference=event.network_reference,
                message=event.message,
                latency_ms=event.latency_ms,
                enquiry=event.enquiry,
            )
            for logged, event in said
            if isinstance(event, ev.AttemptOutcome)
        ],
    )


def _decisions(
    events: Sequence[Logged], attempts: Sequence[AttemptStep], *, whole: bool
) -> list[DecisionStep]:
    by_id = {attempt.id: attempt for attempt in attempts}
    steps: list[DecisionStep] = []
    tries = 0
    for logged in events:
        event = logged.event
        if not isinstance(event, ev.PaymentProcessing | ev.PaymentBlocked | ev.PaymentInReview):
            continue
        sent = by_id.get(event.attempt_id) if isinstance(event, ev.PaymentProcessing) else None
        tries += sent is not None
        risk, route = event.risk, event.route_decision
        steps.append(
            DecisionStep(
                event_id=ids.encode("evt", logged.id),
                type=logged.event_type,
                at=logged.at,
                risk=risk if whole else _part(risk, _RISK_FOR_MERCHANTS),
                route=route if whole or not route else _route_in_short(route),
                attempt=_try(sent, tries) if sent else None,
                attempt_id=sent.id if sent else None,
            )
        )
    return steps


def _try(attempt: AttemptStep, number: int) -> TryStep:
    latencies = (answer.latency_ms for answer in attempt.answers)
    return TryStep(
        number=number,
        status=attempt.status,
        code=attempt.code,
        latency_ms=next((each for each in latencies if each is not None), None),
    )


def _part(stored: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: stored[name] for name in names if name in stored}


def _route_in_short(decision: dict[str, Any]) -> dict[str, Any]:
    candidates = decision.get("candidates", [])
    return _part(decision, _ROUTE_FOR_MERCHANTS) | {
        "candidates": [_part(each, _CANDIDATE_FOR_MERCHANTS) for each in candidates]
    }


def _transaction(booked: Booked) -> TransactionStep:
    return TransactionStep(
        id=ids.encode("txn", booked.id),
        kind=booked.kind,
        reference=booked.reference,
        business_date=booked.business_date,
        effective_at=booked.effective_at,
        created_at=booked.created_at,
        entries=[_entry(leg) for leg in booked.legs],
    )


def _entry(leg: BookedLeg) -> EntryStep:
    return EntryStep(
        id=ids.encode("ent", leg.id),
        account_id=ids.encode("acc", leg.account_id),
        account=leg.code,
        amount=leg.amount_minor,
        currency=leg.currency,
        layer=leg.layer,
    )


def _refund(refund: Refund) -> RefundStep:
    return RefundStep(
        id=ids.encode("rfd", refund.id),
        status=refund.status,
        amount=refund.amount_minor,
        currency=refund.currency,
        attempt_id=_optional("att", refund.attempt_id),
        rail_reference=refund.rail_reference,
        failure_code=refund.failure_code,
        created_at=refund.created_at,
        updated_at=refund.updated_at,
    )


def _dispute(dispute: Dispute) -> DisputeStep:
    return DisputeStep(
        id=ids.encode("dsp", dispute.id),
        status=dispute.status,
        amount=dispute.amount_minor,
        currency=dispute.currency,
        reason_code=dispute.reason_code,
        rail_reference=dispute.rail_reference,
        evidence_sha256=dispute.evidence_sha256,
        created_at=dispute.created_at,
        closed_at=dispute.closed_at,
    )


def _settlement(settlement: Settlement) -> SettlementStep:
    return SettlementStep(
        id=ids.encode("stl", settlement.id),
        business_date=settlement.business_date,
        status=settlement.status,
        net=settlement.net_minor,
        currency=settlement.currency,
        payout_attempt_id=_optional("att", settlement.payout_attempt_id),
        utr=settlement.utr,
        created_at=settlement.created_at,
    )


def _link(link: Link) -> LinkStep:
    return LinkStep(
        attempt_id=ids.encode("att", link.attempt_id),
        hop=link.hop,
        reference=link.reference,
        at=link.at,
        amount=link.amount_minor,
        sha256=link.sha256.hex() if link.sha256 else None,
        recorded_at=link.recorded_at,
    )
