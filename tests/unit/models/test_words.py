"""Everything that is known of a payment can be said in plain words."""

import pytest

from models.fraud.features import value_names
from models.fraud.words import describe, unit


def test_every_value_has_words_and_a_unit():
    for name in value_names():
        words = describe(name)
        assert words[0].isupper()
        assert "_" not in words
        assert unit(name)


def test_words_tell_values_apart():
    words = [describe(name) for name in value_names()]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(
    ("name", "words", "counted_in"),
    [
        ("card_count_24h", "Payments with the card in the last day", "count"),
        ("customer_sum_7d", "Amount of all payments of the customer in the last 7 days",
         "money_minor"),
        ("ip_customers_1h", "Customers who paid from the internet address in the last hour",
         "count"),
        ("device_last_log", "Time since the last payment from the device, as a logarithm", "log"),
        ("has_ip", "The merchant named the payer's internet address", "truth"),
    ],
)  # fmt: skip
def test_how_they_read(name, words, counted_in):
    assert (describe(name), unit(name)) == (words, counted_in)


def test_what_is_not_known_has_no_words():
    with pytest.raises(KeyError):
        describe("customer_shoe_size")
