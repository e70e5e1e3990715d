"""Amounts of a settlement file's rows: units, signs, pairs, charges, other currencies.

Belongs here: from a row's columns to gross, fee, tax and net. Does not: whether the rows of a
file agree (`csv_rail.py`).
"""

from functools import reduce
from typing import Final

import polars as pl

from online.kernel.money import format_minor
from warehouse.bank_files import csv_rates
from warehouse.bank_files.csv_cells import Cells, nulls, words
from warehouse.bank_files.csv_rows import Block
from warehouse.bank_files.csv_spec import Found, RailLayout
from warehouse.bank_files.values import MAX_PROBLEMS, Problems

_MONEY: Final = (
    *("gross", "gross_debit", "gross_credit", "net", "net_debit", "net_credit", "tax"),
)


class RailAmounts:
    """Reads the amounts of one file's blocks, in order: what `units: either` is, it remembers."""

    def __init__(self, layout: RailLayout, found: Found, problems: Problems) -> None:
        self.layout = layout
        self.found = found
        self.problems = problems
        self.major: bool | None = None

    def read(
        self, block: Block, cells: Cells, currencies: pl.Series, types: pl.Series
    ) -> dict[str, pl.Series]:
        """Columns `gross_minor, fee_minor, tax_minor, net_minor`; null where none is stated."""
        if self.layout.units == "either":
            self._learn_units(block)
        charged_in = self._gross_currencies(block, cells, currencies)
        gross = self._side_or_pair(block, cells, charged_in, "gross")
        net = self._side_or_pair(block, cells, currencies, "net")
        if self.layout.signed_by == "side":
            signs = self._sides(block, cells)
            net = self._signed(block, cells, net, signs, "net")
            gross = self._signed(block, cells, gross, signs, "gross")
        elif self.layout.signed_by == "net":
            usual = types.replace_strict(self.layout.signs, default=1, return_dtype=pl.Int64)
            signs = net.sign().zip_with(net != 0, usual)
            gross = self._signed(block, cells, gross, signs, "gross")
        wanted = types.replace_strict(self.layout.signs, default=0, return_dtype=pl.Int64)
        wrong = (gross.sign() * wanted) == -1
        stated = self._shown(block, "gross")
        for at in wrong.fill_null(value=False).arg_true().head(MAX_PROBLEMS):
            reason = f"has the wrong sign for {types[at]}"
            self.problems.add(block.lines[at], self.title("gross"), stated[at], reason)
        costs = [self._cost(block, cells, currencies, cost) for cost in self.layout.costs]
        fee = reduce(lambda left, right: left + right, costs) if costs else None
        tax = self._cost(block, cells, currencies, "tax") if "tax" in self.found.places else None
        empty = nulls(len(block.lines), pl.Int64)
        abroad = charged_in.is_not_null() & currencies.is_not_null() & (charged_in != currencies)
        if abroad.any() and fee is not None:
            self._check_rates(block, abroad, (gross, charged_in, net + fee, currencies))
            gross = gross.zip_with(~abroad, net + fee)
        return {
            "gross_minor": gross,
            "fee_minor": fee if fee is not None else empty,
            "tax_minor": tax if tax is not None else empty.fill_null(0),
            "net_minor": net,
        }

    def _gross_currencies(self, block: Block, cells: Cells, currencies: pl.Series) -> pl.Series:
        """The currency of the gross amount; where none is named, the settlement's."""
        if "gross_currency" not in self.found.places:
            return currencies
        stated = self._text(block, "gross_currency").str.to_uppercase()
        good = stated.str.contains(r"^[A-Z]{3}$")
        title = self.found.title("gross_currency")
        cells.complain(~good & (stated != ""), stated, title, "is not an ISO 4217 currency code")
        return stated.zip_with(good, currencies)

    def _check_rates(
        self,
        block: Block,
        abroad: pl.Series,
        amounts: tuple[pl.Series, pl.Series, pl.Series, pl.Series],
    ) -> None:
        """Gross × rate makes net and charges, in the settlement's currency."""
        rates = words(block.columns[self.found.places["rate"][0]])
        for at in abroad.arg_true():
            gross, currency, settled, into = (column[at] for column in amounts)
            if gross is None or settled is None:
                continue
            if not csv_rates.agrees(gross, currency, rates[at], settled, into):
                reason = f"does not turn the gross amount into {format_minor(settled, into)} {into}"
                self.problems.add(block.lines[at], self.found.title("rate"), rates[at], reason)

    def _text(self, block: Block, field: str) -> pl.Series:
        return words(block.columns[self.found.places[field][0]])

    def title(self, field: str) -> str:
        """What the file calls an amount, or the pair that makes it."""
        pair = [name for name in (f"{field}_debit", f"{field}_credit") if name in self.found.places]
        return " / ".join(self.found.title(name) for name in pair or [field])

    def _shown(self, block: Block, field: str) -> pl.Series:
        fields = [field] if field in self.found.places else [f"{field}_credit", f"{field}_debit"]
        columns = [words(block.columns[self.found.places[name][0]]) for name in fields]
        return reduce(lambda left, right: left.zip_with(left != "", right), columns)

    def _money(self, block: Block, cells: Cells, currencies: pl.Series, field: str) -> pl.Series:
        """Minor units of a column, null where nothing is stated."""
        column = block.columns[self.found.places[field][0]]
        title = self.found.title(field)
        in_minor = self.layout.units == "minor" or (
            self.layout.units == "either" and not self.major
        )
        return cells.amounts(column, currencies, title, in_minor=in_minor)

    def _learn_units(self, block: Block) -> None:
        """Whole numbers are minor units, a real fraction or two digits of it are not.

        A file that has both, or nothing but `1000.0`, could be either: it is refused.
        """
        fields = [name for name in (*_MONEY, *self.layout.costs) if name in self.found.places]
        columns = [words(block.columns[self.found.places[name][0]]) for name in fields]
        texts = pl.concat(columns)
        some = texts.str.contains("[1-9]")
        pointed = some & texts.str.contains(".", literal=True)
        cents = pointed & texts.str.contains(r"\.[0-9]*[1-9]|\.[0-9]{2}")
        for where, major in ((cents, True), (some & ~pointed, False)):
            if where.any() and self.major is None:
                self.major = major
            if where.any() and self.major != major:
                self._doubt(block, fields, texts, where, "the file has major and minor units")
        doubtful = pointed & ~cents
        if doubtful.any() and not self.major:
            self._doubt(block, fields, texts, doubtful, "may be major or minor units")

    def _doubt(
        self, block: Block, fields: list[str], texts: pl.Series, where: pl.Series, reason: str
    ) -> None:
        at = int(where.arg_true()[0])
        column, row = divmod(at, len(block.lines))
        title = self.found.title(fields[column])
        self.problems.add(block.lines[row], title, texts[at], reason)

    def _side_or_pair(
        self, block: Block, cells: Cells, currencies: pl.Series, field: str
    ) -> pl.Series:
        """A signed column, or credit less debit."""
        if field in self.found.places:
            amount = self._money(block, cells, currencies, field)
            self._complain_of_none(block, cells, field)
            return amount
        credit = self._money(block, cells, currencies, f"{field}_credit")
        debit = self._money(block, cells, currencies, f"{field}_debit")
        for amount, name in ((credit, f"{field}_credit"), (debit, f"{field}_debit")):
            texts = words(block.columns[self.found.places[name][0]])
            cells.complain(amount < 0, texts, self.found.title(name), "is negative")
        self._complain_of_none(block, cells, field)
        none = credit.is_null() & debit.is_null()
        total = credit.fill_null(0) - debit.fill_null(0)
        return total.zip_with(~none, nulls(1, pl.Int64))

    def _complain_of_none(self, block: Block, cells: Cells, field: str) -> None:
        if field == "net":
            stated = self._shown(block, field)
            cells.complain(stated == "", stated, self.title(field), "states no amount")

    def _sides(self, block: Block, cells: Cells) -> pl.Series:
        texts = self._text(block, "side").str.to_uppercase()
        signs = texts.replace_strict(self.layout.sides, default=None, return_dtype=pl.Int64)
        title = self.found.title("side")
        cells.complain(signs.is_null(), texts, title, "is neither debit nor credit")
        return signs

    def _signed(
        self, block: Block, cells: Cells, amount: pl.Series, signs: pl.Series, field: str
    ) -> pl.Series:
        """Sizes with the sign that something else gives them; a debit may be written negative."""
        contrary = (amount < 0) & (signs == 1)
        title = self.title(field)
        cells.complain(contrary, self._shown(block, field), title, "is negative, and a credit")
        return amount.abs() * signs

    def _cost(self, block: Block, cells: Cells, currencies: pl.Series, field: str) -> pl.Series:
        if field not in self.found.places:
            return pl.Series([0], dtype=pl.Int64).new_from_index(0, len(block.lines))
        return self._money(block, cells, currencies, field).fill_null(0)
