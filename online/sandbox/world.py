"""A small Indian world of merchants and customers who pay, seeded: the same seed, the same world.

Belongs here: who exists, and how many payments come when. Does not: sending them anywhere;
history is written by `seed-history`, a demo day is driven over HTTP by the demo.
"""

from bisect import bisect
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from random import Random
from typing import Final

import msgspec

from online.kernel.clock import IST
from online.kernel.money import allocate
from online.sandbox import world_demo, world_people
from online.sandbox.world_fraud import DAY_S, Thieves
from online.sandbox.world_payments import (
    NewPhone,
    WorldPayment,
    ordinary,
    second_of_day,
    stolen,
)
from online.sandbox.world_people import Customer, Merchant

__all__ = ["Customer", "Merchant", "World", "WorldPayment"]

_FRAUD_PER_10_000: Final = 125
_WEEKDAYS: Final = (95, 92, 94, 98, 110, 125, 115)  # weight of each, from Monday
_NEW_PHONES_PER_1000_DAYS: Final = 2
_SPREES_PER_1000: Final = 25
_DEMO_OPENS_S: Final = 10 * 3_600
_DEMO_LENGTH_S: Final = 10 * 3_600


class World:
    """Merchants, customers and what they do."""

    def __init__(self, seed: int, merchants: int = 8, customers: int = 2_000) -> None:
        self._seed = seed
        self.merchants: list[Merchant] = world_people.merchants(merchants)
        self.customers: list[Customer] = world_people.customers(
            self._rng("people"), customers, self.merchants
        )
        self._popularity = list(accumulate(shop.popularity for shop in self.merchants))
        self._activity = list(accumulate(person.activity for person in self.customers))

    def pan(self, card: int) -> str:
        """The number of the card whose index a payment carries."""
        return world_people.card_number(card)

    def payments(self, n: int, first_day: date, days: int) -> Iterator[WorldPayment]:
        """Exactly `n` payments in time order, on `days` Indian calendar days from `first_day`."""
        rng = self._rng("history", first_day.isoformat(), str(days), str(n))
        thieves = Thieves(rng, self.customers, self.merchants, days)
        thefts = thieves.plan(n * _FRAUD_PER_10_000 // 10_000)
        phones = self._new_phones(rng, days)
        weights = [_WEEKDAYS[(first_day + timedelta(days=k)).weekday()] for k in range(days)]
        place = 0
        for number, count in enumerate(allocate(n - len(thefts), weights)):
            start = _midnight(first_day + timedelta(days=number))
            today = self._ordinary_day(rng, start, number, count, phones)
            while place < len(thefts) and thefts[place].at_s < (number + 1) * DAY_S:
                theft = thefts[place]
                phone = _phone_on(phones.get(theft.customer), number)
                people, shops = self.customers, self.merchants
                today.append(stolen(rng, theft, people, shops, day_start=start, phone=phone))
                place += 1
            today.sort(key=lambda payment: (payment.at, payment.customer_ref))
            yield from today

    def demo_day(self, day: date, n: int) -> list[WorldPayment]:
        """`n` payments between 10:00 and 20:00 of `day`, four of five by UPI, some ending badly."""
        rng = self._rng("demo", day.isoformat(), str(n))
        thefts = Thieves(rng, self.customers, self.merchants, 1).plan(n // 100)
        start = _midnight(day)
        opens = start + timedelta(seconds=_DEMO_OPENS_S)
        thieves_day = [
            stolen(rng, theft, self.customers, self.merchants, day_start=start) for theft in thefts
        ]
        payments = [
            msgspec.structs.replace(payment, at=_within_demo(payment.at, start, opens))
            for payment in thieves_day
        ]
        for k in range(n - len(payments)):
            person = self.customers[self._someone(rng)]
            at = opens + timedelta(seconds=rng.randrange(_DEMO_LENGTH_S))
            payment = ordinary(rng, person, self.merchants, self._popularity, at=at)
            payments.append(_by(payment, person, upi=k % 5 != 0))
        payments.sort(key=lambda payment: (payment.at, payment.customer_ref))
        return world_demo.with_outcomes(rng, payments)

    def _rng(self, *parts: str) -> Random:
        return Random(":".join(("world", str(self._seed), *parts)))  # noqa: S311 - repeatable

    def _someone(self, rng: Random) -> int:
        return bisect(self._activity, rng.randrange(self._activity[-1]))

    def _new_phones(self, rng: Random, days: int) -> dict[int, NewPhone]:
        """Who changes phones in the period: an honest reason for a device never seen before."""
        phones: dict[int, NewPhone] = {}
        for number, person in enumerate(self.customers):
            if rng.randrange(1_000) < _NEW_PHONES_PER_1000_DAYS * days:
                phones[number] = NewPhone(rng.randrange(days), f"{person.devices[0]}-new")
        return phones

    def _ordinary_day(
        self, rng: Random, start: datetime, number: int, count: int, phones: dict[int, NewPhone]
    ) -> list[WorldPayment]:
        """`count` honest payments of one day; now and then somebody goes shopping."""
        today: list[WorldPayment] = []
        while len(today) < count:
            who = self._someone(rng)
            phone = _phone_on(phones.get(who), number)
            at = start + timedelta(seconds=second_of_day(rng), milliseconds=rng.randrange(1_000))
            stops = rng.randint(2, 5) if rng.randrange(1_000) < _SPREES_PER_1000 else 1
            person = self.customers[who]
            for _ in range(min(stops, count - len(today))):
                today.append(
                    ordinary(rng, person, self.merchants, self._popularity, at=at, phone=phone)
                )
                at = min(at + timedelta(seconds=rng.randrange(300, 3_600)), _end_of(start))
        return today


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), IST).astimezone(UTC)


def _end_of(start: datetime) -> datetime:
    return start + timedelta(seconds=DAY_S - 1)


def _phone_on(new: NewPhone | None, day: int) -> str | None:
    return None if new is None or day < new.day else new.device


def _within_demo(at: datetime, start: datetime, opens: datetime) -> datetime:
    return opens + timedelta(seconds=int((at - start).total_seconds()) % _DEMO_LENGTH_S)


def _by(payment: WorldPayment, person: Customer, *, upi: bool) -> WorldPayment:
    """The same payment by UPI, or by card."""
    return msgspec.structs.replace(
        payment,
        method="upi" if upi else "card",
        vpa=person.vpas[0] if upi else None,
        card=None if upi else person.card,
    )
