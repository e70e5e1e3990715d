"""A merchant's balance, and how a moment in the books is named."""

import re
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from online.kernel import ids
from online.kernel.clock import IST
from online.kernel.errors import InvalidRequest
from online.ledger.cut import BookAccount, Cut

Purpose = Literal["pending", "payable", "reserve", "disputed", "escrow"]
PURPOSES: Final[tuple[Purpose, ...]] = ("pending", "payable", "reserve", "disputed", "escrow")
HOME_CURRENCY: Final = "INR"

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_YEARS: Final = range(2000, 2200)


class Balance(Struct, frozen=True, kw_only=True):
    """What we owe a merchant in one currency, minor units, by what it is held for.

    `pending` may be negative: refunds and disputes of what was paid out. `authorized` is promised
    by card holders and not captured; it is part of nothing else.
    """

    currency: str
    pending_minor: int = 0
    payable_minor: int = 0
    reserve_minor: int = 0
    disputed_minor: int = 0
    escrow_minor: int = 0
    authorized_minor: int = 0

    @property
    def total_minor(self) -> int:
        held = self.reserve_minor + self.disputed_minor + self.escrow_minor
        return self.pending_minor + self.payable_minor + held


def balances(merchant_id: UUID, accounts: Iterable[BookAccount]) -> list[Balance]:
    """One for each currency that the merchant has moved, and for the home currency."""
    prefix = f"merchant:{ids.encode('mrc', merchant_id)}:"
    sums: dict[str, dict[str, int]] = {HOME_CURRENCY: {}}
    for account in accounts:
        of = sums.setdefault(account.currency, {})
        purpose = account.code.removeprefix(prefix).partition(":")[0]
        if purpose not in PURPOSES:
            raise ValueError(f"{account.code} is no part of a merchant's balance")
        name = f"{purpose}_minor"
        of[name] = of.get(name, 0) + account.posted_minor
        of["authorized_minor"] = of.get("authorized_minor", 0) + account.pending_minor
    return [Balance(currency=currency, **of) for currency, of in sorted(sums.items())]


def cut_of(as_of: str | None, known_at: str | None) -> Cut:
    """A business date (all of it) or an instant, each."""
    return Cut.of(_moment(as_of, "as_of"), _instant(known_at))


def _instant(known_at: str | None) -> datetime | None:
    moment = _moment(known_at, "known_at")
    if moment is None or isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time.max, IST)


def _moment(text: str | None, param: str) -> date | datetime | None:
    if text is None:
        return None
    moment: date | datetime
    try:
        moment = date.fromisoformat(text) if _DAY.fullmatch(text) else datetime.fromisoformat(text)
    except ValueError:
        raise _unreadable(param) from None
    if moment.year not in _YEARS:
        raise _unreadable(param)
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise InvalidRequest("an instant needs its offset, such as Z (encode + as %2B)", param)
    return moment


def _unreadable(param: str) -> InvalidRequest:
    return InvalidRequest(
        "must be a business date such as 2026-11-16 or an instant such as 2026-11-16T12:00:00Z",
        param,
    )
