"""What an issuer says of a card: yes or no, and what it found on the way.

Belongs here: magic cards, expiry, the check results of the networks. Does not: money (`bank.py`).
"""

from datetime import date
from typing import Final

import msgspec

from online.sandbox import magic
from online.sandbox.behaviour import Outcome
from online.sandbox.wire import CardPart, Checks

EXPIRED: Final = Outcome("declined", "54", "Expired card")
# Electronic commerce indicators: fully authenticated, and not at all.
_FULL: Final = {"mastercard": "02"}
_NONE: Final = {"mastercard": "00"}
_DOWN: Final = {"02": "00", "05": "07"}


def decide(card: CardPart, today: date) -> Outcome | None:
    """The issuer's answer, by the card alone; None for any ordinary card."""
    if (card.exp_year, card.exp_month) < (today.year, today.month):
        return EXPIRED
    return magic.of_card(card.pan)


def checks(card: CardPart, outcome: Outcome) -> Checks | None:
    """What was found beside the answer; nothing where the issuer was never asked."""
    if outcome.status == "failed":
        return None
    network = network_of(card.pan)
    authenticated = outcome.authentication in ("challenged", "frictionless")
    strength = _FULL.get(network, "05") if authenticated else _NONE.get(network, "07")
    return Checks(
        avs=outcome.avs,
        cvc="N" if outcome.code == "N7" else "P" if card.cvc is None else "M",
        eci=card.eci or strength,
        authentication=outcome.authentication,
    )


def unauthenticated(found: Checks) -> Checks:
    """The same after a challenge that the payer did not pass."""
    return msgspec.structs.replace(
        found, eci=_DOWN.get(found.eci, found.eci), authentication="failed"
    )


def network_of(pan: str) -> str:
    """The network by the first digits, as far as its indicators differ."""
    return "mastercard" if pan[0] in "25" and not pan.startswith("508") else "other"
