"""A payment as it is shown over the wire."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Request
from msgspec import Struct

from online.kernel import ids
from online.payments import deemed
from online.payments.domain import Payment, Status
from online.payments.orders import BUSY
from online.platform.http import problem_response
from online.platform.idempotency import Answer
from online.rails import upi_ids
from online.rails.domain import Outcome, OutcomeKind


class RiskView(Struct, frozen=True, kw_only=True):
    risk_score: int
    risk_level: str
    decision: str
    model_version: str | None


class PaymentView(Struct, frozen=True, kw_only=True):
    """Amounts are minor units of `currency`. `amount_late` was taken from the payer when the
    payment was over, or had gone on by another way: it is never the merchant's and goes back.

    `deemed`: the payer was debited, and the payee's bank has still to confirm the credit; the
    payment counts as captured until that bank sends the money back, by which it becomes `reversed`
    with the reason `returned_by_bank`. `upi_transaction_id` and `rrn` are what payers' apps show:
    the id is for ever, an RRN good for a day.
    """

    id: str
    intent_id: str | None
    merchant_id: str
    customer_id: str | None
    status: str
    amount: int
    currency: str
    method: str
    instrument: str | None
    funding: str | None
    card: dict[str, Any] | None
    card_checks: dict[str, Any] | None
    capture_method: str
    priority: str
    amount_authorized: int
    amount_capturable: int
    amount_captured: int
    amount_refundable: int
    amount_refunded: int
    amount_reversed: int
    amount_late: int
    amount_late_returned: int
    fee: int
    tax: int
    route: str | None
    rail: str | None
    rail_reference: str | None
    flow: str | None
    upi_transaction_id: str | None
    rrn: str | None
    deemed: bool
    reversal_reason: str | None
    authorization_expires_at: datetime | None
    risk: RiskView | None
    next_action: dict[str, Any] | None
    last_error: dict[str, Any] | None
    authority: dict[str, Any] | None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, payment: Payment) -> "PaymentView":
        def optional(prefix: str, id_: UUID | None) -> str | None:
            return ids.encode(prefix, id_) if id_ else None

        return cls(
            id=ids.encode("pay", payment.id),
            intent_id=optional("pi", payment.intent_id),
            merchant_id=ids.encode("mrc", payment.merchant_id),
            customer_id=optional("cus", payment.customer_id),
            status=payment.status,
            amount=payment.amount_minor,
            currency=payment.currency,
            method=payment.method,
            instrument=payment.instrument_mask,
            funding=payment.funding,
            card=payment.card,
            card_checks=payment.card_checks,
            capture_method=payment.capture_method,
            priority=payment.priority,
            amount_authorized=payment.authorized_minor,
            amount_capturable=payment.capturable_minor,
            amount_captured=payment.captured_minor,
            amount_refundable=payment.refundable_minor,
            amount_refunded=payment.refunded_minor,
            amount_reversed=payment.reversed_minor,
            amount_late=payment.late_minor,
            amount_late_returned=payment.late_returned_minor,
            fee=payment.fee_minor,
            tax=payment.tax_minor,
            route=payment.route,
            rail=payment.rail,
            rail_reference=payment.rail_reference,
            flow=payment.flow,
            upi_transaction_id=upi_ids.of(payment.method, payment.attempt_id),
            rrn=upi_ids.rrn(payment.method, payment.rail_reference),
            deemed=payment.deemed == deemed.DEEMED,
            reversal_reason=_reversal_reason(payment),
            authorization_expires_at=payment.authorization_expires_at,
            risk=risk_view(payment.risk),
            next_action=payment.next_action,
            last_error=payment.last_error,
            authority=payment.authority,
            livemode=payment.livemode,
            created_at=payment.created_at,
            updated_at=payment.updated_at,
        )


class PaymentList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    url: str = "/api/v1/payments"
    has_more: bool
    data: list[PaymentView]


def _reversal_reason(payment: Payment) -> str | None:
    if payment.deemed == deemed.RETURNED:
        return "returned_by_bank"
    return "asked_for" if payment.reversed_minor else None


def risk_view(risk: dict[str, Any] | None) -> RiskView | None:
    if not risk:
        return None
    return RiskView(
        risk_score=risk["score"],
        risk_level=risk["level"],
        decision=risk["decision"],
        model_version=risk.get("model_version"),
    )


def is_busy(payment: Payment, now: datetime) -> bool:
    """Whether the call that moved it last may still be at the rail."""
    held = payment.capture_open_minor + payment.refund_open_minor
    moving = payment.status in {"created", "processing"} or held > 0
    return moving and now - payment.updated_at < BUSY


def answer(payment: Payment, done: int, *, known: bool = True) -> Answer:
    """`done` once the outcome is known; 202 while it is not."""
    open_ = not known or payment.status in {Status.PROCESSING, Status.UNKNOWN}
    return Answer(202 if open_ else done, msgspec.json.encode(PaymentView.of(payment)))


def refusal_of(request: Request[Any, Any, Any], outcome: Outcome | None) -> Answer | None:
    """The problem to answer with when the rail said no to an operation; nothing was changed."""
    if outcome is None or outcome.kind not in {OutcomeKind.DECLINED, OutcomeKind.FAILED}:
        return None
    problem = problem_response(
        request,
        "refused_by_rail",
        outcome.message or "the rail refused",
        retryable=outcome.retryable,
        decline_code=outcome.decline_code,
    )
    return Answer(problem.status_code or 402, problem.content)
