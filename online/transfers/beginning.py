"""What a transfer begins with: its first events, and what risk and routing are asked.

Belongs here: an order turned into others' words. Does not: any decision.
"""

from datetime import datetime
from typing import cast
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.limits.domain import Decided, DeviceState, taken
from online.limits.service import Spend
from online.merchants.domain import Merchant
from online.risk.domain import Assessment, RiskInput
from online.routing.domain import RouteDecision, RouteRequest, Strategy
from online.transfers.orders import Order, People


def created(order: Order, people: People, limits: Decided) -> ev.TransferCreated:
    payer, payee = people.payer, people.payee
    return ev.TransferCreated(
        merchant_id=ids.encode("mrc", order.merchant_id),
        amount=order.amount_minor,
        currency=order.currency,
        customer_id=ids.encode("cus", order.payer_id),
        device_id=order.device_id,
        payer=payer.key,
        payer_mask=payer.mask,
        payee=payee.key,
        payee_mask=payee.mask,
        payer_handle=payer.handle,
        payee_handle=payee.handle,
        payee_customer_id=ids.encode("cus", payee.customer_id) if payee.customer_id else None,
        limits=taken(limits.moves),
        limit_rules=limits.rules,
    )


def processing(
    attempt: Attempt, decision: RouteDecision, assessment: Assessment
) -> ev.TransferProcessing:
    return ev.TransferProcessing(
        attempt_id=attempt.reference,
        route=decision.route,
        rail=attempt.rail,
        risk=assessment.as_event_data(),
        route_decision=msgspec.to_builtins(decision),
    )


def risk_input(
    order: Order, people: People, transfer_id: UUID, merchant: Merchant, now: datetime
) -> RiskInput:
    return RiskInput(
        payment_id=transfer_id,
        at=now,
        amount_minor=order.amount_minor,
        currency=order.currency,
        method="upi",
        merchant_id=merchant.id,
        instrument=people.payer.key,
        customer_key=ids.encode("cus", order.payer_id),
        device_key=order.device_id,
        ip_key=order.ip_hash,
        livemode=merchant.livemode,
    )


def route_request(order: Order, transfer_id: UUID, merchant: Merchant) -> RouteRequest:
    return RouteRequest(
        payment_id=transfer_id,
        merchant_id=merchant.id,
        method="upi",
        amount_minor=order.amount_minor,
        currency=order.currency,
        strategy=cast(Strategy, order.priority),
    )


def spend(order: Order, assessment: Assessment, now: datetime) -> Spend:
    """What the payer's own limits are asked about."""
    device = assessment.device_trust
    return Spend(
        kind="p2p",
        subject=f"customer:{order.payer_id}",
        merchant_id=order.merchant_id,
        amount_minor=order.amount_minor,
        at=now,
        livemode=order.livemode,
        customer_id=order.payer_id,
        device=cast(DeviceState, device.state),
        trust=device.score,
        device_id=device.device_id,
        unread_device=None if assessment.evidence_read else order.device_id,
    )
