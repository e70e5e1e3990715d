"""What a user may pay, and which counters that moves. Pure: rows come from `config/limits.yaml`.

Of `limits` the most special row that fits counts, by itself: a category has counters of its own.
Of `restrictions` every row that fits counts besides: they lower what a limit allows, and nothing
here raises it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from online.kernel.clock import business_date
from online.kernel.errors import Headroom, LimitExceeded, Refused
from online.kernel.events import LimitTaken
from online.ledger.change import LimitMove
from online.limits.windows import Per, window

Kind = Literal["p2m", "p2p", "payout", "topup", "mandate"]
Method = Literal["upi", "card", "lite", "bank"]
UserType = Literal["mini", "max", "untyped"]  # untyped: a merchant's customer, no user of an app
Kyc = Literal["none", "minimum", "full"]
DeviceState = Literal["absent", "unlinked", "pending", "cooling", "active", "suspended", "revoked"]
Minor = Annotated[int, Meta(ge=0, le=10**15)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,39}\Z")]

# What makes a row more special than another; a later one outweighs all before it.
_SPECIAL: Final = ("method", "user_type", "kyc", "payee", "mcc", "purpose")


class UserLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`rate_limits.per_user` of the settings: a count for every payment, and an amount for those
    that no more special row covers. `amount_per_day_minor` in minor units."""

    transactions_per_day: int
    amount_per_day_minor: int


@dataclass(eq=False)
class FactorRequired(Refused):
    """This device is trusted too little to pay without another factor, such as the UPI PIN."""

    code: ClassVar[str] = "factor_required"


class Cap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most so much, so often, in one window."""

    per: Per
    amount_minor: Minor | None = None
    count: Annotated[int, Meta(ge=0, le=10**9)] | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dated row. What it does not name, it does not ask for. `valid_to` is its last day.

    `first_hours`, `device` and `trust_below` are for restrictions: the hours since the customer
    came, states of the device that pays, a trust score it does not reach. `factor`: such a payment
    has to have another factor than the device.
    """

    id: Name
    kind: tuple[Kind, ...]
    valid_from: date
    source: str
    valid_to: date | None = None
    method: tuple[Method, ...] = ()
    user_type: tuple[UserType, ...] = ()
    kyc: tuple[Kyc, ...] = ()
    payee: Literal["verified"] | None = None
    mcc: tuple[Annotated[str, Meta(pattern=r"^\d{4}\Z")], ...] = ()
    purpose: tuple[Annotated[str, Meta(pattern=r"^[0-9A-Z]{2}\Z")], ...] = ()
    first_hours: Annotated[int, Meta(ge=1, le=8760)] | None = None
    device: tuple[DeviceState, ...] = ()
    trust_below: Annotated[int, Meta(ge=0, le=1000)] | None = None
    factor: Literal["required"] | None = None
    per_payment_minor: Minor | None = None
    caps: tuple[Cap, ...] = ()

    @property
    def version(self) -> str:
        """How a payment names the row it was decided by."""
        return f"{self.id}@{self.valid_from.isoformat()}"

    @property
    def weight(self) -> int:
        """How special it is."""
        return sum(1 << n for n, name in enumerate(_SPECIAL) if getattr(self, name))


class LimitTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in the file."""

    limits: tuple[Rule, ...]
    restrictions: tuple[Rule, ...]


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """What a payment is, as far as it decides which rows may fit."""

    kind: Kind
    method: Method
    day: date
    user_type: UserType = "untyped"
    kyc: Kyc = "none"
    mcc: str | None = None
    purpose: str | None = None
    verified: bool = False


class LimitFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that somebody wants to make. `subject` is whose counters it moves; `since` when
    they came, where that is known. `factor`: the payer proves themself beside their device."""

    category: Category
    subject: str
    amount_minor: int
    at: datetime
    livemode: bool
    since: datetime | None = None
    device: DeviceState = "absent"
    trust: int = 0
    factor: bool = True


class Decided(msgspec.Struct, frozen=True):
    """The counters that a payment moves, and the rows that say so."""

    moves: tuple[LimitMove, ...]
    rules: tuple[str, ...]


class Rules:
    """The rows of the file above the settings' own."""

    def __init__(self, table: LimitTable, per_user: UserLimits) -> None:
        self._table = table
        self._always, self._default = _of_settings(per_user)
        self.fitting = lru_cache(4096)(self._fitting)

    def _fitting(self, category: Category) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
        """The rows that count for every payment of the category, and the restrictions that may."""
        fits = [rule for rule in self._table.limits if _fits(rule, category)]
        if category.kind == "p2m":
            fits.append(self._default)
        always = [self._always] if category.kind == "p2m" else []
        chosen = max(fits, key=lambda rule: (rule.weight, rule.valid_from), default=None)
        limits = (*always, *([chosen] if chosen else ()))
        return limits, tuple(rule for rule in self._table.restrictions if _fits(rule, category))

    def applying(self, facts: LimitFacts) -> tuple[Rule, ...]:
        """The rows that count for this payment."""
        limits, restrictions = self.fitting(facts.category)
        if not restrictions:
            return limits
        return (*limits, *(rule for rule in restrictions if _restricts(rule, facts)))

    def decide(self, facts: LimitFacts) -> Decided:
        """Refuses what a row forbids by itself; answers with the counters of the others."""
        rules = self.applying(facts)
        for rule in rules:
            _check(rule, facts)
        moves = tuple(move for rule in rules for move in moves_of(rule, facts))
        return Decided(moves, tuple(rule.version for rule in rules))


