"""A payment as it is shown over the wire."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from online.kernel import ids
from online.payments.domain import Payment, Status
from online.platform.idempotency import Answer


class RiskView(Struct, frozen=True, kw_only=True):
    risk_score: int
    risk_level: str
    decision: str
    model_version: str | None


class PaymentView(Struct, frozen=True, kw_only=True):
    """Amounts are minor units of `currency`."""

    id: str
    intent_id: str | None
    merchant_id: str
    customer_id: str | None
    status: str
    amount: int
    currency: str
    method: str
    instrument: str | None
    capture_method: str
    priority: str
    amount_authorized: int
    amount_captured: int
    amount_refunded: int
    amount_reversed: int
    fee: int
    tax: int
    route: str | None
    rail: str | None
    rail_reference: str | None
    risk: RiskView | None
    next_action: dict[str, Any] | None
    last_error: dict[str, Any] | None
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
            capture_method=payment.capture_method,
            priority=payment.priority,
            amount_authorized=payment.authorized_minor,
            amount_captured=payment.captured_minor,
            amount_refunded=payment.refunded_minor,
            amount_reversed=payment.reversed_minor,
            fee=payment.fee_minor,
            tax=payment.tax_minor,
            route=payment.route,
            rail=payment.rail,
            rail_reference=payment.rail_reference,
            risk=_risk(payment.risk),
            next_action=payment.next_action,
            last_error=payment.last_error,
            livemode=payment.livemode,
            created_at=payment.created_at,
            updated_at=payment.updated_at,
        )


def _risk(risk: dict[str, Any] | None) -> RiskView | None:
    if not risk:
        return None
    return RiskView(
        risk_score=risk["score"],
        risk_level=risk["level"],
        decision=risk["decision"],
        model_version=risk.get("model_version"),
    )


def answer(payment: Payment, done: int) -> Answer:
    """`done` once the outcome is known; 202 while it is not."""
    open_ = payment.status in {Status.PROCESSING, Status.UNKNOWN}
    return Answer(202 if open_ else done, msgspec.json.encode(PaymentView.of(payment)))
