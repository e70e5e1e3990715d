"""The books along both of their times: what is true of a moment, and what was known at one."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from online.kernel import ids
from online.kernel.clock import business_date
from online.ledger.journal import Layer


class Cut(Struct, frozen=True, kw_only=True):
    """Which entries count; a bound that is None bounds nothing.

    `day` is the last business date, `effective` the last instant at which something took effect,
    `known` the last instant at which something was written down. An instant reaches no further
    than its own business date. All bounds include themselves.
    """

    day: date | None = None
    effective: datetime | None = None
    known: datetime | None = None

    @classmethod
    def of(cls, as_of: date | datetime | None, known_at: datetime | None) -> "Cut":
        """`as_of` a whole business date, or an instant within one."""
        instant = as_of if isinstance(as_of, datetime) else None
        days = [business_date(at) for at in (instant, known_at) if at is not None]
        if as_of is not None and instant is None:
            days.append(as_of)
        return cls(day=min(days, default=None), effective=instant, known=known_at)

    def __bool__(self) -> bool:
        """Whether it leaves anything out at all."""
        return self.day is not None

    def __contains__(self, entry: "Entry") -> bool:
        return (
            (self.day is None or entry.business_date <= self.day)
            and (self.effective is None or entry.effective_at <= self.effective)
            and (self.known is None or entry.created_at <= self.known)
        )


class BookAccount(Struct, frozen=True, kw_only=True):
    """An account with its balances now, in stored sign (credit positive).

    A striped account is one account: `parts` are the ids of its stripes, the balances their sum.
    """

    code: str
    currency: str
    livemode: bool
    normal_side: Literal["D", "C"]
    merchant_id: UUID | None
    parts: list[UUID]
    posted_minor: int
    pending_minor: int

    @property
    def id(self) -> UUID:
        """That of stripe 0, whether or not that stripe has been opened."""
        return account_id(self.code, self.currency, livemode=self.livemode)

    def balance(self, layer: Layer) -> int:
        return self.posted_minor if layer == "posted" else self.pending_minor


class Entry(Struct, frozen=True, kw_only=True):
    """A leg as it stands in the books, with what its transaction is."""

    id: UUID
    transaction_id: UUID
    account_id: UUID
    account_version: int
    amount_minor: int
    currency: str
    entry_type: str
    balance_after: int
    layer: Layer
    business_date: date
    effective_at: datetime
    created_at: datetime
    kind: str
    reference: str | None

    @property
    def place(self) -> tuple[date, datetime, UUID, int]:
        """Where it stands among the entries of its account, stripes merged."""
        return self.business_date, self.effective_at, self.account_id, self.account_version


class Page(Struct, frozen=True, kw_only=True):
    """Entries of one account and layer, newest first, with the balance around them.

    `closing_minor` is the balance of the whole cut. `balances` stand beside `entries`: each is
    the sum of the cut up to its entry. `opening_minor` is the balance before the oldest of them.
    """

    account: BookAccount
    entries: list[Entry]
    balances: list[int]
    opening_minor: int
    closing_minor: int
    has_more: bool


def account_id(code: str, currency: str, *, livemode: bool) -> UUID:
    """By which an account is known outside; the same as that of its stripe 0 in the tables."""
    return ids.derived("account", code, currency, str(livemode), "0")


def running(entries: list[Entry], newest: int) -> tuple[list[int], int]:
    """The balance at each entry, newest first, from that at the newest; and that before them."""
    balances = []
    for entry in entries:
        balances.append(newest)
        newest -= entry.amount_minor
    return balances, newest
