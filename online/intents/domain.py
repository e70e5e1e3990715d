"""An intent's states. Moves are named by the event that records them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import Conflict, IllegalMove, InvalidRequest, VersionConflict
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status


class Status(StrEnum):
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    EXPIRED = "expired"


S = Status
_WAITING: Final = (S.REQUIRES_PAYMENT_METHOD, S.REQUIRES_CONFIRMATION)
_UNDER_WAY: Final = (S.PROCESSING, S.REQUIRES_ACTION)
_BEGINS: Final = ("processing", "blocked")  # a payment's status in the commit that makes it

TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.IntentCreated): S.REQUIRES_PAYMENT_METHOD,
    **{(s, ev.IntentUpdated): s for s in _WAITING},
    (S.REQUIRES_PAYMENT_METHOD, ev.IntentPaymentMethodAttached): S.REQUIRES_CONFIRMATION,
    (S.REQUIRES_CONFIRMATION, ev.IntentPaymentMethodAttached): S.REQUIRES_CONFIRMATION,
    (S.REQUIRES_CONFIRMATION, ev.IntentProcessing): S.PROCESSING,
    (S.REQUIRES_CONFIRMATION, ev.IntentPaymentFailed): S.REQUIRES_PAYMENT_METHOD,
    **{(s, ev.IntentRequiresAction): S.REQUIRES_ACTION for s in _UNDER_WAY},
    **{(s, ev.IntentRequiresCapture): S.REQUIRES_CAPTURE for s in _UNDER_WAY},
    **{(s, ev.IntentSucceeded): S.SUCCEEDED for s in (*_UNDER_WAY, S.REQUIRES_CAPTURE)},
    **{(s, ev.IntentPaymentFailed): S.REQUIRES_PAYMENT_METHOD for s in _UNDER_WAY},
    **{
        (s, ev.IntentCanceled): S.CANCELED
        for s in (*_WAITING, S.REQUIRES_ACTION, S.REQUIRES_CAPTURE)
    },
    **{
        (s, ev.IntentExpired): S.EXPIRED for s in (*_WAITING, S.REQUIRES_ACTION, S.REQUIRES_CAPTURE)
    },
}
TERMINAL: Final = frozenset({S.SUCCEEDED, S.CANCELED, S.EXPIRED})


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `intents`; amount in minor units."""

    id: UUID
    merchant_id: UUID
    customer_id: UUID | None
    status: Status
    amount_minor: int
    currency: str
    payment_methods: list[str]
    capture_method: str
    priority: str
    description: str | None
    payment_id: UUID | None
    next_action: dict[str, Any] | None
    last_payment_error: dict[str, Any] | None
    version: int
    livemode: bool
    created_at: datetime
    expires_at: datetime


def apply(state: Intent | None, occurred: Occurred) -> Intent:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.IntentCreated):
        return _created(event, occurred)
    assert state is not None  # by the table
    if isinstance(event, ev.IntentUpdated):
        return msgspec.structs.replace(
            state, status=status, version=occurred.version, **_terms(event)
        )
    changes: dict[str, Any] = {"next_action": None}
    if isinstance(event, ev.IntentProcessing):
        changes["payment_id"] = ids.decode("pay", event.payment_id)
        changes["last_payment_error"] = None
    elif isinstance(event, ev.IntentRequiresAction):
        changes["next_action"] = event.next_action
    elif isinstance(event, ev.IntentPaymentFailed):
        changes["payment_id"] = ids.decode("pay", event.payment_id)
        changes["last_payment_error"] = event.error
    return msgspec.structs.replace(state, status=status, version=occurred.version, **changes)


def _created(event: ev.IntentCreated, occurred: Occurred) -> Intent:
    return Intent(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        status=Status.REQUIRES_PAYMENT_METHOD,
        currency=event.currency,
        payment_id=None,
        next_action=None,
        last_payment_error=None,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        **_terms(event),
    )


