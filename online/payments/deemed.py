"""A payment that was told as a success before the payee's bank had confirmed the credit. Pure.

NPCI settles a deemed approval as a success; its bank ends it by a TCC (the credit is confirmed) or
a RET (it went back to the payer), usually on the next day. Until then, and after a TCC, the payment
is as any other that is captured.
"""

from collections.abc import Mapping
from typing import Any, Final

from online.kernel import events as ev
from online.kernel.events import Event

DEEMED: Final = "deemed"
CONFIRMED: Final = "confirmed"
RETURNED: Final = "returned"
EVENTS: Final = (ev.PaymentCreditConfirmed, ev.PaymentReturned)


def fold(event: Event, *, reversed_minor: int, refund_open_minor: int) -> Mapping[str, Any]:
    """The fields of a payment that an event of `EVENTS` changes."""
    if isinstance(event, ev.PaymentReturned):
        return {
            "deemed": RETURNED,
            "reversed_minor": reversed_minor + event.amount,
            "refund_open_minor": refund_open_minor - event.taken_over,
            "capture_open_minor": 0,
        }
    return {"deemed": CONFIRMED}
