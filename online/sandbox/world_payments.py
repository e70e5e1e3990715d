"""A payment of the simulated world, and how a habit turns into one.

Belongs here: `WorldPayment` and the drawing of an ordinary or a stolen one. Does not: how many
there are and when (`world.py`).
"""

from bisect import bisect
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Final, Literal

import msgspec

from online.sandbox import magic
from online.sandbox.world_fraud import DAY_S, Theft
from online.sandbox.world_people import Customer, Merchant

OutcomeHint = Literal["approved", "declined", "failed", "timeout", "lost"]

# Weight of each hour of an Indian day.
_HOURS: Final = (
    *(2, 1, 1, 1, 1, 2, 5, 9, 14, 16, 17, 18),
    *(20, 18, 15, 14, 15, 18, 22, 24, 21, 15, 9, 4),
)
_HOURS_SO_FAR: Final = list(accumulate(_HOURS))
_LOWEST_MINOR: Final = 500
_HIGHEST_MINOR: Final = 4_500_000


class WorldPayment(msgspec.Struct, frozen=True, kw_only=True):
    """One payment that somebody makes. Exactly one of `vpa` and `card` is set."""

    at: datetime
    customer_ref: str
    merchant_ref: str
    amount_minor: int
    method: Literal["upi", "card"]
    vpa: str | None
    card: int | None  # `World.pan(card)` is its number
    device: str
    ip: str
    fraud: bool = False
    label_known_at: datetime | None = None  # when a dispute tells; fraud only
    outcome: OutcomeHint = "approved"
    capture: Literal["automatic", "manual"] = "automatic"
    refund_minor: int = 0  # 0: none


class NewPhone(msgspec.Struct, frozen=True):
    """A customer changes phones on this day of the period."""

    day: int
    device: str


def not_magic(amount_minor: int) -> int:
    """An amount that the banks treat like any other."""
    while magic.is_amount(amount_minor):
        amount_minor -= 20
    return amount_minor


def second_of_day(rng: Random) -> int:
    """A time of day at which people pay."""
    hour = bisect(_HOURS_SO_FAR, rng.randrange(_HOURS_SO_FAR[-1]))
    return hour * 3_600 + rng.randrange(3_600)


def ordinary(
    rng: Random,
    person: Customer,
    shops: Sequence[Merchant],
    popularity_so_far: Sequence[int],
    *,
    at: datetime,
    phone: str | None = None,
) -> WorldPayment:
    """What this person does on any day: mostly habit, now and then something else."""
    chance = rng.randrange(100)
    if chance < person.explores_percent:
        shop = shops[bisect(popularity_so_far, rng.randrange(popularity_so_far[-1]))]
    else:
        shop = shops[person.favourites[chance % len(person.favourites)]]
    percent = int(100 * rng.lognormvariate(0.0, person.spread_percent / 100))
    if rng.randrange(100) < 4:  # a treat
        percent = percent * rng.randint(180, 450) // 100
    amount_minor = person.habit_minor * shop.ticket_percent * percent // 10_000
    by_upi = rng.randrange(100) < person.upi_percent
    device = phone or person.devices[0]
    if len(person.devices) > 1 and rng.randrange(100) < 25:
        device = person.devices[1]
    return WorldPayment(
        at=at,
        customer_ref=person.ref,
        merchant_ref=shop.ref,
        amount_minor=not_magic(min(max(amount_minor, _LOWEST_MINOR), _HIGHEST_MINOR)),
        method="upi" if by_upi else "card",
        vpa=person.vpas[chance % len(person.vpas)] if by_upi else None,
        card=None if by_upi else person.card,
        device=device,
        ip=f"{person.network}.{1 + chance % 9}",
        outcome="declined" if rng.randrange(1_000) < 30 else "approved",
    )


def stolen(
    rng: Random,
    theft: Theft,
    people: Sequence[Customer],
    shops: Sequence[Merchant],
    *,
    day_start: datetime,
    phone: str | None = None,
) -> WorldPayment:
    """The payment of a theft; the victim notices and disputes it three to ten days later."""
    person = people[theft.customer]
    at = day_start + timedelta(seconds=theft.at_s % DAY_S)
    known_after_s = rng.randrange(3 * DAY_S, 10 * DAY_S)
    own_device = phone is not None and theft.device == person.devices[0]
    return WorldPayment(
        at=at,
        customer_ref=person.ref,
        merchant_ref=shops[theft.merchant].ref,
        amount_minor=not_magic(theft.amount_minor),
        method="card" if theft.by_card else "upi",
        vpa=None if theft.by_card else person.vpas[0],
        card=person.card if theft.by_card else None,
        device=phone if own_device and phone else theft.device,
        ip=theft.ip,
        fraud=True,
        label_known_at=at + timedelta(seconds=known_after_s),
    )
