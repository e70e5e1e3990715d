"""The terms of risk that a merchant wants instead of the defaults. Pure: events in, rows out."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status
from online.screening.domain import FailureMode, RiskTerms


class Status(StrEnum):
    AGREED = "agreed"


TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.RiskTermsAgreed): Status.AGREED,
    (Status.AGREED, ev.RiskTermsAgreed): Status.AGREED,
}


class AgreedTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `risk_terms`. Each event says all of it."""

    id: UUID
    merchant_id: UUID
    challenge_at: int
    review_at: int
    block_at: int
    failure_mode: str
    timeout_ms: int
    scorer: str | None
    agreed_by: str
    version: int
    livemode: bool
    updated_at: datetime

    @property
    def status(self) -> Status:
        return Status.AGREED

    @property
    def terms(self) -> RiskTerms:
        return RiskTerms(
            challenge_at=self.challenge_at,
            review_at=self.review_at,
            block_at=self.block_at,
            failure_mode=msgspec.convert(self.failure_mode, FailureMode),
            timeout_ms=self.timeout_ms,
            scorer=self.scorer,
        )


def apply(state: AgreedTerms | None, occurred: Occurred) -> AgreedTerms:
    """The one fold from events to the row of a merchant's terms."""
    event = occurred.event
    next_status(TRANSITIONS, state.status if state else None, event)
    assert isinstance(event, ev.RiskTermsAgreed)
    return AgreedTerms(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        challenge_at=event.challenge_at,
        review_at=event.review_at,
        block_at=event.block_at,
        failure_mode=event.failure_mode,
        timeout_ms=event.timeout_ms,
        scorer=event.scorer,
        agreed_by=event.by,
        version=occurred.version,
        livemode=occurred.livemode,
        updated_at=occurred.at,
    )


def terms_id(merchant_id: UUID, *, livemode: bool) -> UUID:
    return ids.derived("risk_terms", str(merchant_id), "live" if livemode else "test")