def _of_settings(per_user: UserLimits) -> tuple[Rule, Rule]:
    """One row for every payment, one for those that no row of the file covers."""
    base = Rule(
        id="per_user",
        kind=("p2m",),
        valid_from=date(2020, 1, 1),
        source="settings: rate_limits.per_user",
    )
    count = Cap(per="day", count=per_user.transactions_per_day)
    amount = Cap(per="day", amount_minor=per_user.amount_per_day_minor)
    with_ = msgspec.structs.replace
    return with_(base, caps=(count,)), with_(base, id="per_user_amount", caps=(amount,))


def _fits(rule: Rule, category: Category) -> bool:
    return (
        category.kind in rule.kind
        and rule.valid_from <= category.day <= (rule.valid_to or date.max)
        and (not rule.method or category.method in rule.method)
        and (not rule.user_type or category.user_type in rule.user_type)
        and (not rule.kyc or category.kyc in rule.kyc)
        and (rule.payee is None or category.verified)
        and (not rule.mcc or category.mcc in rule.mcc)
        and (not rule.purpose or category.purpose in rule.purpose)
    )


def _restricts(rule: Rule, facts: LimitFacts) -> bool:
    if rule.first_hours is not None:
        hours = rule.first_hours
        if facts.since is None or (facts.at - facts.since).total_seconds() >= hours * 3600:
            return False
    if rule.device and facts.device not in rule.device:
        return False
    return rule.trust_below is None or facts.trust < rule.trust_below


def _check(rule: Rule, facts: LimitFacts) -> None:
    if rule.factor and not facts.factor:
        raise FactorRequired(f"{rule.id} asks for another factor, such as the UPI PIN")
    most = rule.per_payment_minor
    if most is not None and facts.amount_minor > most:
        name = f"{rule.id}.per_payment"
        raise LimitExceeded(
            f"limit {name} of {most} would be passed",
            name,
            limit=Headroom(rule=name, cap=most, headroom=most),
        )


def moves_of(rule: Rule, facts: LimitFacts) -> Iterable[LimitMove]:
    """The counters of one row."""
    for cap in rule.caps:
        of = window(cap.per, facts.at, since=facts.since, hours=rule.first_hours)
        asked = (("transactions", 1, cap.count), ("amount", facts.amount_minor, cap.amount_minor))
        for what, delta, most in asked:
            if most is not None:
                yield LimitMove(
                    subject=facts.subject,
                    rule=counter(what, rule, cap.per),
                    window_start=of.start,
                    delta=delta,
                    cap=most,
                    livemode=facts.livemode,
                    until=of.until,
                    source=rule.version,
                )


def counter(what: str, rule: Rule, per: Per) -> str:
    """The name of a counter, which outlives the versions of its row. Those of the settings are
    older than rows, and have no row's name before theirs."""
    plain = f"{what}_per_{per}"
    return plain if rule.id.startswith("per_user") else f"{rule.id}.{plain}"


# ── what a payment keeps of it ───────────────────────────────────────────────────────────


def taken(moves: Iterable[LimitMove]) -> tuple[LimitTaken, ...]:
    """What a payment has to give back if it comes to nothing, as its first event keeps it."""
    return tuple(
        LimitTaken(
            rule=move.rule,
            subject=move.subject,
            window_start=move.window_start,
            amount=move.delta,
            cap=move.cap,
            source=move.source,
        )
        for move in moves
        if move.delta > 0
    )


def returned(kept: Iterable[LimitTaken], livemode: bool) -> tuple[LimitMove, ...]:
    """The moves that give it back."""
    return tuple(
        LimitMove(
            subject=each.subject,
            rule=each.rule,
            window_start=each.window_start,
            delta=-each.amount,
            cap=each.cap,
            livemode=livemode,
        )
        for each in kept
    )


def before_rules(
    limits: UserLimits, subject: str, amount_minor: int, at: datetime
) -> tuple[LimitTaken, ...]:
    """What a payment took that was made before payments kept it: the settings' two counters."""
    day = business_date(at)
    count, amount = limits.transactions_per_day, limits.amount_per_day_minor
    return (
        LimitTaken("transactions_per_day", subject, day, 1, count),
        LimitTaken("amount_per_day", subject, day, amount_minor, amount),
    )
