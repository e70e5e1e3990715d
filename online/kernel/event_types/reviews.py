"""What happens to a review: a person looks at a payment that risk had doubts about."""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event


class ReviewOpened(Event, frozen=True, kw_only=True):
    """With the payment itself; `score` and `level` are what risk said of it."""

    TYPE: ClassVar[str] = "review.opened"
    payment_id: str
    merchant_id: str
    amount: int
    currency: str
    score: int
    level: str
    due_at: datetime


class ReviewClaimed(Event, frozen=True, kw_only=True):
    """`by` works on it until `until`; from then on anybody may claim it."""

    TYPE: ClassVar[str] = "review.claimed"
    by: str
    until: datetime


class ReviewReleased(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "review.released"
    by: str


class ReviewNoted(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "review.noted"
    text: str
    by: str


class ReviewDecided(Event, frozen=True, kw_only=True):
    """`outcome` is fraud or good; the label that risk learns from is an event of its own."""

    TYPE: ClassVar[str] = "review.decided"
    outcome: str
    reason: str
    by: str
