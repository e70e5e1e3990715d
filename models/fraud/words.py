"""Features in plain words: what a person reads in a factor, a plot or a report.

Belongs here: a description and a unit for every name that `features.values` gives.
Does not: how a value is written for a reader.
"""

from typing import Final, Literal

from models.fraud.features import DAY, FEATURES, HOUR, Feature

Unit = Literal["money_minor", "count", "microseconds", "truth", "ratio", "hour", "weekday", "log"]

_ENTITIES: Final = {
    "customer": "of the customer",
    "card": "with the card",
    "vpa": "from the UPI address",
    "instrument": "with the card or UPI address",
    "device": "from the device",
    "merchant": "at the merchant",
    "pair": "with the card or UPI address at this merchant",
    "ip": "from the internet address",
}
_USUAL: Final = {
    "customer": "the customer",
    "instrument": "the card or UPI address",
    "pair": "the card or UPI address at this merchant",
    "merchant": "the merchant",
}
_LABELLED: Final = {"all": "judged", "fraud": "known to be fraud", "good": "known to be good"}

_DERIVED: Final[dict[str, tuple[str, Unit]]] = {
    "amount_minor": ("Amount of the payment", "money_minor"),
    "amount_log": ("Amount of the payment, as a logarithm", "log"),
    "hour": ("Hour of the day in India", "hour"),
    "weekday": ("Day of the week in India, Monday is 0", "weekday"),
    "is_card": ("Paid by card, not by UPI", "truth"),
    "has_customer": ("The merchant named a customer", "truth"),
    "has_device": ("The merchant named a device", "truth"),
    "has_ip": ("The merchant named the payer's internet address", "truth"),
    "amount_to_customer_mean_90d": ("Amount against the mean of 90 days of the customer", "ratio"),
    "customer_peak_7d": (
        "Largest payment of the customer this week against the mean of 90 days",
        "ratio",
    ),
    "merchant_fraud_trend": (
        "Fraud at the merchant that became known this week, against the weeks before",
        "ratio",
    ),
    "merchant_fraud_share": ("Share of fraud among judged payments at the merchant", "ratio"),
    "new_customer": ("The customer has not paid for 30 days", "truth"),
    "new_instrument": ("The card or UPI address was not seen for 30 days", "truth"),
    "new_device": ("The device was not seen for 30 days", "truth"),
    "new_pair": ("The card or UPI address was not seen at this merchant for 30 days", "truth"),
}


def describe(name: str) -> str:
    """A name that `features.values` gives, in words. KeyError for any other."""
    return _WORDS[name][0]


def unit(name: str) -> Unit:
    """What the value of a name is counted in."""
    return _WORDS[name][1]


def _of_feature(feature: Feature, entity: str) -> tuple[str, Unit]:
    whose, period = _ENTITIES[entity], _period(feature.window_s)
    if feature.kind == "label":
        return _of_labels(feature, whose, period)
    match feature.aggregate:
        case "count":
            return f"Payments {whose} in {period}", "count"
        case "sum":
            return f"Amount of all payments {whose} in {period}", "money_minor"
        case "sum_squares":
            return f"Sum of the squared amounts of payments {whose} in {period}", "count"
        case "max":
            return f"Largest payment {whose} in {period}", "money_minor"
        case "last":
            return f"Time since the last payment {whose}", "microseconds"
        case _:
            return f"Customers who paid {whose} in {period}", "count"


def _of_labels(feature: Feature, whose: str, period: str) -> tuple[str, Unit]:
    judged = f"payments {whose} that became {_LABELLED[feature.filter]} in {period}"
    match feature.aggregate:
        case "count":
            return f"Number of {judged}", "count"
        case "sum":
            return f"Amount of {judged}", "money_minor"
        case "sum_squares":
            return f"Sum of the squared amounts of {judged}", "count"
        case "max":
            return f"Largest of {judged}", "money_minor"
        case "last":
            return f"Time since the last of {judged}", "microseconds"
        case _:
            return f"The newest {judged}, one after the other without an exception", "count"


def _period(window_s: int) -> str:
    for seconds, word in ((DAY, "day"), (HOUR, "hour")):
        if window_s % seconds == 0:
            count = window_s // seconds
            return f"the last {word}" if count == 1 else f"the last {count} {word}s"
    return f"the last {window_s} seconds"


def _all() -> dict[str, tuple[str, Unit]]:
    words = dict(_DERIVED)
    for feature in FEATURES:
        words[feature.name] = _of_feature(feature, feature.entity)
        if feature.entity == "card":
            shared = feature.name.replace("card", "instrument", 1)
            words[shared] = _of_feature(feature, "instrument")
    for entity, whom in _USUAL.items():
        words[f"amount_to_{entity}_mean"] = (
            f"Amount against the mean of 30 days of {whom}",
            "ratio",
        )
        words[f"amount_to_{entity}_max"] = (
            f"Amount against the largest of 30 days of {whom}",
            "ratio",
        )
        words[f"amount_{entity}_z"] = (
            f"Standard deviations above the usual amount of {whom}",
            "ratio",
        )
    for name, (text, _) in list(words.items()):
        stem = name.rpartition("_")[0] if "_last_" in name else name
        words.setdefault(f"{stem}_log", (f"{text}, as a logarithm", "log"))
    return words


_WORDS: Final = _all()
