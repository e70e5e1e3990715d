"""The names that a condition may use: what each is, its type, and where its value comes from.

Belongs here: everything that `docs/rules.md` lists. Does not: the features behind most of them
(`features`), or the language (`expressions`).
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from models.fraud.expressions import Type
from models.fraud.features import PaymentFacts, value_names

SUBJECTS: Final[tuple[str, ...]] = ("card", "vpa", "device", "ip", "customer", "merchant")
STANDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {"allow": "allowed", "block": "blocked", "watch": "watched"}
)
_SUBJECT_WORDS: Final[Mapping[str, str]] = {
    "card": "The card",
    "vpa": "The UPI address",
    "device": "The device",
    "ip": "The IP address",
    "customer": "The customer",
    "merchant": "The merchant",
    "any": "Something about the payment",
}

# Truths among the values of `features.values`, which are all numbers there: 1 for yes.
_TRUTHS: Final = frozenset(
    {
        *("is_card", "has_customer", "has_device", "has_ip"),
        *("new_customer", "new_instrument", "new_device", "new_pair"),
    }
)
DAY: Final = "day_number"
EPOCH_DAY: Final = date(1970, 1, 1)
_DAY_S: Final = 86_400
_IST_OFFSET_S: Final = 19_800  # one zone, no daylight saving time
_NIGHT_ENDS: Final = 5.0
_WEEKEND: Final = 5.0  # Saturday; Monday is 0

_OF_TIME: Final[Mapping[str, tuple[Type, str]]] = {
    "is_night": ("truth", "It is between midnight and five in the morning in India"),
    "is_weekend": ("truth", "It is a Saturday or a Sunday in India"),
    DAY: ("number", "The day in India, counted from 1970-01-01"),
}
_OF_PAYMENT: Final[Mapping[str, tuple[Type, str]]] = {
    "method": ("text", "How it is paid: 'upi' or 'card'"),
    "currency": ("text", "ISO 4217, such as 'INR'"),
    "funding": (
        "text",
        "Where the money comes from: 'credit', 'debit', 'prepaid'; '' where nobody knows before",
    ),
    "card_network": ("text", "'visa', 'mastercard', 'rupay', 'amex', …; '' without a card"),
    "card_country": ("text", "Where the card was issued, such as 'IN'; '' where unknown"),
    "card_category": ("text", "Such as 'classic', 'platinum' or 'prepaid'; '' where unknown"),
    "device_trust": ("number", "How far the device is trusted, 0 to 1000; 0 without a device"),
    "device_state": (
        "text",
        "'absent', 'unlinked', or a linked device's: 'pending', 'cooling', 'active', …",
    ),
}


class Circumstances(Struct, frozen=True, kw_only=True):
    """What is known of a payment beside its features; the defaults say that nothing is.

    `lists` are names such as `card_blocked` and `any_watched`, as `list_names` makes them.
    """

    funding: str = ""
    card_network: str = ""
    card_country: str = ""
    card_category: str = ""
    device_trust: int = 0
    device_state: str = "absent"
    lists: frozenset[str] = frozenset()


def list_names(found: frozenset[tuple[str, str]]) -> frozenset[str]:
    """The truths that follow from being on lists, given as (subject, list) pairs."""
    named = {f"{subject}_{STANDINGS[list_]}" for subject, list_ in found}
    return frozenset(named | {f"any_{STANDINGS[list_]}" for _, list_ in found})


@cache
def names() -> Mapping[str, Type]:
    """Every name that a condition may use, with its type."""
    features: dict[str, Type] = {
        name: "truth" if name in _TRUTHS else "number" for name in sorted(value_names())
    }
    others = {name: kind for group in groups().values() for name, (kind, _) in group.items()}
    return MappingProxyType({**features, **others})


def groups() -> Mapping[str, Mapping[str, tuple[Type, str]]]:
    """The names that are no feature, grouped as people look for them: type and meaning."""
    return {"Time": _OF_TIME, "Payment and device": _OF_PAYMENT, "Lists": _of_lists()}


def _of_lists() -> dict[str, tuple[Type, str]]:
    return {
        f"{subject}_{standing}": ("truth", f"{words} is on the {list_} list")
        for subject, words in _SUBJECT_WORDS.items()
        for list_, standing in STANDINGS.items()
    }


_NOT_LISTED: Final[Mapping[str, bool]] = dict.fromkeys(_of_lists(), False)


def unlinked_trust(known: Mapping[str, float]) -> int:
    """Trust of a device that was never linked, 0 to 400: earned by use, lost by being shared.

    Without features (the empty mapping) nothing is earned.
    """
    earned = min(400, 40 * int(known.get("device_count_30d", 0)))
    others = max(0, int(known.get("device_customers_7d", 0)) - 1)
    return max(0, earned - 100 * others)


_ORDINARY: Final = Circumstances()


def rule_values(
    known: Mapping[str, float], payment: PaymentFacts, circumstances: Circumstances = _ORDINARY
) -> dict[str, Any]:
    """A value for every name: those of `features.values`, and what else there is to say."""
    found = circumstances
    return {
        **known,
        **_NOT_LISTED,
        **dict.fromkeys(found.lists, True),
        "is_night": known["hour"] < _NIGHT_ENDS,
        "is_weekend": known["weekday"] >= _WEEKEND,
        DAY: (payment.at_us // 1_000_000 + _IST_OFFSET_S) // _DAY_S,
        "method": payment.method,
        "currency": payment.currency,
        "funding": found.funding,
        "card_network": found.card_network,
        "card_country": found.card_country,
        "card_category": found.card_category,
        "device_trust": found.device_trust,
        "device_state": found.device_state,
    }
