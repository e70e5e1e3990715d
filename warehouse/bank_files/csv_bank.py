"""A bank's statement in CSV: entries, the balance after each, and what stands around them.

Belongs here: what makes a statement's rows agree with each other. Does not: how a cell is read
(`csv_cells.py`), or any bank's words (`layouts/`).

Rows may run from old to new or from new to old: the balances tell, line by line; only where they
allow both do the dates decide.
"""

import re
from datetime import date
from itertools import pairwise

import msgspec
import polars as pl

from online.kernel.money import format_minor
from warehouse.bank_files.csv_cells import Cells, Dates, nulls, words
from warehouse.bank_files.csv_rows import Block, Open, Reader, Row
from warehouse.bank_files.csv_spec import BankLayout, Found, normal
from warehouse.bank_files.values import MAX_PROBLEMS, Problems

_NO_DIGIT = re.compile(r"[^0-9]*")
# RRNs are shown padded with zeros to 16 characters.
_PADDED, _PADDED_LENGTH = r"^0+([1-9][0-9]*)$", 16
_BLANK = r"\s"
_MAX_UNDATED = 10_000
_NO_REFERENCE = r"^[-0]*$"

_SCHEMA = {
    "line": pl.Int64,
    "entry": pl.Boolean,
    "amount_minor": pl.Int64,
    "booking_date": pl.Date,
    "value_date": pl.Date,
    "reference": pl.String,
    "bank_reference": pl.String,
    "narrative": pl.String,
    "balance_minor": pl.Int64,
}


class StatementTable(msgspec.Struct, frozen=True, kw_only=True):
    """One account's entries as a frame, in file order.

    `lines`: line, amount_minor (credit positive), booking_date, value_date, reference,
    bank_reference, narrative, balance_minor (null where none is stated).
    """

    account: str
    currency: str
    opening_minor: int | None
    closing_minor: int | None
    opening_date: date | None
    closing_date: date | None
    lines: pl.DataFrame


def read(open_file: Open, found: Found, problems: Problems) -> StatementTable:
    """Read a statement; what is wrong with it is added to the problems."""
    return _Statement(open_file, found, problems).read()


