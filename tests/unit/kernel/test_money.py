"""Money: whole minor units, one rounding rule, nothing lost."""

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.kernel.money import (
    INT64_MAX,
    InvalidMoney,
    Money,
    allocate,
    divide_half_even,
    exponent,
    format_minor,
    parse_decimal,
)

INT64 = st.integers(-INT64_MAX - 1, INT64_MAX)
# One currency for each exponent that ISO 4217 knows.
CURRENCIES = st.sampled_from(["JPY", "INR", "KWD", "CLF"])


@pytest.mark.parametrize(
    ("numerator", "denominator", "quotient"),
    [
        (0, 10, 0),
        (4, 10, 0),
        (5, 10, 0),  # a tie goes to the even neighbour: down here,
        (15, 10, 2),  # up here
        (25, 10, 2),
        (6, 10, 1),
        (14, 10, 1),
        (16, 10, 2),
        (-5, 10, 0),
        (-15, 10, -2),
        (-25, 10, -2),
        (-4, 10, 0),
        (-6, 10, -1),
        (1, 3, 0),
        (2, 3, 1),
        (7, 1, 7),
    ],
)
def test_ties_go_to_the_even_neighbour(numerator, denominator, quotient):
    assert divide_half_even(numerator, denominator) == quotient


@given(st.integers(), st.integers(min_value=1))
def test_half_even_is_what_fractions_round_to(numerator, denominator):
    assert divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("minor", "basis_points", "expected"),
    [
        (1_000_00, 180, 18_00),
        (100, 50, 0),  # half a paisa, to even
        (300, 50, 2),  # one and a half, to even
        (1, 10_000, 1),
        (INT64_MAX, 10_000, INT64_MAX),
        (-300, 50, -2),
        (500, 0, 0),
    ],
)
def test_percent_is_basis_points(minor, basis_points, expected):
    assert Money(minor, "INR").percent(basis_points) == Money(expected, "INR")


@given(INT64, st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any))
def test_allocate_never_loses_a_unit(minor, weights):
    parts = allocate(minor, weights)
    assert sum(parts) == minor
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(minor * weight, total)
        assert abs(part - exact) < 1
        assert weight or part == 0


@pytest.mark.parametrize(
    ("minor", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (5, [0, 1, 1], [0, 3, 2]),
        (0, [3, 4], [0, 0]),
        (1, [1], [1]),
    ],
)
def test_the_first_parts_take_what_is_left_over(minor, weights, parts):
    assert allocate(minor, weights) == parts
    assert Money(minor, "INR").allocate(weights) == [Money(part, "INR") for part in parts]


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [2, -1]])
def test_nothing_is_split_among_nobody(weights):
    with pytest.raises(InvalidMoney):
        allocate(100, weights)


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("INR", 2), ("USD", 2), ("JPY", 0), ("KWD", 3), ("BHD", 3), ("CLF", 4), ("UYW", 4)],
)
def test_exponents_of_iso_4217(currency, digits):
    assert exponent(currency) == digits


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1234.5", "INR", 123450),
        ("1234.50", "INR", 123450),
        ("1234.500", "INR", 123450),
        ("-0.05", "INR", -5),
        ("+7", "INR", 700),
        ("12", "JPY", 12),
        ("12.0", "JPY", 12),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("0", "INR", 0),
    ],
)
def test_decimal_text_is_read_exactly(text, currency, minor):
    assert parse_decimal(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("", "INR"), (".", "INR"), ("1.", "INR"), (".5", "INR"), ("--1", "INR"), ("1,000", "INR"),
        ("1e3", "INR"), ("1.001", "INR"), ("1.5", "JPY"), (" 1", "INR"), ("१२", "INR"),
        ("1.२", "INR"), ("²", "INR"), ("NaN", "INR"), ("1_000", "INR"), ("+-1", "INR"),
        ("9" * 30, "INR"), ("9" * 5_000, "INR"), ("-" + "9" * 19, "JPY"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(text, currency):
    with pytest.raises(InvalidMoney):
        parse_decimal(text, currency)


@given(st.text(), CURRENCIES)
def test_no_text_is_more_than_refused(text, currency):
    with contextlib.suppress(InvalidMoney):
        parse_decimal(text, currency)


@given(INT64, CURRENCIES)
def test_formatting_and_parsing_are_inverse(minor, currency):
    assert parse_decimal(format_minor(minor, currency), currency) == minor
    assert str(Money(minor, currency)).endswith(f" {currency}")


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123450, "INR", "1234.50"),
        (5, "INR", "0.05"),
        (-5, "INR", "-0.05"),
        (12, "JPY", "12"),
        (1, "KWD", "0.001"),
        (-12345, "CLF", "-1.2345"),
    ],
)
def test_how_an_amount_is_written(minor, currency, text):
    assert format_minor(minor, currency) == text


@given(INT64, INT64)
def test_sums_are_exact_or_refused(a, b):
    fits = -INT64_MAX - 1 <= a + b <= INT64_MAX
    if fits:
        assert (Money(a, "INR") + Money(b, "INR")).minor == a + b
        assert Money(a + b, "INR") - Money(b, "INR") == Money(a, "INR")
    else:
        with pytest.raises(InvalidMoney):
            Money(a, "INR") + Money(b, "INR")


def test_currencies_do_not_mix():
    with pytest.raises(InvalidMoney):
        Money(1, "INR") + Money(1, "USD")
    with pytest.raises(InvalidMoney):
        Money(1, "INR") - Money(1, "USD")


@pytest.mark.parametrize("minor", [INT64_MAX + 1, -INT64_MAX - 2])
def test_what_does_not_fit_into_64_bits_is_refused(minor):
    with pytest.raises(InvalidMoney):
        Money(minor, "INR")
