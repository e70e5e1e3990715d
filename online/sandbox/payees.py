"""Whom a payout goes to: whose account the bank says it is, and what paying it does.

Belongs here: the magic values of beneficiaries, from which `docs/sandbox.md` is written too. Does
not: amounts that decide (`magic.py`), which count first.
"""

from typing import Final

from online.sandbox.behaviour import BEHAVIOURS, Outcome, When
from online.sandbox.wire import Beneficiary

NO_PAYEE: Final = Outcome("declined", "AC01", "There is no such account")
RETURNED: Final = Outcome("approved", "00", "Approved", returned=True)
PAYEES: Final[dict[str, Outcome]] = {
    **{f"{name}@khata": rule.payout for name, rule in BEHAVIOURS.items()},
    "decline@khata": Outcome("declined", "AC04", "The account is closed"),
    "nobody@khata": NO_PAYEE,
    "returned@khata": RETURNED,
    "9990000404": NO_PAYEE,
    "9990000405": Outcome("declined", "AC04", "The account is closed"),
    "9990000068": Outcome("approved", "00", "Approved", When.HELD),
    "9990000903": RETURNED,
}
STRANGER: Final = "Somebody Else"
STRANGERS: Final = frozenset({"stranger@khata", "9990000777"})
# A rupee that asks whose account it is does no more than that.
_ASKS_MINOR: Final = 100


def outcome_of(payee: Beneficiary, amount_minor: int) -> Outcome | None:
    """What paying to this account comes to, if it is in the table; any other is paid."""
    found = PAYEES.get(_address(payee))
    return None if found is RETURNED and amount_minor == _ASKS_MINOR else found


def name_of(payee: Beneficiary) -> str | None:
    """Whose account it is; None: there is none such. Any that nobody knows is whose it is said
    to be."""
    if PAYEES.get(_address(payee)) is NO_PAYEE:
        return None
    return STRANGER if _address(payee) in STRANGERS else payee.name


def _address(payee: Beneficiary) -> str:
    return (payee.vpa or payee.account or "").lower()
