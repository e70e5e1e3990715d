"""Reference numbers in the shapes that banks give them, derived from the seed.

Belongs here: RRN, UTR, UPI transaction id, ARN, authorization code. The same seed and reference
give the same number on every run, whatever else was asked before: so two may share an RRN, as
happens at banks, whose own key is the reference.
"""

from datetime import date, datetime
from hashlib import sha256

from online.kernel.clock import IST
from online.sandbox.rails import Rail


def _digest(*parts: str) -> str:
    return sha256("\x1f".join(parts).encode()).hexdigest()


def _digits(count: int, *parts: str) -> str:
    return f"{int(_digest(*parts), 16) % 10**count:0{count}d}"


def rail_reference(
    rail: Rail, seed: int, reference: str, at: datetime, mode: str | None = None
) -> str:
    """An RRN of 12 digits (year digit, day of year, 8 digits); of a payout the UTR of its mode:
    16 characters by NEFT (the usual one), 22 by RTGS, an RRN by IMPS and UPI.
    """
    local = at.astimezone(IST)
    parts = ("rrn", str(seed), rail.name, reference, "0")
    if mode == "rtgs":
        return f"{rail.bank_code}R5{local:%Y%m%d}{_digits(8, *parts)}"
    if rail.method == "payout" and mode in (None, "neft"):
        return f"{rail.bank_code}N{local:%y%j}{_digits(6, *parts)}"
    return f"{local.year % 10}{local:%j}{_digits(8, *parts)}"


def network_reference(rail: Rail, seed: int, reference: str, mode: str | None = None) -> str | None:
    """The UPI transaction id (35 characters) or the acquirer's reference number (23 digits)."""
    if mode == "upi":
        return rail.bank_code[:3] + _digest("upi", str(seed), reference)[:32].upper()
    if rail.method == "upi":
        return rail.network_prefix + _digest("upi", str(seed), reference)[:32].upper()
    if rail.method == "card":
        return rail.network_prefix + _digits(21, "arn", str(seed), reference)
    return None


def mandate_number(rail: Rail, seed: int, reference: str) -> str:
    """The unique mandate number (UMN): 32 characters, and the handle of the payer's app."""
    return f"{_digest('umn', str(seed), reference)[:32]}@{rail.bank_code.lower()}"


def auth_code(seed: int, reference: str) -> str:
    """The issuer's six characters on an approved card payment."""
    return _digits(6, "auth", str(seed), reference)


def settlement_utr(bank_code: str, seed: int, settlement_id: str, settled_on: date) -> str:
    """An RTGS UTR: bank, R, channel, date, 8 digits; 22 characters."""
    return f"{bank_code}R5{settled_on:%Y%m%d}{_digits(8, 'utr', str(seed), settlement_id)}"


def wrong_utr(bank_code: str, seed: int, settlement_id: str, settled_on: date) -> str:
    """Another UTR of the same bank and day: the one that a file names by mistake."""
    return settlement_utr(bank_code, seed, f"{settlement_id} wrong", settled_on)


def stray_utr(seed: int, day: date, name: str) -> str:
    """The UTR of a credit nobody announced, from another bank."""
    return f"UTIBN{day:%y%j}{_digits(6, 'stray', str(seed), day.isoformat(), name)}"
