"""A journal: one balanced transaction, refused on construction when it is not."""

from collections import Counter
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from online.ledger.accounts import Account

Layer = Literal["posted", "pending"]


class Unbalanced(ValueError):
    """Entries that do not sum to zero, or none, or a zero amount."""


class Posting(msgspec.Struct, frozen=True):
    """One leg: `amount_minor` is signed, debit negative, credit positive."""

    account: Account
    amount_minor: int
    layer: Layer = "posted"


def debit(account: Account, amount_minor: int, layer: Layer = "posted") -> Posting:
    return Posting(account, -amount_minor, layer)


def credit(account: Account, amount_minor: int, layer: Layer = "posted") -> Posting:
    return Posting(account, amount_minor, layer)


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """What one cause posts under one kind. The database keeps (cause, kind) unique.

    A `forced` journal says what has happened already (a bank has taken money back): it passes
    floors and ceilings and is never refused for funds. One of `own_money` takes only what is there:
    no exposure limit, which is for what others take, lends anything to it.
    """

    cause: UUID
    kind: str
    currency: str
    postings: tuple[Posting, ...]
    business_date: date
    effective_at: datetime
    livemode: bool
    reference: str | None = None
    merchant_id: UUID | None = None
    metadata: dict[str, Any] = {}
    forced: bool = False
    own_money: bool = False

    def __post_init__(self) -> None:
        sums: Counter[Layer] = Counter()
        for posting in self.postings:
            if posting.amount_minor == 0:
                raise Unbalanced(f"{self.kind}: a leg of zero on {posting.account.code}")
            sums[posting.layer] += posting.amount_minor
        if not self.postings or any(sums.values()):
            raise Unbalanced(f"{self.kind}: legs sum to {dict(sums)}")
