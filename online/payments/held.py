"""What may be done to an authorization beside taking it: a part let go, its time made longer. Pure.

A part that is being let go is reserved like a capture under way, so that no two together pass what
is authorized.
"""

from datetime import datetime
from typing import Any, Final

from online.kernel import events as ev
from online.kernel.events import Event

EVENTS: Final = (
    ev.PaymentReleaseRequested,
    ev.PaymentReleaseFailed,
    ev.PaymentAuthorizationReleased,
    ev.PaymentExtensionRequested,
    ev.PaymentExtensionFailed,
    ev.PaymentAuthorizationExtended,
)


def fold(
    event: Event, *, authorized_minor: int, capture_open_minor: int, expires_at: datetime | None
) -> dict[str, Any]:
    """The fields of a payment that an event of `EVENTS` changes."""
    match event:
        case ev.PaymentReleaseRequested():
            return {"capture_open_minor": capture_open_minor + event.amount}
        case ev.PaymentReleaseFailed():
            return {"capture_open_minor": capture_open_minor - event.amount}
        case ev.PaymentAuthorizationReleased():
            reserved = event.amount if event.attempt_id else 0
            return {
                "authorized_minor": authorized_minor - event.amount,
                "capture_open_minor": capture_open_minor - reserved,
            }
        case ev.PaymentAuthorizationExtended():
            # Two that were asked for together may be answered in any order.
            known = expires_at or event.expires_at
            return {"authorization_expires_at": max(known, event.expires_at)}
        case _:
            return {}