def _terms(event: ev.IntentCreated | ev.IntentUpdated) -> dict[str, Any]:
    return {
        "customer_id": ids.decode("cus", event.customer_id) if event.customer_id else None,
        "amount_minor": event.amount,
        "payment_methods": event.payment_methods,
        "capture_method": event.capture_method,
        "priority": event.priority,
        "description": event.description,
        "expires_at": event.expires_at,
    }


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What an intent needs to know of its payment."""

    payment_id: str
    status: str
    method: str
    amount_minor: int
    capture_method: str
    next_action: dict[str, Any] | None
    last_error: dict[str, Any] | None
    at: datetime
    at_once: bool = False  # begun and captured in the same commit: from a wallet


def follow(intent: Intent, payment: Progress) -> list[Event]:
    """The events by which an intent goes along with its payment; none when nothing changes.

    A payment begins only under an intent that waits for one. What was true when the call was
    checked may be so no longer: another confirmation, a cancellation or the end of its time came
    first. The payment then begins together with the intent's next version, or not at all.
    """
    reached = payment.payment_id
    own = intent.payment_id is not None and ids.encode("pay", intent.payment_id) == reached
    if not own and payment.status not in _BEGINS and not payment.at_once:
        return []  # an earlier payment, whose end the intent has seen before
    if not own:
        _check_terms(intent, payment)
    events = _following(intent, payment)
    # Where the intent is further than the payment that we know of, or ended before it: what became
    # of the money is recorded all the same (or decided again, from the payment as it is now).
    ahead = own and bool(events) and (intent.status, type(events[0])) not in TRANSITIONS
    return [] if ahead else events


def _following(intent: Intent, payment: Progress) -> list[Event]:
    reached, error = payment.payment_id, payment.last_error or {}
    match payment.status:
        case "processing" if intent.status in _WAITING:
            return [
                ev.IntentPaymentMethodAttached(method=payment.method),
                ev.IntentProcessing(payment_id=reached),
            ]
        case "blocked":
            return [
                ev.IntentPaymentMethodAttached(method=payment.method),
                ev.IntentPaymentFailed(payment_id=reached, error=error),
            ]
        case "requires_action":
            action = payment.next_action or {}
            return [ev.IntentRequiresAction(payment_id=reached, next_action=action)]
        case "authorized" if intent.status is not Status.REQUIRES_CAPTURE:
            return [ev.IntentRequiresCapture(payment_id=reached)]
        case "captured" if payment.at_once and intent.status in _WAITING:
            return [
                ev.IntentPaymentMethodAttached(method=payment.method),
                ev.IntentProcessing(payment_id=reached),
                ev.IntentSucceeded(payment_id=reached),
            ]
        case "captured" if intent.status is not Status.SUCCEEDED:
            return [ev.IntentSucceeded(payment_id=reached)]
        case "failed":
            return [ev.IntentPaymentFailed(payment_id=reached, error=error)]
        case "canceled" | "expired":
            over = payment.status == "expired" or payment.at >= intent.expires_at
            canceled = ev.IntentCanceled(reason="payment_canceled")
            return [ev.IntentExpired() if over else canceled]
        case _:
            return []


def _check_terms(intent: Intent, payment: Progress) -> None:
    if intent.status not in _WAITING:
        raise IllegalMove(f"an intent that is {intent.status} cannot be paid")
    asked = (intent.amount_minor, intent.capture_method)
    if asked != (payment.amount_minor, payment.capture_method):
        raise VersionConflict("the intent was updated while it was being confirmed")


def update(intent: Intent, changes: dict[str, Any]) -> ev.IntentUpdated:
    """The terms with `changes` (fields of `IntentUpdated`); refused once a payment is under way."""
    if (intent.status, ev.IntentUpdated) not in TRANSITIONS:
        raise IllegalMove(f"an intent that is {intent.status} cannot be updated")
    terms: dict[str, Any] = {
        "amount": intent.amount_minor,
        "payment_methods": intent.payment_methods,
        "capture_method": intent.capture_method,
        "priority": intent.priority,
        "expires_at": intent.expires_at,
        "customer_id": ids.encode("cus", intent.customer_id) if intent.customer_id else None,
        "description": intent.description,
    }
    return ev.IntentUpdated(**terms | changes)


def check_confirm(intent: Intent, method: str, now: datetime) -> None:
    """Refuses to confirm what is done, under way, too old, or to be paid otherwise."""
    if intent.status not in _WAITING:
        raise IllegalMove(f"an intent that is {intent.status} cannot be confirmed")
    if now >= intent.expires_at:
        raise Conflict("this intent has expired")
    if method not in intent.payment_methods:
        raise InvalidRequest(
            f"this intent takes {', '.join(intent.payment_methods)}", "payment_method.type"
        )
