"""Assessing a payment: features in one read, rules, the model, one decision.

`Risk` is what payments use; `Assessor` answers the API. Neither writes: the rows that later
payments are compared with go into the payment's own transaction (`activity`, `label`).
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

import structlog
from msgspec import Struct

from models.fraud.features import feature_set_hash, values, vector
from models.fraud.rules import RuleSet, rule_values
from online.devices.trust import Named, PaymentByDevice, Use
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import NotFound
from online.ledger.change import Append
from online.platform.db import Database
from online.platform.sql import Connection
from online.risk import store
from online.risk.champion import ChampionModel
from online.risk.domain import (
    BLOCK_AT,
    Assessment,
    Factor,
    RiskInput,
    decide,
    device_trust,
    level_of,
    linked_trust,
    total,
)
from online.risk.store import ACTIVITY, LABELS, raw_features

log = structlog.get_logger("khata.risk")


class LinkedDevices(Protocol):
    """What is known of the device that a payment names (`devices` fulfils it)."""

    async def named_by(self, connection: Connection, payment: PaymentByDevice) -> Named | None: ...


class DeviceUse:
    """Answers `devices` how much a device is used, from the activity that risk keeps."""

    async def use_of(
        self, connection: Connection, names: Sequence[str], *, at: datetime, livemode: bool
    ) -> Use:
        return await store.use_of_device(connection, names, at=at, livemode=livemode)


class Risk:
    """Rules and the promoted model over the features of one payment."""

    def __init__(
        self,
        *,
        rules: RuleSet,
        bundle_path: Path | None,
        block_at: int = BLOCK_AT,
        devices: LinkedDevices | None = None,
    ) -> None:
        self._devices = devices
        self.champion = ChampionModel(bundle_path)
        self._rules = rules
        self._block_at = block_at
        self._feature_set = feature_set_hash()
        self._said: str | None = None

    async def start(self) -> None:
        """Load the model and watch its file; without one, rules alone decide."""
        await self.champion.start()

    async def stop(self) -> None:
        await self.champion.stop()

    async def assess(self, connection: Connection, payment: RiskInput) -> Assessment:
        """Score one payment as of its own time. One read, and one more if it names a device; the
        rest takes tens of microseconds.
        """
        snapshot, raw = await raw_features(connection, payment)
        facts = payment.facts
        known = values(raw, facts)
        met = self._rules.met(rule_values(known, facts))
        probability, version = self._probability(known)
        reasons = [Factor(rule.code, rule.description, rule.score) for rule in met]
        named = await self._named(connection, payment, known)
        if named is not None:
            reasons += [Factor(p.code, p.description, p.points) for p in named.reasons]
        score, factors = total(reasons, probability)
        return Assessment(
            payment_id=payment.payment_id,
            score=score,
            level=level_of(score),
            decision=decide(score, self._block_at),
            factors=factors,
            device_trust=linked_trust(named) if named else device_trust(payment.device_key, known),
            probability=probability,
            model_version=version,
            rules_version=self._rules.version,
            feature_set=self._feature_set,
            features=raw,
            snapshot=snapshot,
        )

    async def _named(
        self, connection: Connection, payment: RiskInput, known: Mapping[str, float]
    ) -> Named | None:
        """The linked device that the payment names; without a name nothing is asked."""
        if payment.device_key is None or self._devices is None:
            return None
        asked = PaymentByDevice(
            merchant_id=payment.merchant_id,
            device_id=payment.device_key,
            customer_id=payment.customer_key,
            amount_minor=payment.amount_minor,
            spent_minor=int(known["customer_sum_24h"]),
            use=Use(int(known["device_count_30d"]), int(known["device_customers_7d"])),
            at=payment.at,
        )
        return await self._devices.named_by(connection, asked)

    def _probability(self, known: Mapping[str, float]) -> tuple[float | None, str | None]:
        bundle = self.champion.bundle
        if bundle is None:
            return self._fallback(self.champion.refusal or "no model")
        try:
            probability = bundle.score(vector(known))
        except Exception as error:  # noqa: BLE001  a broken model must not stop payments
            return self._fallback(f"model {bundle.version} failed: {error}")
        if not math.isfinite(probability):
            return self._fallback(f"model {bundle.version} answered {probability}")
        self._said = None
        return probability, bundle.version

    def _fallback(self, reason: str) -> tuple[None, None]:
        if reason != self._said:  # once for each reason, not for each payment
            log.warning("risk_by_rules_alone", reason=reason)
            self._said = reason
        return None, None


def activity(payment: RiskInput) -> Append:
    """The row that later payments are compared with, for the payment's own transaction."""
    if payment.instrument is None:
        raise ValueError("a payment that is made has an instrument")
    row = (
        payment.payment_id,
        payment.at,
        payment.customer_key,
        payment.instrument,
        payment.device_key,
        payment.merchant_id,
        payment.amount_minor,
        payment.livemode,
    )
    return Append(ACTIVITY, (row,))


def label(
    *,
    payment_id: UUID,
    merchant_id: UUID,
    instrument: str,
    fraud: bool,
    known_at: datetime,
    livemode: bool,
) -> Append:
    """The row of a `label.recorded` event, for the same transaction; `known_at` is its time."""
    return Append(LABELS, ((payment_id, merchant_id, instrument, fraud, known_at, livemode),))


class Question(Struct, frozen=True, kw_only=True):
    """A payment that somebody thinks of making."""

    amount_minor: int
    currency: str
    method: str
    vpa: str | None
    card_token: str | None
    customer_id: str | None
    device_id: str | None


class Instruments(Protocol):
    """Names an instrument as events do (a keyed hash); the slices that hold the keys answer."""

    async def instrument_of(
        self, connection: Connection, merchant_id: UUID, *, vpa: str | None, card_token: str | None
    ) -> str: ...


class Payments(Protocol):
    """What risk needs of a payment that exists; `payments`, which stands above, answers."""

    async def risk_input(
        self, connection: Connection, payment_id: UUID, *, merchant_id: UUID, livemode: bool
    ) -> RiskInput | None: ...


class Assessor:
    """Answers `POST /risk/assess`, for a payment that exists or one that might. Stores nothing."""

    def __init__(
        self,
        *,
        risk: Risk,
        database: Database,
        clock: Clock,
        instruments: Instruments,
        payments: Payments,
    ) -> None:
        self._risk = risk
        self._database = database
        self._clock = clock
        self._instruments = instruments
        self._payments = payments

    async def of_payment(
        self, payment_id: UUID, *, merchant_id: UUID, livemode: bool
    ) -> Assessment:
        """As of the payment's creation, with the rules and the model of now."""
        async with self._database.connection() as connection:
            found = await self._payments.risk_input(
                connection, payment_id, merchant_id=merchant_id, livemode=livemode
            )
            if found is None:
                raise NotFound("there is no such payment", param="payment_id")
            return await self._risk.assess(connection, found)

    async def of_question(
        self, question: Question, *, merchant_id: UUID, livemode: bool
    ) -> Assessment:
        """As if the payment were made now."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            instrument = None
            if question.vpa is not None or question.card_token is not None:
                instrument = await self._instruments.instrument_of(
                    connection, merchant_id, vpa=question.vpa, card_token=question.card_token
                )
            payment = RiskInput(
                payment_id=ids.new(now),
                at=now,
                amount_minor=question.amount_minor,
                currency=question.currency,
                method=question.method,
                merchant_id=merchant_id,
                instrument=instrument,
                customer_key=question.customer_id,
                device_key=question.device_id,
                livemode=livemode,
            )
            return await self._risk.assess(connection, payment)
