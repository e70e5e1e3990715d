"""The people and shops of the simulated world, and their habits.

Belongs here: merchants, customers, devices, instruments. Does not: what they do (`world.py`) and
what is done to them (`world_fraud.py`). Habits are drawn with floats; money is whole minor units.
"""

from random import Random
from typing import Final

import msgspec

from online.sandbox import magic


class Merchant(msgspec.Struct, frozen=True):
    """A shop. `ticket_percent`: what people spend here, per cent of what they spend elsewhere."""

    ref: str
    name: str
    mcc: str
    state_code: str
    ticket_percent: int
    popularity: int


class Customer(msgspec.Struct, frozen=True):
    """A person with a habit: how much, how often, where, when and with what."""

    ref: str
    name: str
    habit_minor: int
    spread_percent: int
    activity: int
    favourites: tuple[int, ...]
    explores_percent: int
    upi_percent: int
    devices: tuple[str, ...]
    vpas: tuple[str, ...]
    card: int
    network: str  # the first three parts of the address at home


# name, category code, GST state code, ticket, popularity
_SHOPS: Final = (
    ("Sagar Kirana Stores", "5411", "29", 70, 22),
    ("Chai Junction", "5812", "27", 35, 18),
    ("Nilgiri Electronics", "5732", "33", 380, 7),
    ("Lakshmi Jewellers", "5944", "29", 600, 4),
    ("Rapid Cabs", "4121", "07", 45, 17),
    ("Arogya Pharmacy", "5912", "36", 60, 12),
    ("Vastra Fashions", "5651", "24", 170, 11),
    ("Pustak Books", "5942", "19", 80, 9),
    ("Udaan Travels", "4722", "27", 420, 5),
    ("Sandesh Recharge", "4814", "09", 40, 14),
    ("Annapurna Foods", "5499", "32", 65, 12),
    ("Gati Fuels", "5541", "08", 110, 13),
)
_FIRST: Final = (
    *("Aarav", "Diya", "Ishaan", "Kavya", "Rohan", "Meera", "Arjun", "Sana", "Vikram", "Nisha"),
    *("Imran", "Priya", "Joseph", "Anita", "Harpreet", "Lakshmi", "Suresh", "Fatima"),
)
_LAST: Final = (
    *("Sharma", "Iyer", "Khan", "Das", "Patel", "Reddy", "Singh", "Nair", "Fernandes", "Bose"),
    *("Kulkarni", "Gupta", "Mehta", "Rao"),
)
_HANDLES: Final = ("okhdfcbank", "ybl", "paytm", "okicici", "axl", "oksbi")
_KNOWN_CARDS: Final = tuple(magic.CARDS)
_TEST_BIN: Final = "411111"
_FIRST_NUMBER: Final = 11  # the first customer's; it stays when magic cards are added


def merchants(count: int) -> list[Merchant]:
    """The first `count` shops; past the end of the list they open branches."""
    shops = []
    for index in range(count):
        name, mcc, state_code, ticket, popularity = _SHOPS[index % len(_SHOPS)]
        branch = index // len(_SHOPS)
        shops.append(
            Merchant(
                ref=f"merchant-{index + 1:03d}",
                name=name if branch == 0 else f"{name} {branch + 1}",
                mcc=mcc,
                state_code=state_code,
                ticket_percent=ticket,
                popularity=popularity,
            )
        )
    return shops


def customers(rng: Random, count: int, shops: list[Merchant]) -> list[Customer]:
    """People whose spending spreads widely: most little and seldom, some much and often."""
    popularity = [shop.popularity for shop in shops]
    return [_customer(rng, index, popularity) for index in range(count)]


def _customer(rng: Random, index: int, popularity: list[int]) -> Customer:
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    places = range(len(popularity))
    favourites = rng.choices(places, popularity, k=rng.randint(2, 4))
    devices = tuple(f"device-{index + 1:05d}-{n}" for n in range(1 if rng.random() < 0.7 else 2))
    local = f"{first}.{last}{index + 1}".lower()
    return Customer(
        ref=f"customer-{index + 1:05d}",
        name=f"{first} {last}",
        habit_minor=int(35_000 * rng.lognormvariate(0.0, 0.7)),
        spread_percent=rng.randint(35, 65),
        activity=int(100 * rng.lognormvariate(0.0, 0.6)) + 5,
        favourites=tuple(dict.fromkeys(favourites)),
        explores_percent=rng.randint(3, 15),
        upi_percent=rng.choice((60, 75, 85, 90, 95)),
        devices=devices,
        vpas=tuple(f"{local}@{handle}" for handle in rng.sample(_HANDLES, rng.choice((1, 1, 2)))),
        card=len(_KNOWN_CARDS) + index,
        network=f"{rng.choice((49, 103, 106, 117, 157))}.{rng.randrange(256)}.{rng.randrange(256)}",
    )


def card_number(card: int) -> str:
    """The test card number of an index: the magic ones first, then one a customer."""
    if card < len(_KNOWN_CARDS):
        return _KNOWN_CARDS[card]
    digits = f"{_TEST_BIN}{card - len(_KNOWN_CARDS) + _FIRST_NUMBER:09d}"
    return digits + magic.check_digit(digits)


def card_index(number: str) -> int:
    """The index of a magic card number."""
    return _KNOWN_CARDS.index(number)
