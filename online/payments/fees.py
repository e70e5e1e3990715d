"""What a merchant pays for a capture: MDR and GST on it, from dated rules.

Rules are data (`config/fees.yaml`): every row has the days it is valid and where it comes from.
MDR is rounded half-even once a capture; GST is computed on that fee, by place of supply.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from online.kernel.money import divide_half_even
from online.ledger.recipes import Tax

_BPS: Final = 10_000


class MdrRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first rule that fits a capture prices it. Amounts are minor units, inclusive."""

    method: str
    mdr_bps: int
    valid_from: date
    source: str
    valid_to: date | None = None
    min_amount_minor: int = 0
    max_amount_minor: int | None = None


class GstRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GST on the fee. `exempt_up_to_minor` compares the captured amount, not the fee."""

    gst_bps: int
    valid_from: date
    source: str
    valid_to: date | None = None
    exempt_method: str | None = None
    exempt_up_to_minor: int = 0


class FeeTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All rules; `home_state` is the supplier's state code (ours)."""

    home_state: str
    mdr: tuple[MdrRule, ...]
    gst: tuple[GstRule, ...]


class Fee(msgspec.Struct, frozen=True):
    fee_minor: int
    tax: Tax


def load_fees(path: Path) -> FeeTable:
    """Reads the table; a mistake in it is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw, FeeTable)


def price(table: FeeTable, *, method: str, amount_minor: int, day: date, state_code: str) -> Fee:
    """Fee and tax of one capture on business day `day` for a merchant in `state_code`."""
    mdr = _first(table.mdr, day, lambda r: _fits(r, method, amount_minor), f"MDR for {method}")
    fee = divide_half_even(amount_minor * mdr.mdr_bps, _BPS)
    gst = _first(table.gst, day, lambda _: True, "GST")
    if fee == 0 or (gst.exempt_method == method and amount_minor <= gst.exempt_up_to_minor):
        return Fee(fee, Tax())
    return Fee(fee, _split(divide_half_even(fee * gst.gst_bps, _BPS), table, state_code))


def _split(gst_minor: int, table: FeeTable, state_code: str) -> Tax:
    """Within the supplier's state half is central and half state tax; between states it is IGST."""
    if state_code != table.home_state:
        return Tax(igst_minor=gst_minor)
    central = gst_minor // 2
    return Tax(cgst_minor=central, sgst_minor=gst_minor - central)


def _fits(rule: MdrRule, method: str, amount_minor: int) -> bool:
    most = rule.max_amount_minor
    return (
        rule.method == method
        and rule.min_amount_minor <= amount_minor
        and (most is None or amount_minor <= most)
    )


def _first(rules: Sequence[Any], day: date, fits: Any, what: str) -> Any:
    for rule in rules:
        in_force = rule.valid_from <= day and (rule.valid_to is None or day <= rule.valid_to)
        if in_force and fits(rule):
            return rule
    raise LookupError(f"no rule for {what} on {day}")
