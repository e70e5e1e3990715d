"""Magic values: which VPA, card number or amount makes the sandbox do what.

Belongs here: the tables, from which `docs/sandbox.md` is written (`documentation.py`), and the
look-up. Does not: what an outcome does to the records (`bank.py`).
"""

from enum import Enum
from typing import Final, Literal

import msgspec

Operation = Literal["authorize", "capture", "void", "reverse", "refund", "payout"]
FinalStatus = Literal["approved", "declined", "failed"]
Funding = Literal["bank", "ppi", "rupay_credit", "credit_line"]
Authentication = Literal["challenged", "frictionless", "failed", "none"]


class Behaviour(Enum):
    """When the caller hears of an outcome."""

    AT_ONCE = "answers at once"
    HELD = "done at once, but the answer comes after the caller's time-out; an enquiry knows it"
    LATER = "pending; the first enquiry a second later knows the outcome"
    LOST = "never arrived: no answer, and an enquiry finds nothing"
    CHALLENGE = "pending, until the payer has confirmed on the page of the card's bank"


class Outcome(msgspec.Struct, frozen=True):
    """What the bank decides, and how it lets the caller know."""

    status: FinalStatus
    code: str
    message: str
    behaviour: Behaviour = Behaviour.AT_ONCE
    funding: Funding = "bank"  # of a UPI payment: where its money comes from
    avs: str = "U"  # of a card: Indian banks hardly check addresses
    authentication: Authentication = "none"
    dispute: str | None = None  # the reason code with which it is disputed after capture


APPROVED: Final = Outcome("approved", "00", "Approved")
_TIMEOUT_APPROVED: Final = Outcome("approved", "00", "Approved", Behaviour.HELD)

VPAS: Final[dict[str, Outcome]] = {
    "success@khata": APPROVED,
    "credit@khata": Outcome("approved", "00", "Approved", funding="rupay_credit"),
    "wallet@khata": Outcome("approved", "00", "Approved", funding="ppi"),
    "creditline@khata": Outcome("approved", "00", "Approved", funding="credit_line"),
    "decline@khata": Outcome("declined", "ZA", "Declined by customer"),
    "insufficient@khata": Outcome("declined", "Z9", "Insufficient funds"),
    "wrongpin@khata": Outcome("declined", "ZM", "Invalid UPI PIN"),
    "timeout@khata": _TIMEOUT_APPROVED,
    "timeoutfail@khata": Outcome("declined", "U30", "Debit failed", Behaviour.HELD),
    "lost@khata": Outcome("failed", "U09", "Request lost", Behaviour.LOST),
    "pending@khata": Outcome("approved", "00", "Approved", Behaviour.LATER),
    "techfail@khata": Outcome("failed", "UP", "PSP timed out"),
}

CARDS: Final[dict[str, Outcome]] = {
    "4242424242424242": APPROVED,
    "5555555555554444": APPROVED,
    "4000000000000002": Outcome("declined", "05", "Do not honour"),
    "4000000000009995": Outcome("declined", "51", "Insufficient funds"),
    "4000000000009987": Outcome("declined", "41", "Lost card"),
    "4000000000009979": Outcome("declined", "43", "Stolen card"),
    "4000000000000069": Outcome("declined", "54", "Expired card"),
    "4000000000000127": Outcome("declined", "N7", "CVC does not match"),
    "4000000000000119": Outcome("failed", "96", "System malfunction"),
    "4000000000006801": _TIMEOUT_APPROVED,
    "4000000000006702": Outcome("declined", "05", "Do not honour", Behaviour.HELD),
    "4000000000003220": Outcome(
        "approved", "00", "Approved", Behaviour.CHALLENGE, authentication="challenged"
    ),
    "4000000000003063": Outcome("approved", "00", "Approved", authentication="frictionless"),
    "4000000000000259": Outcome("approved", "00", "Approved", dispute="10.4"),
    "4000000000000101": Outcome("declined", "N7", "CVC does not match"),
    "4000000000000010": Outcome("approved", "00", "Approved", avs="N"),
}


class MagicAmount(msgspec.Struct, frozen=True):
    """An amount that decides by itself; UPI and the other rails speak different codes."""

    operations: frozenset[Operation]
    upi: Outcome
    other: Outcome


_PAYMENT: Final[frozenset[Operation]] = frozenset({"authorize"})
_AFTERWARDS: Final[frozenset[Operation]] = frozenset({"capture", "reverse", "refund", "payout"})
_REFUND: Final[frozenset[Operation]] = frozenset({"refund"})
_LATER: Final = Outcome("approved", "00", "Approved", Behaviour.LATER)
_NO_FUNDS: Final = (
    Outcome("declined", "Z9", "Insufficient funds"),
    Outcome("declined", "51", "Insufficient funds"),
)
_TIMEOUT_DECLINED: Final = (
    Outcome("declined", "U30", "Debit failed", Behaviour.HELD),
    Outcome("declined", "05", "Do not honour", Behaviour.HELD),
)

# Payments have amounts of their own, so that a payment which timed out can be refunded in peace.
AMOUNTS: Final[dict[int, MagicAmount]] = {
    100_051: MagicAmount(_PAYMENT, *_NO_FUNDS),
    100_067: MagicAmount(_PAYMENT, *_TIMEOUT_DECLINED),
    100_068: MagicAmount(_PAYMENT, _TIMEOUT_APPROVED, _TIMEOUT_APPROVED),
    100_160: MagicAmount(_REFUND, _LATER, _LATER),
    100_161: MagicAmount(
        _REFUND,
        Outcome("declined", "YF", "The account is blocked", Behaviour.LATER),
        Outcome("declined", "46", "The account is closed", Behaviour.LATER),
    ),
    100_151: MagicAmount(_AFTERWARDS, *_NO_FUNDS),
    100_167: MagicAmount(_AFTERWARDS, *_TIMEOUT_DECLINED),
    100_168: MagicAmount(_AFTERWARDS, _TIMEOUT_APPROVED, _TIMEOUT_APPROVED),
}


def of_vpa(vpa: str) -> Outcome:
    """Any VPA that is not in the table approves."""
    return VPAS.get(vpa.lower(), APPROVED)


def of_card(pan: str) -> Outcome:
    """Any card with a valid check digit that is not in the table approves."""
    known = CARDS.get(pan)
    if known is not None:
        return known
    return APPROVED if luhn_valid(pan) else Outcome("declined", "14", "Invalid card number")


def of_amount(operation: Operation, amount_minor: int, *, upi: bool) -> Outcome | None:
    """The outcome that this amount forces, if it is a magic one for this operation."""
    rule = AMOUNTS.get(amount_minor)
    if rule is None or operation not in rule.operations:
        return None
    return rule.upi if upi else rule.other


def luhn_valid(pan: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812)."""
    return pan.isdigit() and check_digit(pan[:-1]) == pan[-1]


def check_digit(digits: str) -> str:
    """The digit that makes `digits` + itself a valid card number."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)
