"""What a review looks like on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from online.kernel import events as ev
from online.kernel import ids
from online.payments.domain import Payment
from online.platform.wire import WireStruct
from online.reviews.actions import Action, actions
from online.reviews.domain import Outcome, Review
from online.reviews.service import File
from online.reviews.store import Logged

Passage = Annotated[str, Meta(min_length=1, max_length=2_000)]
StatusName = Literal["open", "claimed", "decided"]
LevelName = Literal["low", "medium", "high", "critical"]


class ReviewView(Struct, frozen=True, kw_only=True):
    """Amount in minor units of `currency`. `assignee` works on it until `claimed_until`, or has
    decided it; a claim whose time ran out is not shown any more."""

    id: str
    payment: str
    merchant: str
    status: StatusName
    amount: int
    currency: str
    risk_score: int
    risk_level: str
    due_at: datetime
    overdue: bool
    assignee: str | None
    claimed_until: datetime | None
    outcome: str | None
    reason: str | None
    decided_at: datetime | None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, review: Review, now: datetime) -> "ReviewView":
        standing = review.standing(now)
        is_open = standing == "open"
        return cls(
            id=review.reference,
            payment=ids.encode("pay", review.payment_id),
            merchant=ids.encode("mrc", review.merchant_id),
            status=standing.value,
            amount=review.amount_minor,
            currency=review.currency,
            risk_score=review.score,
            risk_level=review.level,
            due_at=review.due_at,
            overdue=review.outcome is None and now >= review.due_at,
            assignee=None if is_open else review.assignee,
            claimed_until=None if is_open else review.claimed_until,
            outcome=review.outcome,
            reason=review.reason,
            decided_at=review.decided_at,
            livemode=review.livemode,
            created_at=review.created_at,
            updated_at=review.updated_at,
        )


class ReviewList(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    url: str = "/api/v1/reviews"
    has_more: bool
    data: list[ReviewView]


class ReviewedPayment(Struct, frozen=True, kw_only=True):
    """The payment as it stands. `actions` may be done with it now, by
    `POST /api/v1/payments/{id}/capture`, `POST /api/v1/payments/{id}/cancel` or
    `POST /api/v1/refunds`: a review itself moves no money."""

    id: str
    status: str
    amount: int
    captured: int
    refunded: int
    currency: str
    method: str
    instrument: str | None
    customer: str | None
    device: str | None
    created_at: datetime
    actions: list[Action]

    @classmethod
    def of(cls, payment: Payment) -> "ReviewedPayment":
        return cls(
            id=ids.encode("pay", payment.id),
            status=payment.status.value,
            amount=payment.amount_minor,
            captured=payment.captured_minor,
            refunded=payment.refunded_minor,
            currency=payment.currency,
            method=payment.method,
            instrument=payment.instrument_mask,
            customer=ids.encode("cus", payment.customer_id) if payment.customer_id else None,
            device=payment.device_id,
            created_at=payment.created_at,
            actions=actions(payment),
        )


class ReviewFactorView(Struct, frozen=True, kw_only=True):
    """One reason for the score; the scores of all sum to it."""

    code: str
    description: str
    score: int


class NoteView(Struct, frozen=True, kw_only=True):
    text: str
    by: str
    at: datetime


class ReviewEventView(Struct, frozen=True, kw_only=True):
    """One thing that happened to the review; `data` as the event schema of its type says."""

    event_type: str
    version: int
    at: datetime
    actor: str | None
    data: dict[str, Any]

    @classmethod
    def of(cls, logged: Logged) -> "ReviewEventView":
        return cls(**msgspec.structs.asdict(logged))


class ReviewDetail(Struct, frozen=True, kw_only=True):
    """The review, the payment as it stands, why risk had doubts, and all that happened so far,
    oldest first."""

    data: ReviewView
    payment: ReviewedPayment
    factors: list[ReviewFactorView]
    notes: list[NoteView]
    history: list[ReviewEventView]

    @classmethod
    def of(cls, file: File, now: datetime) -> "ReviewDetail":
        factors = (file.payment.risk or {}).get("factors", [])
        return cls(
            data=ReviewView.of(file.review, now),
            payment=ReviewedPayment.of(file.payment),
            factors=msgspec.convert(factors, list[ReviewFactorView]),
            notes=[_note(each) for each in file.history if each.event_type == ev.ReviewNoted.TYPE],
            history=[ReviewEventView.of(each) for each in file.history],
        )


def _note(logged: Logged) -> NoteView:
    return NoteView(text=logged.data["text"], by=logged.data["by"], at=logged.at)


class DecidedView(Struct, frozen=True, kw_only=True):
    """The review as decided, and the payment with what may be done about its money."""

    data: ReviewView
    payment: ReviewedPayment


class WriteNote(WireStruct, frozen=True, kw_only=True):
    """No personal data: what is written stays for ever."""

    text: Passage


class DecideReview(WireStruct, frozen=True, kw_only=True):
    """No personal data in `reason`: what is written stays for ever."""

    outcome: Outcome
    reason: Passage
