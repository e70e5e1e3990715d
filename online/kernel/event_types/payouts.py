"""Beneficiaries and payouts: what a merchant sends to others out of its payable balance."""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event
from online.kernel.event_types.payments import LimitTaken


class BeneficiaryAdded(Event, frozen=True, kw_only=True):
    """`mask`, `name_mask`, `fingerprint`: what may be known of an account; the rest is sealed
    under `sealed_id`. `verification`: how the bank is asked whose it is."""

    TYPE: ClassVar[str] = "beneficiary.added"
    merchant_id: str
    kind: str  # bank_account, vpa
    sealed_id: str
    mask: str
    name_mask: str
    fingerprint: str
    verification: str  # penny_drop, name_check
    ifsc: str | None = None


class BeneficiaryChanged(Event, frozen=True, kw_only=True):
    """Another account from now on: a new edition, to be verified anew."""

    TYPE: ClassVar[str] = "beneficiary.changed"
    kind: str
    sealed_id: str
    mask: str
    name_mask: str
    fingerprint: str
    verification: str
    ifsc: str | None = None


class BeneficiaryCheckSent(Event, frozen=True, kw_only=True):
    """A penny is on its way to the account, to learn whose it is."""

    TYPE: ClassVar[str] = "beneficiary.check_sent"
    attempt_id: str


class BeneficiaryVerified(Event, frozen=True, kw_only=True):
    """`name_score`: 0 to 100, how far the bank's name is the one that was given."""

    TYPE: ClassVar[str] = "beneficiary.verified"
    name_score: int
    rules_from: str


class BeneficiaryRejected(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "beneficiary.rejected"
    code: str
    name_score: int | None = None


class BeneficiaryCoolingBegan(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "beneficiary.cooling_began"
    usable_from: datetime


class BeneficiaryActivated(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "beneficiary.activated"


class BeneficiaryDisabled(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "beneficiary.disabled"
    reason: str


class PayoutCreated(Event, frozen=True, kw_only=True):
    """`edition` of the beneficiary is the account it goes to, whatever is changed later."""

    TYPE: ClassVar[str] = "payout.created"
    merchant_id: str
    beneficiary_id: str
    edition: int
    amount: int
    currency: str
    mode: str
    purpose: str
    mask: str
    purpose_code: str | None = None
    ifsc: str | None = None
    reference: str | None = None
    scheduled_at: datetime | None = None


class PayoutSent(Event, frozen=True, kw_only=True):
    """`limits`: what it took of counters, given back from here when it comes to nothing."""

    TYPE: ClassVar[str] = "payout.sent"
    attempt_id: str
    rail: str
    limits: tuple[LimitTaken, ...] = ()
    limit_rules: tuple[str, ...] = ()


class PayoutUnknown(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payout.unknown"
    attempt_id: str
    code: str | None = None


class PayoutPaid(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payout.paid"
    attempt_id: str
    utr: str | None = None


class PayoutDeclined(Event, frozen=True, kw_only=True):
    """The bank said no: of this account, or of this amount."""

    TYPE: ClassVar[str] = "payout.declined"
    attempt_id: str
    code: str


class PayoutFailed(Event, frozen=True, kw_only=True):
    """Nothing was done. Without an attempt: refused when its time came."""

    TYPE: ClassVar[str] = "payout.failed"
    code: str
    attempt_id: str | None = None


class PayoutReturned(Event, frozen=True, kw_only=True):
    """The bank sent it back after it had paid it."""

    TYPE: ClassVar[str] = "payout.returned"
    attempt_id: str
    amount: int
    returned_on: str
    code: str | None = None
    reference: str | None = None


class PayoutCanceled(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payout.canceled"
