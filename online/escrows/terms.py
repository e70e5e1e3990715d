"""What parties agree on: who gets how much, and when. Pure.

Every split is by `allocate`: whole units by weight, and what is left over goes one unit each to
the parties in the order in which they are named. What one release leaves open is counted from what
each party has still to get, so that no unit is lost or paid twice over any number of releases, and
nobody ever gets more than their share.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import Struct, structs

from online.kernel.errors import InvalidRequest
from online.kernel.money import allocate

BUYER: Final = "buyer"  # the payer, who has no credentials: the owner speaks for them
WHOLE_BPS: Final = 10_000
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)

Kind = Literal["approval", "date", "delivery"]


class Party(Struct, frozen=True, kw_only=True):
    """`share_minor` is what it gets in the end, unless something goes back or is resolved
    otherwise; `due_minor` what of the money that is there now is meant for it."""

    merchant_id: str
    role: str
    share_bps: int | None = None
    amount_minor: int | None = None
    share_minor: int = 0
    due_minor: int = 0
    paid_minor: int = 0
    accepted_at: datetime | None = None


class Condition(Struct, frozen=True, kw_only=True):
    """`by` a role says so (approval, delivery), or `at` that moment (date)."""

    type: Kind
    by: str | None = None
    at: datetime | None = None


class Conditions(Struct, frozen=True, kw_only=True):
    """Met once every one of `all` is, and one of `any`, where there are some."""

    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()


class Met(Struct, frozen=True, kw_only=True):
    """Somebody has said so."""

    kind: str
    role: str
    by: str
    at: datetime
    reference: str | None = None


def with_shares(amount_minor: int, parties: Sequence[Party]) -> tuple[Party, ...]:
    """Fixed amounts first; the rest by basis points, which are then 10,000 together."""
    if len({party.merchant_id for party in parties}) != len(parties):
        raise InvalidRequest("each party is named once", "parties")
    for party in parties:
        if (party.share_bps is None) == (party.amount_minor is None):
            raise InvalidRequest("a party has either `share_bps` or `amount`", "parties")
        if party.role == BUYER:
            raise InvalidRequest("the buyer is the payer of the payment, no party", "parties")
    fixed = sum(party.amount_minor or 0 for party in parties)
    weights = [party.share_bps or 0 for party in parties]
    rest = amount_minor - fixed
    if rest < 0 or (rest > 0 and not any(weights)):
        raise InvalidRequest(f"the parties' amounts come to {fixed} of {amount_minor}", "parties")
    if any(weights) and sum(weights) != WHOLE_BPS:
        raise InvalidRequest(f"shares come to {sum(weights)} of {WHOLE_BPS}", "parties")
    split = allocate(rest, weights) if any(weights) else [0] * len(parties)
    return tuple(
        structs.replace(party, share_minor=(party.amount_minor or 0) + part)
        for party, part in zip(parties, split, strict=True)
    )


def taken(amount_minor: int, dues: Mapping[str, int]) -> dict[str, int]:
    """How `amount_minor` of what is due is taken from each of those to whom it is due.

    At most all of it; by what each has still to get, so that nobody's part passes it.
    """
    parts = allocate(amount_minor, list(dues.values())) if amount_minor else [0] * len(dues)
    return {who: part for who, part in zip(dues, parts, strict=True) if part}


def ripe_at(conditions: Conditions, met: Sequence[Met]) -> datetime | None:
    """From when on the conditions are met by what was said so far; None: not without more."""
    every = [_ripe_at(condition, met) for condition in conditions.all]
    if conditions.any:
        some = (_ripe_at(condition, met) for condition in conditions.any)
        every.append(min((at for at in some if at is not None), default=None))
    known = [at for at in every if at is not None]
    return max(known, default=_BEGINNING) if len(known) == len(every) else None


def check_conditions(conditions: Conditions, parties: Sequence[Party]) -> None:
    """Each is of somebody who can say so."""
    roles = {party.role for party in parties} | {BUYER}
    named = (*conditions.all, *conditions.any)
    if not named:
        raise InvalidRequest("at least one condition is needed", "conditions")
    for condition in named:
        dated = condition.type == "date"
        if (condition.at is not None) != dated or (condition.by is not None) == dated:
            raise InvalidRequest("a date has `at`, any other condition `by`", "conditions")
        if condition.by is not None and condition.by not in roles:
            raise InvalidRequest(f"nobody here is {condition.by}", "conditions")


def _ripe_at(condition: Condition, met: Sequence[Met]) -> datetime | None:
    if condition.type == "date":
        return condition.at
    said = (m.kind == condition.type and m.role == condition.by for m in met)
    return _BEGINNING if any(said) else None