class _Statement:
    def __init__(self, open_file: Open, found: Found, problems: Problems) -> None:
        assert isinstance(found.layout, BankLayout)
        self.layout = found.layout
        self.found = found
        self.problems = problems
        self.rows = Reader(open_file, found, problems)
        self.dates = Dates(found.layout.dates)
        self.currency = found.layout.constants.get("currency", "")
        self.undated: list[Row] = []

    def read(self) -> StatementTable:
        frames = []
        for block in self.rows.blocks():
            self._currency()
            frames.append(self._block(block))
            if len(self.problems.found) >= MAX_PROBLEMS:
                break
        lines = pl.concat(frames) if frames else pl.DataFrame(schema=_SCHEMA)
        ends = self._around(lines)
        unread = bool(self.problems.found)
        stated = {} if unread else self._stated([*self.rows.preamble, *ends])
        opening, closing = (None, None) if unread else self._balances(lines)
        lines = lines.filter(pl.col("entry")).drop("entry")
        if not unread:
            opening, closing = self._totals(lines, opening, closing, stated)
        days = lines["booking_date"].drop_nulls()
        account = self._told("account", self.rows.preamble)
        return StatementTable(
            account=re.sub(r"[^0-9A-Za-z*]", "", account),
            currency=self.currency,
            opening_minor=opening,
            closing_minor=closing,
            opening_date=_day(days.min()),
            closing_date=_day(days.max()),
            lines=lines.clear() if unread else lines,
        )

    def _currency(self) -> None:
        self.currency = self._told("currency", self.rows.preamble) or self.currency

    def _told(self, what: str, rows: list[Row]) -> str:
        pattern = self.layout.stated.get(what)
        matches = (re.search(pattern, row.text) for row in rows) if pattern else ()
        return next((match[1] for match in matches if match), "")

    # ── entries ──────────────────────────────────────────────────────────────────────────

    def _block(self, block: Block) -> pl.DataFrame:
        column = block.columns[self.found.places["date"][0]]
        days = self.dates.days(words(column))
        dated = days.is_not_null()
        self.undated += [block.row(at) for at in (~dated).arg_true().head(_MAX_UNDATED)]
        block = block.only(dated)
        cells = Cells(block.lines, self.problems)
        narrative = self._words(block, "narrative")
        movement = self._movement(block, cells)
        told = narrative.str.contains(self.layout.balance_rows)
        silent = movement.is_null() & ~told & ~self._unread(block.lines)
        cells.complain(silent, narrative, self._amount_title(), "states no amount")
        booked = days.drop_nulls()
        references = self._words(block, "reference")
        return _frame(
            block.lines,
            {
                "entry": ~(told & movement.is_null()),
                "amount_minor": movement.fill_null(0),
                "booking_date": booked,
                "value_date": self._value_dates(block, cells, booked),
                "reference": references.str.replace(_NO_REFERENCE, ""),
                "bank_reference": self._bank_references(references, narrative),
                "narrative": narrative,
                "balance_minor": self._stated_balances(block, cells),
            },
        )

    def _unread(self, lines: pl.Series) -> pl.Series:
        return lines.is_in([problem.line for problem in self.problems.found])

    def _words(self, block: Block, field: str) -> pl.Series:
        texts = pl.Series([""], dtype=pl.String).new_from_index(0, len(block.lines))
        for place in self.found.places.get(field, []):
            more = words(block.columns[place])
            texts = texts.zip_with(texts != "", more)
        nul = texts.str.contains("\0", literal=True)
        Cells(block.lines, self.problems).complain(
            nul, texts, self.found.title(field), "holds a NUL character"
        )
        return texts

    def _amount(self, block: Block, cells: Cells, field: str) -> pl.Series:
        column = block.columns[self.found.places[field][0]]
        currencies = pl.Series([self.currency], dtype=pl.String).new_from_index(0, len(column))
        return cells.amounts(column, currencies, self.found.title(field))

    def _amount_title(self) -> str:
        fields = [field for field in ("debit", "credit", "amount") if field in self.found.places]
        return " / ".join(self.found.title(field) for field in fields)

    def _movement(self, block: Block, cells: Cells) -> pl.Series:
        """The signed amount of each row, null where none is stated."""
        if "debit" in self.found.places:
            return self._pair(block, cells)
        amount = self._amount(block, cells, "amount")
        if "side" not in self.found.places:
            return amount
        title = self.found.title("side")
        texts = words(block.columns[self.found.places["side"][0]])
        signs = texts.str.to_uppercase().replace_strict(
            self.layout.sides, default=None, return_dtype=pl.Int64
        )
        cells.complain(
            signs.is_null() & amount.is_not_null(), texts, title, "is neither debit nor credit"
        )
        stated = words(block.columns[self.found.places["amount"][0]])
        cells.complain(amount < 0, stated, self.found.title("amount"), "is negative")
        return amount * signs

    def _pair(self, block: Block, cells: Cells) -> pl.Series:
        sides = {field: self._amount(block, cells, field) for field in ("debit", "credit")}
        for field, amount in sides.items():
            texts = words(block.columns[self.found.places[field][0]])
            cells.complain(amount < 0, texts, self.found.title(field), "is negative")
        debit, credit = sides["debit"], sides["credit"]
        both = (debit.fill_null(0) != 0) & (credit.fill_null(0) != 0)
        texts = words(block.columns[self.found.places["credit"][0]])
        cells.complain(both, texts, self._amount_title(), "is a debit and a credit at once")
        movement = credit.fill_null(0) - debit.fill_null(0)
        return movement.zip_with(debit.is_not_null() | credit.is_not_null(), nulls(1, pl.Int64))

    def _value_dates(self, block: Block, cells: Cells, booked: pl.Series) -> pl.Series:
        if "value_date" not in self.found.places:
            return booked
        column = block.columns[self.found.places["value_date"][0]]
        days = cells.days(column, self.dates, self.found.title("value_date"))
        return days.zip_with(days.is_not_null(), booked)

    def _bank_references(self, references: pl.Series, narrative: pl.Series) -> pl.Series:
        """What the bank knows the movement by: a UTR or RRN, wherever it stands, else a number."""
        bare = references.str.replace(_NO_REFERENCE, "").str.replace(_PADDED, "${1}")
        bare = references.zip_with(references.str.len_chars() != _PADDED_LENGTH, bare)
        found = bare.str.extract(self.layout.utr)
        found = found.zip_with(found.is_not_null(), narrative.str.extract(self.layout.utr))
        one_word = bare.zip_with(~bare.str.contains(_BLANK), pl.Series([""]))
        return found.zip_with(found.is_not_null(), one_word.str.replace(_NO_REFERENCE, ""))

    def _stated_balances(self, block: Block, cells: Cells) -> pl.Series:
        if "balance" not in self.found.places:
            return nulls(len(block.lines), pl.Int64)
        balances = self._amount(block, cells, "balance")
        if "balance_side" not in self.found.places:
            return balances
        texts = words(block.columns[self.found.places["balance_side"][0]])
        signs = texts.str.to_uppercase().replace_strict(
            self.layout.sides, default=None, return_dtype=pl.Int64
        )
        title = self.found.title("balance_side")
        cells.complain(
            signs.is_null() & balances.is_not_null(), texts, title, "is neither debit nor credit"
        )
        return balances * signs

    # ── what stands around them ──────────────────────────────────────────────────────────

    def _around(self, lines: pl.DataFrame) -> list[Row]:
        """Rows that are no entries. They may end the file; nothing may hide behind them."""
        odd = sorted([*self.undated, *self.rows.odd], key=lambda row: row.line)
        header = [normal(cell) for cell in self.found.header]
        around, end = [], 0
        first = lines["line"][0] if lines.height else 0
        for row in odd:
            if [normal(cell) for cell in row.cells[: len(header)]] == header:
                end = 0  # a new page begins
            elif not row.text or _NO_DIGIT.fullmatch(row.text) or end or self._ends(row):
                end = end or (row.line if row.text and row.line > first else 0)
                around.append(row)
            elif re.search(self.layout.balance_rows, row.text):
                around.append(row)
            else:
                self._refuse(row)
        behind = (
            lines.filter(pl.col("line") > end)["line"] if end else pl.Series([], dtype=pl.Int64)
        )
        for line in behind.head(MAX_PROBLEMS):
            self.problems.add(line, "row", "", f"comes after the end of the entries in line {end}")
        return around

    def _ends(self, row: Row) -> bool:
        alone = sum(bool(cell.strip()) for cell in row.cells) == 1
        return alone or any(re.search(pattern, row.text) for pattern in self.layout.ends)

    def _refuse(self, row: Row) -> None:
        place = self.found.places["date"][0]
        if len(row.cells) != self.found.width:
            reason = f"has {len(row.cells)} fields, the header {self.found.width}"
            self.problems.add(row.line, "row", row.text, reason)
        else:
            self.problems.add(row.line, self.found.title("date"), row.cells[place], "is not a date")

    def _stated(self, rows: list[Row]) -> dict[str, tuple[int, int]]:
        """Balances, totals and counts that the file states: what → line and value."""
        told: dict[str, tuple[int, int]] = {}
        for row in rows:
            for what, pattern in self.layout.stated.items():
                match = re.search(pattern, row.text)
                if match and what not in ("account", "currency"):
                    self._tell(told, what, row.line, match[1])
        for above, below in pairwise(rows):
            names = [normal(cell) for cell in above.cells]
            places = {
                what: names.index(normal(name))
                for what, spelled in self.layout.summary.items()
                for name in spelled
                if normal(name) in names
            }
            for what, place in places.items():
                if len(places) > 1 and place < len(below.cells) and below.cells[place].strip():
                    self._tell(told, what, below.line, below.cells[place])
        return told

    def _tell(self, told: dict[str, tuple[int, int]], what: str, line: int, text: str) -> None:
        if what.endswith("_count"):
            if text.strip().isascii() and text.strip().isdigit():
                told[what] = (line, int(text.strip()[:18]))
            return
        currency = pl.Series([self.currency], dtype=pl.String)
        cells = Cells(pl.Series([line]), self.problems)
        minor = cells.amounts(pl.Series([text]), currency, what)[0]
        if minor is not None:
            told[what] = (line, minor)

    # ── do they agree ────────────────────────────────────────────────────────────────────

    def _balances(self, lines: pl.DataFrame) -> tuple[int | None, int | None]:
        """Opening and closing by the balances of the rows, each of which has to follow."""
        amounts = lines["amount_minor"].cast(pl.Int128)
        stated = lines["balance_minor"].cast(pl.Int128)
        run = amounts.cum_sum()
        checked = lines.select("line", "booking_date", "balance_minor").with_columns(
            up=stated - run, down=stated + run - amounts
        )
        checked = checked.filter(pl.col("balance_minor").is_not_null())
        if checked.is_empty():
            return None, None
        off = {way: checked[way] != checked[way].shift(1) for way in ("up", "down")}
        breaks = {way: int(where.sum()) for way, where in off.items()}
        way = min(breaks, key=lambda found: breaks[found])
        if breaks["up"] == breaks["down"]:
            days = checked["booking_date"]
            way = "down" if _day(days[0]) > _day(days[-1]) else "up"  # type: ignore[operator]
        self._complain(checked, way, off[way])
        total = int(amounts.sum())
        if way == "up":
            opening = int(checked["up"][0])
            return opening, opening + total
        closing = int(checked["down"][0])
        return closing - total, closing

    def _complain(self, checked: pl.DataFrame, way: str, off: pl.Series) -> None:
        title = self.found.title("balance")
        for at in off.arg_true().head(MAX_PROBLEMS):
            stated = checked["balance_minor"][at]
            apart = int(checked[way][at]) - int(checked[way][at - 1])
            expected = format_minor(int(stated) - apart, self.currency)
            reason = f"does not follow from the balance before: the amounts make {expected}"
            shown = format_minor(stated, self.currency)
            self.problems.add(checked["line"][at], title, shown, reason)

    def _totals(
        self,
        lines: pl.DataFrame,
        opening: int | None,
        closing: int | None,
        stated: dict[str, tuple[int, int]],
    ) -> tuple[int | None, int | None]:
        amounts = lines["amount_minor"].cast(pl.Int128)
        total = int(amounts.sum() or 0)
        if opening is None and "opening" in stated:
            opening = stated["opening"][1]
            closing = opening + total
        elif closing is None and "closing" in stated:
            closing = stated["closing"][1]
            opening = closing - total
        if lines.is_empty() and "opening" not in stated and "closing" not in stated:
            self.problems.add(0, "file", "", "has a header and no entry")
        counted: dict[str, int | None] = {
            "opening": opening,
            "closing": closing,
            "debits": -int(amounts.filter(amounts < pl.Series([0], dtype=pl.Int128)).sum() or 0),
            "credits": int(amounts.filter(amounts > pl.Series([0], dtype=pl.Int128)).sum() or 0),
            "debit_count": int((lines["amount_minor"] < 0).sum()),
            "credit_count": int((lines["amount_minor"] > 0).sum()),
        }
        for what, (line, value) in stated.items():
            if value != counted[what]:
                reason = f"the entries make {self._shown(what, counted[what])}"
                self.problems.add(line, what, self._shown(what, value), reason)
        return opening, closing

    def _shown(self, what: str, value: int | None) -> str:
        if value is None or what.endswith("_count"):
            return str(value)
        return format_minor(value, self.currency)


def _day(found: object) -> date | None:
    return found if isinstance(found, date) else None


def _frame(lines: pl.Series, columns: dict[str, pl.Series]) -> pl.DataFrame:
    return pl.DataFrame({"line": lines, **columns}, schema=_SCHEMA)
