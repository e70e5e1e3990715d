"""An amount of rupees in words, grouped the Indian way."""

from typing import Final

_ONES: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS: Final = (
    *("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
)
_UNITS: Final = ((10_000_000, "crore"), (100_000, "lakh"), (1_000, "thousand"), (100, "hundred"))


def rupees_in_words(paise: int) -> str:
    """123456 → `Rupees one thousand two hundred thirty-four and fifty-six paise only`."""
    sign = "minus " if paise < 0 else ""
    rupees, rest = divmod(abs(paise), 100)
    fraction = f" and {number_in_words(rest)} paise" if rest else ""
    return f"Rupees {sign}{number_in_words(rupees)}{fraction} only"


def number_in_words(number: int) -> str:
    """`number` is not negative."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return f"{_TENS[tens]}-{_ONES[ones]}" if ones else _TENS[tens]
    for unit, name in _UNITS:
        if number >= unit:
            many, rest = divmod(number, unit)
            head = f"{number_in_words(many)} {name}"
            return f"{head} {number_in_words(rest)}" if rest else head
    raise AssertionError("unreachable")
