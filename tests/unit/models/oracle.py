"""Features the slow and obvious way: look at every earlier event, one at a time.

It shares nothing with the two compilers but the list of features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.fraud.features import FEATURES, Feature, Number
from tests.unit.models.synthetic import Label, Payment


@dataclass(frozen=True)
class Event:
    at: datetime
    payment: Payment
    fraud: bool | None  # of a label, what it says


def raw_features(
    payment: Payment, payments: Sequence[Payment], labels: Sequence[Label]
) -> dict[str, Number]:
    """Every aggregate of `payment` as of its own time."""
    events = {
        "transaction": [Event(other.at, other, None) for other in payments],
        "label": [Event(label.known_at, label.payment, label.fraud) for label in labels],
    }
    return {f.name: aggregate(f, payment, events[f.kind]) for f in FEATURES}


def aggregate(feature: Feature, payment: Payment, events: Sequence[Event]) -> Number:
    """One feature of one payment over all events of its kind, in any order."""
    start = payment.at - timedelta(seconds=feature.window_s)
    inside = [
        event
        for event in events
        if start <= event.at < payment.at and same(feature.entity, event.payment, payment)
    ]
    seen = [event for event in inside if said(feature.filter, event)]
    amounts = [event.payment.amount for event in seen]
    match feature.aggregate:
        case "count":
            return len(seen)
        case "sum":
            return sum(amounts)
        case "sum_squares":
            return sum(amount**2 for amount in amounts)
        case "max":
            return max(amounts, default=None)
        case "last":
            ages = [(payment.at - event.at) // timedelta(microseconds=1) for event in seen]
            return min(ages, default=None)
        case "distinct_customers":
            return len({event.payment.customer for event in seen} - {None})
        case "streak":
            return streak(feature.filter, inside)
    raise AssertionError(feature.aggregate)


def streak(wanted: str, inside: Sequence[Event]) -> int:
    """Goes back from the newest moment until one at which something else was said."""
    found = 0
    for moment in sorted({event.at for event in inside}, reverse=True):
        then = [event for event in inside if event.at == moment]
        if not all(said(wanted, event) for event in then):
            break
        found += len(then)
    return found


def said(wanted: str, event: Event) -> bool:
    return {"all": True, "fraud": event.fraud is True, "good": event.fraud is False}[wanted]


def same(entity: str, other: Payment, payment: Payment) -> bool:
    match entity:
        case "customer":
            return payment.customer is not None and other.customer == payment.customer
        case "card":
            return payment.card is not None and other.card == payment.card
        case "vpa":
            return payment.vpa is not None and other.vpa == payment.vpa
        case "device":
            return payment.device is not None and other.device == payment.device
        case "ip":
            return payment.ip is not None and other.ip == payment.ip
        case "merchant":
            return other.merchant == payment.merchant
        case "pair":
            at_this_merchant = other.merchant == payment.merchant
            return at_this_merchant and (
                same("card", other, payment) or same("vpa", other, payment)
            )
    raise AssertionError(entity)
