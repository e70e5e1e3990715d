"""Periods, points and risk of devices: dated rows of `config/devices.yaml`. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from online.devices.domain import BindingRule

Points = Annotated[int, Meta(ge=0, le=1000)]
Few = Annotated[int, Meta(ge=1, le=10_000)]


class _Dated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    valid_from: date
    source: str


class BindingRow(_Dated, frozen=True, kw_only=True):
    challenge_minutes: Few
    cooling_hours: Few
    cooling_amount_per_day_minor: Annotated[int, Meta(ge=0, le=10**15)]
    wrong_proofs: Few
    challenges: Few
    block_hours: Few

    @property
    def rule(self) -> BindingRule:
        return BindingRule(
            challenge=timedelta(minutes=self.challenge_minutes),
            cooling=timedelta(hours=self.cooling_hours),
            block=timedelta(hours=self.block_hours),
            wrong_proofs=self.wrong_proofs,
            challenges=self.challenges,
        )


class Levels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least score of each level; below `low` there is none."""

    high: Points
    medium: Points
    low: Points


class TrustScale(_Dated, frozen=True, kw_only=True):
    version: Few
    possession: Points
    sim: Points
    per_day: Points
    days_at_most: Points
    per_payment: Points
    payments_at_most: Points
    per_other_customer: Points
    cooling_at_most: Points
    levels: Levels


class RiskPoints(_Dated, frozen=True, kw_only=True):
    suspended: Annotated[int, Meta(ge=0, le=100)]
    revoked: Annotated[int, Meta(ge=0, le=100)]
    other_customer: Annotated[int, Meta(ge=0, le=100)]
    cooling_over_amount: Annotated[int, Meta(ge=0, le=100)]


RowT = TypeVar("RowT", bound=_Dated)


class DeviceRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in the file; ask for the row of a day."""

    binding: Annotated[tuple[BindingRow, ...], Meta(min_length=1)]
    trust: Annotated[tuple[TrustScale, ...], Meta(min_length=1)]
    risk: Annotated[tuple[RiskPoints, ...], Meta(min_length=1)]


def on(rows: Sequence[RowT], day: date) -> RowT:
    """The last row that is valid on `day`."""
    valid = [row for row in rows if row.valid_from <= day]
    if not valid:
        raise LookupError(f"no device rule is valid on {day}")
    return max(valid, key=lambda row: row.valid_from)
