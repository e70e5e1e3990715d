"""What delegations may do on a given day: dated rows of `config/delegations.yaml`. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

Few = Annotated[int, Meta(ge=1, le=10_000)]
Amount = Annotated[int, Meta(ge=1, le=10**15)]


class FullRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`purpose` is the code by which the switch knows such payments."""

    per_payment_minor: Amount
    per_month_minor: Amount
    purpose: Annotated[str, Meta(pattern=r"^[0-9A-Z]{2}\Z")]


class PartialRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    approve_within_minutes: Few
    open_requests: Few

    @property
    def approve_within(self) -> timedelta:
        return timedelta(minutes=self.approve_within_minutes)


class DelegationRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row. Amounts in minor units."""

    valid_from: date
    source: str
    secondaries_per_primary: Few
    primaries_per_secondary: Few
    cooling_hours: Few
    cooling_amount_minor: Amount
    full: FullRule
    partial: PartialRule

    @property
    def version(self) -> str:
        """How a payment names the row it was decided by."""
        return f"delegation@{self.valid_from.isoformat()}"

    @property
    def cooling(self) -> timedelta:
        return timedelta(hours=self.cooling_hours)


def on(rows: Sequence[DelegationRule], day: date) -> DelegationRule:
    """The last row that is valid on `day`."""
    valid = [row for row in rows if row.valid_from <= day]
    if not valid:
        raise LookupError(f"no delegation rule is valid on {day}")
    return max(valid, key=lambda row: row.valid_from)
