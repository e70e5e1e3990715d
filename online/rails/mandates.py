"""What a rail is told of a mandate, and says of one, as data.

Belongs here: terms, notices, standing. Does not: the requests themselves (`domain.py`).
"""

from datetime import date, datetime
from typing import Literal

from msgspec import Struct


class MandateTerms(Struct, frozen=True, kw_only=True):
    """What the payer permits; days of India. `day` is a weekday or a day of the month."""

    amount_rule: Literal["exact", "max"]
    frequency: str
    start_on: date
    end_on: date
    name: str
    debit_rule: str | None = None
    debit_day: int | None = None


class MandateNotice(Struct, frozen=True, kw_only=True):
    """What the payer is told before a debit. `reference` is the execution's TypeID."""

    reference: str
    mandate: str
    amount_minor: int
    currency: str
    debit_from: datetime


class RailMandate(Struct, frozen=True, kw_only=True):
    """A mandate as the rail knows it, by the attempt that asked for it."""

    reference: str
    status: Literal["pending", "active", "paused", "revoked", "failed", "expired"]
    umn: str | None = None
