"""Answers `POST /risk/assess`. Belongs here: finding the payment that is asked about, or making
one up. Does not: the assessment (`service`). Stores nothing.
"""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import NotFound
from online.risk.domain import Assessment, RiskInput
from online.risk.service import Risk


class Question(Struct, frozen=True, kw_only=True):
    """A payment that somebody thinks of making."""

    amount_minor: int
    currency: str
    method: str
    vpa: str | None
    card_token: str | None
    customer_id: str | None
    device_id: str | None
    ip_address: str | None = None


class Instrument(Struct, frozen=True, kw_only=True):
    """What would be paid with: its keyed hash, and what the vault knows of a card."""

    key: str
    funding: str | None = None
    card: Mapping[str, Any] | None = None


class Instruments(Protocol):
    """Names an instrument as events do; the slices that hold the keys answer."""

    async def instrument_of(
        self, merchant_id: UUID, *, vpa: str | None, card_token: str | None
    ) -> Instrument: ...

    def address_of(self, address: str | None) -> str | None: ...


class Payments(Protocol):
    """What risk needs of a payment that exists; `payments`, which stands above, answers."""

    async def risk_input(
        self, payment_id: UUID, *, merchant_id: UUID, livemode: bool
    ) -> RiskInput | None: ...


class Assessor:
    """Answers `POST /risk/assess`, for a payment that exists or one that might. Stores nothing."""

    def __init__(
        self, *, risk: Risk, clock: Clock, instruments: Instruments, payments: Payments
    ) -> None:
        self._risk = risk
        self._clock = clock
        self._instruments = instruments
        self._payments = payments

    async def of_payment(
        self, payment_id: UUID, *, merchant_id: UUID, livemode: bool
    ) -> Assessment:
        """As of the payment's creation, with the lists, the rules and the model of now."""
        found = await self._payments.risk_input(
            payment_id, merchant_id=merchant_id, livemode=livemode
        )
        if found is None:
            raise NotFound("there is no such payment", param="payment_id")
        return await self._risk.assess(found)

    async def of_question(
        self, question: Question, *, merchant_id: UUID, livemode: bool
    ) -> Assessment:
        """As if the payment were made now."""
        instrument = await self._instruments.instrument_of(
            merchant_id, vpa=question.vpa, card_token=question.card_token
        )
        now = self._clock.now()
        payment = RiskInput(
            payment_id=ids.new(now),
            at=now,
            amount_minor=question.amount_minor,
            currency=question.currency,
            method=question.method,
            merchant_id=merchant_id,
            instrument=instrument.key,
            customer_key=question.customer_id,
            device_key=question.device_id,
            ip_key=self._instruments.address_of(question.ip_address),
            livemode=livemode,
            funding=instrument.funding,
            card=instrument.card,
        )
        return await self._risk.assess(payment)
