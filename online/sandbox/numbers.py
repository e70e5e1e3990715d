"""Reference numbers in the shapes that banks give them, derived from the seed.

Belongs here: RRN, UTR, UPI transaction id, ARN, authorization code. The same seed and reference
give the same number on every run; `attempt` gives the next candidate when one is taken.
"""

from collections.abc import Callable
from datetime import date, datetime
from hashlib import sha256

from online.kernel.clock import IST
from online.sandbox.rails import Rail


def _digest(*parts: str) -> str:
    return sha256("\x1f".join(parts).encode()).hexdigest()


def _digits(count: int, *parts: str) -> str:
    return f"{int(_digest(*parts), 16) % 10**count:0{count}d}"


def rail_reference(rail: Rail, seed: int, reference: str, at: datetime, attempt: int) -> str:
    """An RRN of 12 digits (year digit, day of year, 8 digits), or the 16-character NEFT UTR."""
    local = at.astimezone(IST)
    parts = ("rrn", str(seed), rail.name, reference, str(attempt))
    if rail.method == "payout":
        return f"{rail.bank_code}N{local:%y%j}{_digits(6, *parts)}"
    return f"{local.year % 10}{local:%j}{_digits(8, *parts)}"


def free_rail_reference(
    rail: Rail, seed: int, reference: str, at: datetime, taken: Callable[[str], bool]
) -> str:
    """The first candidate that nothing else of the rail has."""
    attempt = 0
    while taken(number := rail_reference(rail, seed, reference, at, attempt)):
        attempt += 1
    return number


def network_reference(rail: Rail, seed: int, reference: str) -> str | None:
    """The UPI transaction id (35 characters) or the acquirer's reference number (23 digits)."""
    if rail.method == "upi":
        return rail.network_prefix + _digest("upi", str(seed), reference)[:32].upper()
    if rail.method == "card":
        return rail.network_prefix + _digits(21, "arn", str(seed), reference)
    return None


def auth_code(seed: int, reference: str) -> str:
    """The issuer's six characters on an approved card payment."""
    return _digits(6, "auth", str(seed), reference)


def settlement_utr(bank_code: str, seed: int, settlement_id: str, settled_on: date) -> str:
    """An RTGS UTR: bank, R, channel, date, 8 digits; 22 characters."""
    return f"{bank_code}R5{settled_on:%Y%m%d}{_digits(8, 'utr', str(seed), settlement_id)}"


def stray_utr(seed: int, day: date, index: int) -> str:
    """The UTR of a credit nobody announced, from another bank."""
    return f"UTIBN{day:%y%j}{_digits(6, 'stray', str(seed), day.isoformat(), str(index))}"
