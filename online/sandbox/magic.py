"""Magic values: which VPA, card number or amount makes the sandbox do what.

Belongs here: the tables, from which `docs/sandbox.md` is written (`documentation.py`), and the
look-up. Does not: what an outcome is (`behaviour.py`) and does to the records (`bank.py`).
"""

from typing import Final

import msgspec

from online.sandbox.behaviour import (
    APPROVED,
    BEHAVIOURS,
    OPERATIONS,
    Operation,
    Outcome,
    When,
)
from online.sandbox.rails import Method


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


def behaviour_card(name: str) -> str:
    """The card whose bank behaves so: 4000 0000 0000 7, the behaviour's number, a check digit."""
    digits = f"4000000000007{BEHAVIOURS[name].number:02d}"
    return digits + check_digit(digits)


def behaviour_amount(name: str, operation: Operation) -> int:
    """The amount that makes this operation behave so: ₹1100.NN pays, ₹1101.NN does the rest."""
    return (110_000 if operation == "authorize" else 110_100) + BEHAVIOURS[name].number


_TIMEOUT_APPROVED: Final = Outcome("approved", "00", "Approved", When.HELD)

VPAS: Final[dict[str, Outcome]] = {
    **{f"{name}@khata": rule.upi for name, rule in BEHAVIOURS.items()},
    "success@khata": APPROVED,
    "credit@khata": Outcome("approved", "00", "Approved", funding="rupay_credit"),
    "wallet@khata": Outcome("approved", "00", "Approved", funding="ppi"),
    "creditline@khata": Outcome("approved", "00", "Approved", funding="credit_line"),
    "decline@khata": Outcome("declined", "ZA", "Declined by customer"),
    "insufficient@khata": Outcome("declined", "Z9", "Insufficient funds"),
    "wrongpin@khata": Outcome("declined", "ZM", "Invalid UPI PIN"),
    "timeout@khata": _TIMEOUT_APPROVED,
    "timeoutfail@khata": Outcome("declined", "U30", "Debit failed", When.HELD),
    "lost@khata": Outcome("failed", "U09", "Request lost", When.LOST),
    "pending@khata": Outcome("approved", "00", "Approved", When.LATER),
    "techfail@khata": Outcome("failed", "UP", "PSP timed out"),
}

# The payer of a mandate, by whose VPA its debits behave; the mandate itself they approve.
DEBITS: Final[dict[str, Outcome]] = {
    f"mandate.{name}@khata": rule.upi for name, rule in BEHAVIOURS.items()
}
RECOVERING: Final = "mandate.recovers@khata"  # the first debit lacks funds, the next do not

CARDS: Final[dict[str, Outcome]] = {
    **{behaviour_card(name): rule.card for name, rule in BEHAVIOURS.items()},
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
    "4000000000006702": Outcome("declined", "05", "Do not honour", When.HELD),
    "4000000000003220": Outcome(
        "approved", "00", "Approved", When.CHALLENGE, authentication="challenged"
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
_LATER: Final = Outcome("approved", "00", "Approved", When.LATER)
_NO_FUNDS: Final = (
    Outcome("declined", "Z9", "Insufficient funds"),
    Outcome("declined", "51", "Insufficient funds"),
)
_TIMEOUT_DECLINED: Final = (
    Outcome("declined", "U30", "Debit failed", When.HELD),
    Outcome("declined", "05", "Do not honour", When.HELD),
)

# Payments have amounts of their own, so that a payment which timed out can be refunded in peace.
AMOUNTS: Final[dict[int, MagicAmount]] = {
    100_051: MagicAmount(_PAYMENT, *_NO_FUNDS),
    100_067: MagicAmount(_PAYMENT, *_TIMEOUT_DECLINED),
    100_068: MagicAmount(_PAYMENT, _TIMEOUT_APPROVED, _TIMEOUT_APPROVED),
    100_160: MagicAmount(_REFUND, _LATER, _LATER),
    100_161: MagicAmount(
        _REFUND,
        Outcome("declined", "YF", "The account is blocked", When.LATER),
        Outcome("declined", "46", "The account is closed", When.LATER),
    ),
    100_151: MagicAmount(_AFTERWARDS, *_NO_FUNDS),
    100_167: MagicAmount(_AFTERWARDS, *_TIMEOUT_DECLINED),
    100_168: MagicAmount(_AFTERWARDS, _TIMEOUT_APPROVED, _TIMEOUT_APPROVED),
}


_OF_BEHAVIOURS: Final = {
    (operation, behaviour_amount(name, operation)): name
    for name in BEHAVIOURS
    for operation in OPERATIONS
}


def of_vpa(vpa: str) -> Outcome | None:
    """What this VPA stands for, if it is in the table; any other approves."""
    return VPAS.get(vpa.lower())


def of_mandate(vpa: str) -> Outcome | None:
    """The same of a mandate that its payer is asked for."""
    behaviour = BEHAVIOURS.get(vpa.lower().removesuffix("@khata"))
    return behaviour.outcome("upi", "mandate") if behaviour else of_vpa(vpa)


def of_debit(vpa: str, before: int) -> Outcome | None:
    """What a debit comes to by the VPA of the mandate's payer, after so many `before`."""
    if vpa.lower() == RECOVERING and before == 0:
        return VPAS["insufficient@khata"]
    return DEBITS.get(vpa.lower())


def of_card(pan: str) -> Outcome | None:
    """What this card stands for; None: any other with a valid check digit approves."""
    known = CARDS.get(pan)
    if known is not None or luhn_valid(pan):
        return known
    return Outcome("declined", "14", "Invalid card number")


def of_amount(operation: Operation, amount_minor: int, method: Method) -> Outcome | None:
    """The outcome that this amount forces, if it is a magic one for this operation."""
    name = _OF_BEHAVIOURS.get((operation, amount_minor))
    if name is not None:
        return BEHAVIOURS[name].outcome(method, operation)
    rule = AMOUNTS.get(amount_minor)
    if rule is None or operation not in rule.operations:
        return None
    return rule.upi if method == "upi" else rule.other


def is_amount(amount_minor: int) -> bool:
    """Whether this amount means anything to any operation."""
    return amount_minor in AMOUNTS or any(
        (operation, amount_minor) in _OF_BEHAVIOURS for operation in OPERATIONS
    )
