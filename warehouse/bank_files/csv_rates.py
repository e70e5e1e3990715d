"""Gross amounts in another currency than the settlement's: what they come to in it.

Belongs here: the exchange rate of a row. Does not: reading the amounts themselves.
"""

import re
from fractions import Fraction

from online.kernel.money import exponent

_RATE = re.compile(r"[0-9]{1,9}(?:\.([0-9]{1,12}))?", re.ASCII)


def agrees(gross: int, currency: str, rate: str, settled: int, into: str) -> bool:
    """Whether `gross` minor units of a currency make `settled` of another at a rate of one unit.

    A rate is known to half its last digit, an amount to one minor unit.
    """
    match = _RATE.fullmatch(rate)
    if match is None:
        return False
    units = abs(gross) * Fraction(10) ** (exponent(into) - exponent(currency))
    half_a_digit = Fraction(1, 2 * 10 ** len(match[1] or ""))
    apart = abs(units * Fraction(rate) - abs(settled))
    return gross * settled >= 0 and apart <= 1 + units * half_a_digit
