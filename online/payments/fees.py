"""What a merchant pays for a capture: MDR and GST on it, from dated rows.

The rows are data (`config/fees.yaml`, read by `fee_rules.py`). A fee is rounded half-even once a
capture; GST is computed on that fee, rounded once, and split by place of supply. Each capture is
a line of its own: two halves may cost a minor unit more or less than the whole.
"""

from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from online.kernel.money import divide_half_even
from online.ledger.recipes import Tax
from online.payments.fee_rules import ANY_OTHER, GstRule, MdrRule, PriceList, check

_BPS: Final = 10_000
_NO_TAX: Final = Tax()


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """One capture as the price list sees it.

    `funding` is where the money comes from: bank, ppi, rupay_credit, credit_line; of a card
    credit, debit, prepaid. None: nobody told, which over UPI means a bank account.
    """

    method: str
    rail: str
    funding: str | None
    mcc: str
    amount_minor: int
    day: date
    state_code: str  # of the merchant
    network: str | None = None  # of a card
    merchant_size: str = "standard"


class Fee(msgspec.Struct, frozen=True):
    fee_minor: int
    tax: Tax


class _Row:
    """A row made ready: what is left to look at once names have been matched."""

    __slots__ = ("first", "last", "least", "mccs", "most", "rule")

    def __init__(self, rule: MdrRule) -> None:
        self.rule = rule
        self.mccs = rule.mccs
        self.least = rule.min_amount_minor
        self.most = rule.max_amount_minor if rule.max_amount_minor is not None else 2**63
        self.first, self.last = rule.valid_from, rule.valid_to or date.max

    def fits(self, sale: Sale) -> bool:
        return (
            self.least <= sale.amount_minor <= self.most
            and self.first <= sale.day <= self.last
            and (self.mccs is None or sale.mcc in self.mccs)
        )


_Key = tuple[str, str, str, str, str]


class FeeTable:
    """A price list that was checked, with its rows by the names that sales come with.

    Names that no row mentions are one name, so there are few keys however many names come.
    """

    def __init__(self, prices: PriceList) -> None:
        check(prices)
        self.prices = prices
        self._rails = _named(prices, "rail")
        self._networks = _named(prices, "network")
        self._fundings = _named(prices, "funding")
        self._sizes = _named(prices, "merchant_size")
        self._rows: dict[_Key, tuple[_Row, ...]] = {}
        self._all = [_Row(rule) for rule in prices.mdr]

    def mdr(self, sale: Sale) -> MdrRule:
        """The first row that fits; LookupError before the first day of the list."""
        key = (
            sale.method,
            sale.rail if sale.rail in self._rails else ANY_OTHER,
            sale.network if sale.network in self._networks else ANY_OTHER,
            sale.funding if sale.funding in self._fundings else ANY_OTHER,
            sale.merchant_size if sale.merchant_size in self._sizes else ANY_OTHER,
        )
        rows = self._rows.get(key)
        if rows is None:
            rows = self._rows[key] = self._by_name(key)
        for row in rows:
            if row.fits(sale):
                return row.rule
        raise LookupError(f"no MDR for {sale.method} on {sale.day}")

    def gst(self, day: date) -> GstRule:
        for rule in self.prices.gst:
            if rule.valid_from <= day and (rule.valid_to is None or day <= rule.valid_to):
                return rule
        raise LookupError(f"no GST on {day}")

    def _by_name(self, key: _Key) -> tuple[_Row, ...]:
        def asks_for(rule: MdrRule) -> bool:
            asked = (
                None if rule.method is None else (rule.method,),
                rule.rail,
                rule.network,
                rule.funding,
                rule.merchant_size,
            )
            return all(
                names is None or name in names for names, name in zip(asked, key, strict=True)
            )

        return tuple(row for row in self._all if asks_for(row.rule))


def load_fees(path: Path) -> FeeTable:
    """Reads the list; a mistake in it is an error that names the field, the row or the sale."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return FeeTable(msgspec.convert(raw, PriceList))


def price(table: FeeTable, sale: Sale) -> Fee:
    """Fee and tax of one capture. Together they are never more than what was captured.

    That holds by construction: whatever the row says, the fee is at most what leaves room for
    its own GST. A capture can then never take from what a merchant had before.
    """
    rule, gst = table.mdr(sale), table.gst(sale.day)
    gst_bps = 0 if _is_exempt(gst, sale) else gst.gst_bps
    fee = divide_half_even(sale.amount_minor * rule.mdr_bps, _BPS) + rule.fixed_minor
    fee = max(fee, rule.min_fee_minor)
    if rule.cap_minor is not None:
        fee = min(fee, rule.cap_minor)
    fee = min(fee, sale.amount_minor * _BPS // (_BPS + gst_bps))
    tax = divide_half_even(fee * gst_bps, _BPS)
    return Fee(fee, _split(tax, home=sale.state_code == table.prices.home_state))


def taxed(table: FeeTable, fee_minor: int, *, day: date, state_code: str) -> Fee:
    """A fee of our own beside captures, such as for a lost dispute: no exemption touches it."""
    tax = divide_half_even(fee_minor * table.gst(day).gst_bps, _BPS)
    return Fee(fee_minor, _split(tax, home=state_code == table.prices.home_state))


def _is_exempt(gst: GstRule, sale: Sale) -> bool:
    if sale.amount_minor > gst.exempt_up_to_minor:
        return False
    return any(
        sale.method == exemption.method
        and (exemption.funding is None or sale.funding in exemption.funding)
        for exemption in gst.exempt
    )


def _split(gst_minor: int, *, home: bool) -> Tax:
    """Within the supplier's state half is central and half state tax; between states it is IGST."""
    if not gst_minor:
        return _NO_TAX
    if not home:
        return Tax(igst_minor=gst_minor)
    central = gst_minor // 2
    return Tax(cgst_minor=central, sgst_minor=gst_minor - central)


def _named(prices: PriceList, field: str) -> frozenset[str]:
    return frozenset(name for rule in prices.mdr for name in getattr(rule, field) or ())
