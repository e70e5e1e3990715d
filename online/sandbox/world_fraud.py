"""What thieves do in the simulated world: planned campaigns, each with its own trace.

Belongs here: the fraud process. Does not: ordinary spending (`world.py`).
Taken-over customers spend several times their habit at new shops; a compromised shop has a share
of fraud for a week or two; a card tester tries many people's cards from one device; and some
fraud has no pattern at all, which no model will find.
"""

from collections.abc import Callable
from random import Random
from typing import Final

import msgspec

from online.sandbox.world_people import Customer, Merchant

DAY_S: Final = 86_400
# Shares of all fraud, per cent.
_TAKEN_OVER: Final = 50
_SHOP: Final = 22
_TESTING: Final = 12
# Fractions of its multiples spread evenly over 0..1, however many are taken: campaigns then
# fall on the whole period, and its last days have fraud as its first ones do.
_GOLDEN: Final = 0.6180339887498949


class Theft(msgspec.Struct, frozen=True):
    """One fraudulent payment, `at_s` seconds after the start of the period."""

    at_s: int
    customer: int
    merchant: int
    amount_minor: int
    by_card: bool
    device: str
    ip: str


class Thieves:
    """Plans the thefts of a period."""

    def __init__(
        self, rng: Random, people: list[Customer], shops: list[Merchant], days: int
    ) -> None:
        self._rng = rng
        self._people = people
        self._shops = shops
        self._popularity = [shop.popularity for shop in shops]
        self._days = days
        self._devices = 0
        self._campaigns = rng.random()

    def plan(self, count: int) -> list[Theft]:
        """Exactly `count` thefts in time order."""
        taken_over = count * _TAKEN_OVER // 100
        shop = count * _SHOP // 100
        testing = count * _TESTING // 100
        thefts = _first(taken_over, self._taken_over_customer)
        thefts += self._compromised_shops(shop)
        thefts += _first(testing, self._card_tester)
        thefts += [self._lone_theft() for _ in range(count - len(thefts))]
        return sorted(thefts, key=lambda theft: (theft.at_s, theft.customer))

    def _new_device(self) -> str:
        self._devices += 1
        return f"device-x{self._devices:04d}-{self._rng.randrange(16**6):06x}"

    def _address(self) -> str:
        rng = self._rng
        return f"185.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"

    def _first_day(self) -> int:
        self._campaigns = (self._campaigns + _GOLDEN) % 1.0
        return int(self._campaigns * self._days)

    def _victim(self) -> int:
        return self._rng.randrange(len(self._people))

    def _amount(self, victim: int, shop: int, low_percent: int, high_percent: int) -> int:
        person = self._people[victim]
        ticket_minor = person.habit_minor * self._shops[shop].ticket_percent // 100
        amount_minor = ticket_minor * self._rng.randint(low_percent, high_percent) // 100
        return min(max(amount_minor, 1_000), 4_500_000)

    def _shop_new_to(self, person: Customer) -> int:
        """Mostly a shop that is not among the favourites."""
        for _ in range(3):
            shop = self._rng.choices(range(len(self._shops)), self._popularity)[0]
            if shop not in person.favourites:
                return shop
        return self._rng.choice(person.favourites)

    def _taken_over_customer(self) -> list[Theft]:
        """One to four days in another's hands, mostly on another's device."""
        rng = self._rng
        victim = self._victim()
        person = self._people[victim]
        start = self._first_day() * DAY_S
        length = rng.randint(1, 4)
        theirs = rng.random() < 0.5
        device = self._new_device() if theirs else person.devices[0]
        ip = self._address() if theirs else f"{person.network}.{rng.randrange(1, 255)}"
        thefts = []
        for _ in range(rng.randint(4, 9)):
            shop = self._shop_new_to(person)
            at_s = min(start + rng.randrange(length * DAY_S), self._days * DAY_S - 1)
            amount_minor = self._amount(victim, shop, 150, 500)
            by_card = rng.random() < 0.4
            thefts.append(Theft(at_s, victim, shop, amount_minor, by_card, device, ip))
        return thefts

    def _compromised_shops(self, count: int) -> list[Theft]:
        """Some shops, each for a week or two: a share of what is paid there is fraud."""
        rng = self._rng
        windows = max(1, self._days // 15)
        thefts = []
        for window in range(windows):
            shop = rng.randrange(len(self._shops))
            length = min(rng.randint(10, 18), self._days)
            start = (self._days - length) * window // max(1, windows - 1) * DAY_S
            for _ in range(window * count // windows, (window + 1) * count // windows):
                victim = self._victim()
                person = self._people[victim]
                at_s = start + rng.randrange(length * DAY_S)
                amount_minor = self._amount(victim, shop, 120, 360)
                ip = f"{person.network}.{rng.randrange(1, 255)}"
                thefts.append(Theft(at_s, victim, shop, amount_minor, True, person.devices[0], ip))
        return thefts

    def _card_tester(self) -> list[Theft]:
        """Many people's cards, small amounts, one device, within the hour."""
        rng = self._rng
        device, ip = self._new_device(), self._address()
        shop = rng.randrange(len(self._shops))
        start = self._first_day() * DAY_S + rng.randrange(DAY_S - 3_600)
        return [
            Theft(
                at_s=start + rng.randrange(3_000),
                customer=self._victim(),
                merchant=shop,
                amount_minor=rng.randrange(1_000, 15_000),
                by_card=True,
                device=device,
                ip=ip,
            )
            for _ in range(rng.randint(6, 16))
        ]

    def _lone_theft(self) -> Theft:
        """A payment like any other, disputed later."""
        rng = self._rng
        victim = self._victim()
        person = self._people[victim]
        shop = rng.choice(person.favourites)
        at_s = rng.randrange(self._days) * DAY_S + rng.randrange(8, 23) * 3_600
        return Theft(
            at_s=at_s + rng.randrange(3_600),
            customer=victim,
            merchant=shop,
            amount_minor=self._amount(victim, shop, 70, 220),
            by_card=rng.random() < 0.3,
            device=person.devices[0],
            ip=f"{person.network}.{rng.randrange(1, 255)}",
        )


def _first(count: int, campaign: Callable[[], list[Theft]]) -> list[Theft]:
    """As many campaigns as make `count` thefts; the last one may be cut short."""
    thefts: list[Theft] = []
    while len(thefts) < count:
        thefts += campaign()
    return thefts[:count]
