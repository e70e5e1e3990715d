"""Objects for tests: every field has a sensible value, so a test names only what it is about.

Belongs here: builders that more than one test module uses. Does not: fakes (`fakes.py`), or
anything that talks to a database.
"""

import types
import typing
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from online.attempts import domain as attempts
from online.attempts.domain import Attempt
from online.intents import domain as intents
from online.intents.domain import Intent
from online.kernel import ids
from online.kernel.events import Event, Occurred
from online.payments import domain as payments
from online.payments.domain import Payment

EventT = TypeVar("EventT", bound=Event)

# A Tuesday, 12:00 in India.
AT = datetime(2026, 3, 10, 6, 30, tzinfo=UTC)


def uid(*names: str) -> UUID:
    """The same id for the same names."""
    return ids.derived("test", *names)


MERCHANT = uid("merchant")

_PREFIXES = {
    "merchant_id": "mrc",
    "customer_id": "cus",
    "payment_id": "pay",
    "intent_id": "pi",
    "refund_id": "rfd",
    "settlement_id": "stl",
    "attempt_id": "att",
    "original_id": "att",
    "late_attempt_id": "att",
    "wallet_id": "wal",
    "primary_id": "cus",
    "secondary_id": "cus",
    "delegation_id": "dlg",
    "mandate_id": "mnd",
    "execution_id": "mex",
    "beneficiary_id": "bnf",
    "escrow_id": "esc",
    "dispute_id": "dsp",
    "release_id": "esc",
    "return_id": "esc",
}


def an(event_type: type[EventT], *, full: bool = False, **fields: Any) -> EventT:
    """An event of a type; `full` gives its optional fields a value too."""
    hints = typing.get_type_hints(event_type)
    for field in msgspec.structs.fields(event_type):
        if field.name not in fields and (full or field.required):
            fields[field.name] = _value(field.name, hints[field.name])
    return event_type(**fields)


def _value(name: str, hint: Any) -> Any:
    if typing.get_origin(hint) is types.UnionType:
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        return ()
    if name == "sealed_id":
        return str(uid(name))
    if name == "business_date":
        return AT.date().isoformat()
    if hint is str:
        return ids.encode(_PREFIXES[name], uid(name)) if name in _PREFIXES else f"{name} é₹"
    values: dict[Any, Any] = {
        int: 7,
        bool: True,
        datetime: AT,
        date: AT.date(),
        list[str]: ["upi", "card"],
        list[dict[str, Any]]: [{"rule": "amount_per_day", "used": 3}],
        dict[str, int]: {"first": 1, "second": 2},
        dict[str, Any]: {"score": 3, "nested": {"list": [1, None, "x"]}},
    }
    return values[hint]


def occurred(event: Event, *, id_: UUID | None = None, version: int = 1) -> Occurred:
    return Occurred(
        aggregate_id=id_ or uid("aggregate"),
        version=version,
        at=AT,
        merchant_id=MERCHANT,
        livemode=False,
        event=event,
    )


def payment(**fields: Any) -> Payment:
    """₹1,000.00 by card from the merchant's own state, created."""
    known: dict[str, Any] = {
        "id": uid("payment"),
        "intent_id": None,
        "merchant_id": MERCHANT,
        "customer_id": None,
        "status": payments.Status.CREATED,
        "amount_minor": 1_000_00,
        "currency": "INR",
        "method": "card",
        "capture_method": "automatic",
        "priority": "balanced",
        "instrument": "hash",
        "instrument_mask": "4242 42** **** 4242",
        "device_id": None,
        "rail": "card_a",
        "route": "card_a",
        "attempt_id": uid("attempt"),
        "version": 1,
        "livemode": False,
        "created_at": AT,
        "updated_at": AT,
    }
    return Payment(**known | fields)


def attempt(**fields: Any) -> Attempt:
    """An authorization of ₹1,000.00 that was sent to `card_a`."""
    known: dict[str, Any] = {
        "id": uid("attempt"),
        "payment_id": uid("payment"),
        "refund_id": None,
        "settlement_id": None,
        "merchant_id": MERCHANT,
        "operation": "authorize",
        "status": attempts.Status.SENT,
        "amount_minor": 1_000_00,
        "currency": "INR",
        "route": "card_a",
        "rail": "card_a",
        "rail_reference": None,
        "original_id": None,
        "code": None,
        "enquiries": 0,
        "next_enquiry_at": AT,
        "sent_at": AT,
        "version": 1,
        "livemode": False,
    }
    return Attempt(**known | fields)


def intent(**fields: Any) -> Intent:
    """₹1,000.00, by whatever method, captured automatically."""
    known: dict[str, Any] = {
        "id": uid("intent"),
        "merchant_id": MERCHANT,
        "customer_id": None,
        "status": intents.Status.REQUIRES_PAYMENT_METHOD,
        "amount_minor": 1_000_00,
        "currency": "INR",
        "payment_methods": ["upi", "card"],
        "capture_method": "automatic",
        "priority": "balanced",
        "description": None,
        "payment_id": None,
        "next_action": None,
        "last_payment_error": None,
        "version": 1,
        "livemode": False,
        "created_at": AT,
        "expires_at": AT.replace(hour=7),
    }
    return Intent(**known | fields)
