"""Money as whole minor units of an ISO 4217 currency. There is no float in here.

One rounding rule everywhere: half-even, once per line. What rounding leaves over is posted,
never lost (`allocate`).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

INT64_MAX: Final = 2**63 - 1
_INT64_DIGITS: Final = 19

# ISO 4217 exponents other than 2.
_NO_DECIMALS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_EXPONENTS: Final = {
    **dict.fromkeys(_NO_DECIMALS.split(), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


class InvalidMoney(ValueError):
    """A text or number that is not an amount of its currency."""


class Money(msgspec.Struct, frozen=True, order=True):
    """`minor` units of `currency`; an int64, may be negative."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if not -INT64_MAX - 1 <= self.minor <= INT64_MAX:
            raise InvalidMoney(f"{self.minor} minor units do not fit into 64 bits")

    def __add__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __str__(self) -> str:
        return f"{format_minor(self.minor, self.currency)} {self.currency}"

    def percent(self, basis_points: int) -> "Money":
        """`basis_points` / 10,000 of this amount, rounded half-even."""
        return Money(divide_half_even(self.minor * basis_points, 10_000), self.currency)

    def allocate(self, weights: Sequence[int]) -> list["Money"]:
        """Split by weights without losing a unit; the first parts take what is left over."""
        return [Money(part, self.currency) for part in allocate(self.minor, weights)]

    def _same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise InvalidMoney(f"cannot combine {self.currency} with {other.currency}")


def exponent(currency: str) -> int:
    """Digits after the decimal point in `currency` (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def exponents() -> Mapping[str, int]:
    """The currencies that do not have two digits after the point, with how many they have."""
    return _EXPONENTS


def divide_half_even(numerator: int, denominator: int) -> int:
    """Integer division, ties to the even neighbour; `denominator` is positive."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient % 2):
        quotient += 1
    return quotient


def allocate(minor: int, weights: Sequence[int]) -> list[int]:
    """Parts of `minor` in proportion to `weights`, which sum to exactly `minor`."""
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        raise InvalidMoney("weights must be non-negative and not all zero")
    sign = -1 if minor < 0 else 1
    parts = [abs(minor) * weight // total for weight in weights]
    left_over = abs(minor) - sum(parts)
    for index, weight in enumerate(weights):
        if left_over == 0:
            break
        if weight:
            parts[index] += 1
            left_over -= 1
    return [sign * part for part in parts]


def parse_decimal(text: str, currency: str) -> int:
    """`"1234.5"`, INR → 123450. Refuses more digits than the currency has, and anything else."""
    digits = exponent(currency)
    sign, body = (-1, text[1:]) if text[:1] == "-" else (1, text[1:] if text[:1] == "+" else text)
    whole, point, fraction = body.partition(".")
    if not (whole.isascii() and whole.isdigit()) or (point and not fraction):
        raise InvalidMoney(f"{text[:40]!r} is not a decimal amount")
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        raise InvalidMoney(f"{text[:40]!r} is not a decimal amount")
    kept, dropped = fraction[:digits], fraction[digits:]
    if dropped.strip("0"):
        raise InvalidMoney(f"{text[:40]!r} has a fraction of a minor unit of {currency}")
    number = (whole + kept.ljust(digits, "0")).lstrip("0")
    # By length first: Python refuses to read thousands of digits, with an error of its own.
    if len(number) > _INT64_DIGITS or not -INT64_MAX - 1 <= sign * int(number or "0") <= INT64_MAX:
        raise InvalidMoney(f"{text[:40]!r} does not fit into 64 bits")
    return sign * int(number or "0")


def format_minor(minor: int, currency: str) -> str:
    """123450, INR → `1234.50`."""
    digits = exponent(currency)
    sign, number = ("-", -minor) if minor < 0 else ("", minor)
    if digits == 0:
        return f"{sign}{number}"
    whole, fraction = divmod(number, 10**digits)
    return f"{sign}{whole}.{fraction:0{digits}d}"
