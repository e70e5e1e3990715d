"""What a payment and a label leave behind for later payments to be compared with.

Belongs here: the rows, for the transaction of the payment or of the label itself. The database
adds them to the tiles by itself. Does not: reading them (`store`).
"""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from online.ledger.change import Append
from online.risk.domain import RiskInput
from online.risk.store import ACTIVITY, LABELS


class Labelled(Protocol):
    """The payment that a label is about (a `RiskInput` is one)."""

    @property
    def payment_id(self) -> UUID: ...
    @property
    def merchant_id(self) -> UUID: ...
    @property
    def card_key(self) -> str | None: ...
    @property
    def vpa_key(self) -> str | None: ...
    @property
    def customer_key(self) -> str | None: ...
    @property
    def device_key(self) -> str | None: ...
    @property
    def ip_key(self) -> str | None: ...
    @property
    def amount_minor(self) -> int: ...
    @property
    def livemode(self) -> bool: ...


def activity(payment: RiskInput) -> Append:
    """The row that later payments are compared with, for the payment's own transaction."""
    if payment.instrument is None:
        raise ValueError("a payment that is made has an instrument")
    row = (
        payment.payment_id,
        payment.at,
        payment.customer_key,
        payment.instrument,
        payment.card_key,
        payment.vpa_key,
        payment.device_key,
        payment.ip_key,
        payment.merchant_id,
        payment.amount_minor,
        payment.livemode,
    )
    return Append(ACTIVITY, (row,))


def label(of: Labelled, *, fraud: bool, known_at: datetime) -> Append:
    """The row of a `label.recorded` event, for the same transaction; `known_at` is its time."""
    row = (
        of.payment_id,
        of.merchant_id,
        of.card_key or of.vpa_key,
        of.card_key,
        of.vpa_key,
        of.customer_key,
        of.device_key,
        of.ip_key,
        of.amount_minor,
        fraud,
        known_at,
        of.livemode,
    )
    return Append(LABELS, (row,))
