"""A payment before its first commit: what it is asked to be, what risk says of it, which limits it
takes. Belongs here: gathering and judging. Does not: routes, rails, commits (`service`).
"""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import Conflict
from online.ledger.aggregate import Origin
from online.ledger.change import LimitMove
from online.limits.domain import Decided, taken
from online.limits.service import Spend
from online.merchants.domain import Merchant
from online.payments.orders import Followed, Instrument, Order
from online.payments.running import Beside, Collaborators
from online.risk.domain import Assessment, RiskInput
from online.risk.recording import activity
from online.routing.domain import RouteRequest
from online.upi.terms import Collect

_NOTHING: Final = Decided((), ())


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """An order with everything that is decided about it but its route."""

    id: UUID
    order: Order
    merchant: Merchant
    at: datetime
    facts: RiskInput
    assessment: Assessment
    limited: Decided

    @property
    def blocked(self) -> bool:
        return self.assessment.decision == "block"

    @property
    def origin(self) -> Origin:
        return Origin(id=self.id, merchant_id=self.merchant.id, livemode=self.merchant.livemode)

    @property
    def moves(self) -> tuple[LimitMove, ...]:
        """The counters that it takes, its authority's among them."""
        authority = self.order.authority
        return (*self.limited.moves, *(authority.moves if authority else ()))

    def created(self) -> ev.PaymentCreated:
        """Its first event. What is blocked takes nothing."""
        order, instrument, authority = self.order, self.order.instrument, self.order.authority
        return ev.PaymentCreated(
            merchant_id=ids.encode("mrc", self.merchant.id),
            mcc=self.merchant.mcc,
            amount=order.amount_minor,
            currency=order.currency,
            method=instrument.method,
            capture_method=order.capture_method,
            priority=order.priority,
            instrument=instrument.key,
            instrument_mask=instrument.mask,
            intent_id=ids.encode("pi", order.intent_id) if order.intent_id else None,
            customer_id=ids.encode("cus", order.customer_id) if order.customer_id else None,
            device_id=order.device_id,
            ip_hash=order.ip_hash,
            funding=instrument.funding,
            card=instrument.facts,
            limits=() if self.blocked else taken(self.moves),
            limit_rules=self.limited.rules,
            authority=authority.as_event_data() if authority else None,
            purpose=instrument.purpose,
            flow=instrument.upi.flow if instrument.upi else None,
            hold=order.hold,
        )

    def beside(self, also: Followed) -> Beside:
        """What its first commit carries: counters, what its authority brings, risk's own rows.

        What is given back goes before what is taken."""
        authority = self.order.authority
        return Beside(
            limits=(
                *(authority.released if authority else ()),
                *(() if self.blocked else self.moves),
            ),
            rows=(*also.rows, *(authority.rows if authority else ())),
            events=(*also.events, *(authority.events if authority else ())),
            appends=(activity(self.facts),),
        )

    def route_request(self) -> RouteRequest:
        instrument = self.order.instrument
        return RouteRequest(
            payment_id=self.id,
            merchant_id=self.merchant.id,
            mcc=self.merchant.mcc,
            network=(instrument.facts or {}).get("network"),
            funding=instrument.funding,
            method=instrument.method,
            amount_minor=self.order.amount_minor,
            currency=self.order.currency,
            strategy=self.order.priority,  # type: ignore[arg-type]  # bounded on the wire
            only=self.order.route,
        )


async def judge(order: Order, with_: Collaborators) -> Judged:
    """Raises `LimitExceeded` where the amount alone passes a limit, `FactorRequired`."""
    if order.instrument.amount_minor not in (None, order.amount_minor):
        raise Conflict("the amount was changed meanwhile; read it and pay again", "amount")
    merchant = await with_.merchants.get(order.merchant_id)
    now = with_.clock.now()
    _check_collect(order.instrument, merchant, now, with_)
    payment_id = order.id or ids.new(now)
    facts = _risk_input(order, payment_id, merchant, now)
    assessment = await with_.risk.assess(facts)
    limited = _NOTHING
    if assessment.decision != "block":
        limited = await with_.limits.decide(_spend(order, merchant, assessment, now))
    return Judged(
        id=payment_id,
        order=order,
        merchant=merchant,
        at=now,
        facts=facts,
        assessment=assessment,
        limited=limited,
    )


def _check_collect(
    instrument: Instrument, merchant: Merchant, now: datetime, with_: Collaborators
) -> None:
    """Raises `CollectNotAllowed` for a request to a payer's VPA that no switch carries any more."""
    if instrument.upi is None or instrument.upi.flow != "collect":
        return
    mandate = instrument.authority is not None and instrument.authority.kind == "mandate"
    asked = Collect(
        kind="mandate" if mandate else "p2m",
        on=business_date(now),
        mcc=merchant.mcc,
        platform=instrument.platform,
    )
    with_.upi.check_collect(asked)


def _spend(order: Order, merchant: Merchant, assessment: Assessment, now: datetime) -> Spend:
    authority, device = order.authority, assessment.device_trust
    lite = authority is not None and authority.kind == "lite"
    return Spend(
        kind="p2m",
        subject=order.payer,
        merchant_id=merchant.id,
        amount_minor=order.amount_minor,
        at=now,
        livemode=merchant.livemode,
        method="lite" if lite else order.instrument.method,  # type: ignore[arg-type]  # upi, card
        customer_id=order.limited,
        mcc=merchant.mcc,
        purpose=order.instrument.purpose,
        verified=merchant.verified,
        device=device.state,  # type: ignore[arg-type]  # absent, unlinked, or a device's
        device_id=device.device_id,
        unread_device=None if assessment.evidence_read else order.device_id,
        trust=device.score,
        factor=not lite,
    )


def _risk_input(order: Order, payment_id: UUID, merchant: Merchant, now: datetime) -> RiskInput:
    return RiskInput(
        payment_id=payment_id,
        at=now,
        amount_minor=order.amount_minor,
        currency=order.currency,
        method=order.instrument.method,
        merchant_id=merchant.id,
        instrument=order.instrument.key,
        customer_key=ids.encode("cus", order.customer_id) if order.customer_id else None,
        device_key=order.device_id,
        ip_key=order.ip_hash,
        livemode=merchant.livemode,
        funding=order.instrument.funding,
        card=order.instrument.facts,
    )
