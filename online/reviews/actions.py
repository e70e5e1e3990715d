"""What may be done with the money of a payment in review. Pure; `payments` has the rules."""

from collections.abc import Callable
from typing import Final, Literal

from online.kernel.errors import Refused
from online.kernel.events import Event
from online.payments import decisions
from online.payments.domain import Payment

Action = Literal["capture", "cancel", "refund"]

_ASKED: Final[tuple[tuple[Action, Callable[[Payment], Event]], ...]] = (
    ("capture", lambda payment: decisions.request_capture(payment, "", None)),
    ("cancel", lambda payment: decisions.request_void(payment, "")),
    ("refund", lambda payment: decisions.request_refund(payment, "", None)),
)


def actions(payment: Payment) -> list[Action]:
    """What would not be refused as the payment stands."""
    return [action for action, ask in _ASKED if _is_allowed(ask, payment)]


def _is_allowed(ask: Callable[[Payment], Event], payment: Payment) -> bool:
    try:
        ask(payment)
    except Refused:
        return False
    return True
