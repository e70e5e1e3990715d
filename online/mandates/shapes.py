"""Mandates and executions over the wire."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from online.kernel import ids
from online.kernel.errors import InvalidRequest
from online.mandates.calendar import DebitRule, Frequency, day_fits
from online.mandates.domain import Mandate
from online.mandates.executions import Execution
from online.mandates.outcomes import Terms
from online.payments.methods import Handle, Vpa
from online.platform.wire import AmountMinor, WireStruct, id_of

_LONGEST_YEARS = 30  # a mandate's life on the wire; the payer's app has limits of its own
Purpose = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 .&'-]{0,49}\Z")]
DebitDay = Annotated[int, Meta(ge=1, le=31)]


class CreateMandate(WireStruct, frozen=True, kw_only=True):
    """What the payer is asked to permit. Days are India's.

    The payer by a `vpa` or a `handle`; with neither, `next_action` has a link and a QR code for
    their app. `debit_day` with its `debit_rule` says on which days of a period (a weekday, 1 is
    Monday, of weekly ones, else a day of the month); left out, any day. With an `amount` the
    mandate debits by itself on every debit day; without one the merchant makes each execution.
    """

    customer_id: Annotated[str, id_of("cus")]
    max_amount: AmountMinor
    frequency: Frequency
    start_on: date
    end_on: date
    purpose: Purpose
    amount_rule: Literal["exact", "max"] = "max"
    vpa: Vpa | None = None
    handle: Handle | None = None
    debit_rule: DebitRule | None = None
    debit_day: DebitDay | None = None
    amount: AmountMinor | None = None

    def __repr__(self) -> str:
        return "CreateMandate(…)"

    def terms(self, today: date) -> Terms:
        """Refuses what cannot be meant, with the field's name."""
        if self.start_on < today:
            raise InvalidRequest("must not be in the past", "start_on")
        if not self.start_on <= self.end_on:
            raise InvalidRequest("must not be before start_on", "end_on")
        if self.end_on.year - self.start_on.year > _LONGEST_YEARS:
            raise InvalidRequest(f"must be within {_LONGEST_YEARS} years", "end_on")
        if (self.debit_rule is None) != (self.debit_day is None):
            raise InvalidRequest("comes with debit_rule, and it with this", "debit_day")
        if self.debit_day is not None and not day_fits(self.frequency, self.debit_day):
            raise InvalidRequest(f"is no day of a {self.frequency} mandate", "debit_day")
        if self.vpa is not None and self.handle is not None:
            raise InvalidRequest("one thing pays: a vpa or a handle", "handle")
        _check_amount(self)
        return Terms(
            max_amount_minor=self.max_amount,
            amount_rule=self.amount_rule,
            frequency=self.frequency,
            start_on=self.start_on,
            end_on=self.end_on,
            purpose=self.purpose,
            debit_rule=self.debit_rule,
            debit_day=self.debit_day,
            amount_minor=self.amount,
        )


def _check_amount(asked: CreateMandate) -> None:
    if asked.amount is None:
        return
    if asked.frequency is Frequency.AS_PRESENTED:
        raise InvalidRequest("an as_presented mandate has no schedule of its own", "amount")
    if asked.amount > asked.max_amount:
        raise InvalidRequest("must not be more than max_amount", "amount")
    if asked.amount_rule == "exact" and asked.amount != asked.max_amount:
        raise InvalidRequest("must be max_amount where the rule is exact", "amount")


class MandateAction(WireStruct, frozen=True, kw_only=True):
    """No fields."""


class ScheduleExecution(WireStruct, frozen=True, kw_only=True):
    """One debit on a day of India."""

    amount: AmountMinor
    debit_on: date


class MandateView(Struct, frozen=True, kw_only=True):
    """Amounts in minor units of `currency`. `told`: the rail knows that it is revoked."""

    id: str
    merchant_id: str
    customer_id: str
    status: str
    max_amount: int
    amount_rule: str
    amount: int | None
    currency: str
    frequency: str
    start_on: date
    end_on: date
    debit_rule: str | None
    debit_day: int | None
    next_debit_on: date | None
    purpose: str
    mcc: str
    instrument: str
    handle_id: str | None
    rail: str | None
    umn: str | None
    next_action: dict[str, Any] | None
    last_error: dict[str, Any] | None
    paused_by: str | None
    revoked_by: str | None
    told: bool
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, mandate: Mandate) -> "MandateView":
        return cls(
            id=mandate.reference,
            merchant_id=ids.encode("mrc", mandate.merchant_id),
            customer_id=ids.encode("cus", mandate.customer_id),
            status=mandate.status,
            max_amount=mandate.max_amount_minor,
            amount_rule=mandate.amount_rule,
            amount=mandate.amount_minor,
            currency=mandate.currency,
            frequency=mandate.frequency,
            start_on=mandate.start_on,
            end_on=mandate.end_on,
            debit_rule=mandate.debit_rule,
            debit_day=mandate.debit_day,
            next_debit_on=mandate.next_debit_on,
            purpose=mandate.purpose,
            mcc=mandate.mcc,
            instrument=mandate.instrument_mask,
            handle_id=mandate.handle_id,
            rail=mandate.rail,
            umn=mandate.umn,
            next_action=mandate.next_action,
            last_error=mandate.last_error,
            paused_by=mandate.paused_by,
            revoked_by=mandate.revoked_by,
            told=mandate.told,
            livemode=mandate.livemode,
            created_at=mandate.created_at,
            updated_at=mandate.updated_at,
        )


class MandateList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    url: str = "/api/v1/mandates"
    has_more: bool
    data: list[MandateView]


class ExecutionView(Struct, frozen=True, kw_only=True):
    """`period` is the first day of the period that it uses up, `until_on` the last on which it is
    tried; `payments` are its tries, in order; `debit_from`: not before, once the payer was told.
    """

    id: str
    mandate_id: str
    customer_id: str
    status: str
    amount: int
    currency: str
    period: date
    debit_on: date
    until_on: date
    notice_at: datetime
    debit_from: datetime | None
    next_try_at: datetime | None
    tried: int
    payments: list[str]
    factor_required: bool
    last_error: dict[str, Any] | None
    scheduled_by: str
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, execution: Execution) -> "ExecutionView":
        return cls(
            id=execution.reference,
            mandate_id=ids.encode("mnd", execution.mandate_id),
            customer_id=ids.encode("cus", execution.customer_id),
            status=execution.status,
            amount=execution.amount_minor,
            currency=execution.currency,
            period=execution.period,
            debit_on=execution.debit_on,
            until_on=execution.until_on,
            notice_at=execution.notice_at,
            debit_from=execution.debit_from,
            next_try_at=execution.next_try_at,
            tried=execution.tried,
            payments=list(execution.payments),
            factor_required=execution.factor_required,
            last_error=execution.last_error,
            scheduled_by=execution.scheduled_by,
            livemode=execution.livemode,
            created_at=execution.created_at,
            updated_at=execution.updated_at,
        )


class ExecutionList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    url: str
    has_more: bool
    data: list[ExecutionView]
