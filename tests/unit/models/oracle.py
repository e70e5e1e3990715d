"""Features the slow and obvious way: look at every earlier event, one at a time."""

from collections.abc import Sequence
from datetime import timedelta

from models.fraud.features import FEATURES, Feature, Number
from tests.unit.models.synthetic import Label, Payment


def raw_features(
    payment: Payment, payments: Sequence[Payment], labels: Sequence[Label]
) -> dict[str, Number]:
    """Every aggregate of `payment` as of its own time."""
    return {feature.name: _aggregate(feature, payment, payments, labels) for feature in FEATURES}


def _aggregate(
    feature: Feature, payment: Payment, payments: Sequence[Payment], labels: Sequence[Label]
) -> Number:
    if feature.kind == "transaction":
        events = [(other.at, other) for other in payments]
    else:
        events = [(label.known_at, label.payment) for label in labels if label.fraud]
    start = payment.at - timedelta(seconds=feature.window_s)
    seen = [
        (at, other)
        for at, other in events
        if start <= at < payment.at and _same(feature.entity, other, payment)
    ]
    amounts = [other.amount for _, other in seen]
    match feature.measure:
        case "count":
            return len(seen)
        case "sum":
            return sum(amounts)
        case "max":
            return max(amounts, default=None)
        case "last":
            ages = [(payment.at - at) // timedelta(microseconds=1) for at, _ in seen]
            return min(ages, default=None)
        case "customers":
            return len({other.customer for _, other in seen} - {None})


def _same(entity: str, other: Payment, payment: Payment) -> bool:
    match entity:
        case "customer":
            return payment.customer is not None and other.customer == payment.customer
        case "instrument":
            return other.instrument == payment.instrument
        case "device":
            return payment.device is not None and other.device == payment.device
        case "merchant":
            return other.merchant == payment.merchant
        case "pair":
            return (other.instrument, other.merchant) == (payment.instrument, payment.merchant)
    raise AssertionError(entity)
