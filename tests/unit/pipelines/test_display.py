"""What finance sees: rupees with lakh and crore, tables that Markdown can hold."""

from datetime import UTC, datetime

import pytest

from assets.display import money, money_text, table_text
from online.kernel import ids


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "INR", "₹0.00"),
        (5, "INR", "₹0.05"),
        (-5, "INR", "−₹0.05"),
        (99_999, "INR", "₹999.99"),
        (100_000, "INR", "₹1,000.00"),
        (12_345_678, "INR", "₹1,23,456.78"),
        (1_234_567_890, "INR", "₹1,23,45,678.90"),
        (-10_000_000_000, "INR", "−₹10,00,00,000.00"),
        (123_456_789, "USD", "USD 1,234,567.89"),
        (1_234_567, "JPY", "JPY 1,234,567"),
        (1_234_567, "KWD", "KWD 1,234.567"),
    ],
)
def test_money_text(minor, currency, text):
    assert money_text(minor, currency) == text


def test_a_table_shows_money_dates_and_merchants_and_escapes_bars():
    merchant = ids.derived("m")
    shown = table_text(
        ("merchant_id", "net_minor", "currency", "at", "note"),
        [(merchant, 150_000, "INR", datetime(2026, 11, 16, 5, tzinfo=UTC), "a|b\nc"), (None,) * 5],
    )
    lines = shown.splitlines()
    assert lines[0] == "| merchant id | net | currency | at | note |"
    encoded = ids.encode("mrc", merchant)
    assert lines[2] == f"| {encoded} | ₹1,500.00 | INR | 2026-11-16 05:00:00 | a\\|b c |"
    assert lines[3] == "| – | – | – | – | – |"


def test_an_empty_table_says_so():
    assert table_text(("a", "b"), []).splitlines()[-1] == "| *none* |  |"


def test_money_metadata_keeps_the_whole_number_beside_its_text():
    assert money({"net": {"INR": 150, "USD": 7}}) == {
        "net": "₹1.50",
        "net_minor": 150,
        "net_USD": "USD 0.07",
        "net_USD_minor": 7,
    }
