"""A rail's settlement file in CSV: rows with gross, charges and net, and the sums they keep.

Belongs here: what makes the rows of such a file agree with each other. Does not: how a cell is
read (`csv_cells.py`), or any rail's words (`layouts/`).

Fees and taxes come out as the switch files have them: net = gross − fee − tax on every row, the
fee without its tax. A row whose own arithmetic does not hold counts as not read.
"""

from collections.abc import Mapping
from functools import reduce
from operator import and_
from typing import Final

import polars as pl

from online.kernel.money import format_minor
from warehouse.bank_files.csv_cells import Cells, Dates, nulls, words
from warehouse.bank_files.csv_rail_amounts import RailAmounts
from warehouse.bank_files.csv_rows import Block, Open, Reader
from warehouse.bank_files.csv_spec import Found, RailLayout
from warehouse.bank_files.values import MAX_PROBLEMS, Problems

AMOUNTS: Final = ("gross", "fee", "tax", "net")
_TEXTS: Final = ("settlement_id", "rrn", "network_ref", "order_ref", "status", "utr", "rail")
SCHEMA: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "line": pl.Int64,
    **dict.fromkeys(_TEXTS, pl.String),
    "settled_on": pl.Date,
    "txn_day": pl.Date,  # of the time, where it was written
    "txn_time": pl.Datetime("us", "UTC"),
    "row_type": pl.String,
    "currency": pl.String,
    **{f"{name}_minor": pl.Int64 for name in AMOUNTS},
}
_UNSETTLED: Final = "UNSETTLED"  # in no settlement yet: staged when it is


def read(open_file: Open, found: Found, problems: Problems) -> pl.DataFrame:
    """Read a settlement file; what is wrong with it is added to the problems.

    Columns as in `SCHEMA`; no rows if any of them could not be read.
    """
    return _Rail(open_file, found, problems).read()


class _Rail:
    def __init__(self, open_file: Open, found: Found, problems: Problems) -> None:
        assert isinstance(found.layout, RailLayout)
        self.layout = found.layout
        self.found = found
        self.problems = problems
        self.rows = Reader(open_file, found, problems)
        self.dates = Dates(found.layout.dates)
        self.amounts = RailAmounts(found.layout, found, problems)
        self.trailer: dict[str, tuple[int, str]] = {}
        self.trailers = 0

    def read(self) -> pl.DataFrame:
        frames = []
        for block in self.rows.blocks():
            frames.append(self._block(self._data(block)))
            if len(self.problems.found) >= MAX_PROBLEMS:
                break
        rows = pl.concat(frames) if frames else pl.DataFrame(schema=dict(SCHEMA))
        for row in self.rows.odd:
            reason = f"has {len(row.cells)} fields, the header {self.found.width}"
            self.problems.add(row.line, "row", row.text, reason)
        if self.layout.trailer and self.trailers != 1:
            reason = "there must be exactly one"
            self.problems.add(self.rows.line, "trailer", self.trailers, reason)
        if not rows.height and not self.trailers and not self.problems.found:
            self.problems.add(0, "file", "", "has a header and no row")
        if not self.problems.found:
            rows = self._charges(rows)
        if not self.problems.found:
            rows = self._settled_on(rows)
        if self.problems.found:
            rows = rows.clear()
        else:
            self._check_trailer(rows)
            self._check_payouts(rows)
        return rows

    # ── rows ─────────────────────────────────────────────────────────────────────────────

    def _data(self, block: Block) -> Block:
        """The block without its trailer; anything that is neither is a problem."""
        layout = self.layout
        if layout.trailer is None:
            blank = reduce(and_, (words(column) == "" for column in block.columns))
            return block.only(~blank)
        kinds = words(block.columns[self.found.places["record"][0]])
        title, data = self.found.title("record"), kinds == layout.record
        for at in (~data).arg_true() if not self.trailers else range(len(kinds)):
            kind, line = kinds[at], block.lines[at]
            if kind == layout.trailer.word and not self.trailers:
                self._take_trailer(block, at)
                for behind in data[at + 1 :].arg_true():
                    line, reason = block.lines[at + 1 + behind], "comes after the trailer"
                    self.problems.add(line, title, layout.record, reason)
            elif kind in (layout.record, layout.trailer.word):
                self.problems.add(line, title, kind, "comes after the trailer")
            elif any(cell.strip() for cell in block.row(at).cells):
                self.problems.add(line, title, kind, "is no known record")
        return block.only(data)

    def _take_trailer(self, block: Block, at: int) -> None:
        self.trailers += 1
        row = block.row(at)
        self.trailer = {
            field: (row.line, row.cells[places[0]].strip())
            for field, places in self.found.places.items()
        }

    def _block(self, block: Block) -> pl.DataFrame:
        cells = Cells(block.lines, self.problems)
        texts = {field: self._words(block, cells, field) for field in _TEXTS}
        types = self._types(block, cells)
        currencies = self._currencies(block, cells)
        amounts = self.amounts.read(block, cells, currencies, types)
        for field in self.layout.required:
            if field in self.found.places and field not in self.layout.empty:
                stated = self._words(block, cells, field)
                cells.complain(stated == "", stated, self.found.title(field), "is empty")
        away = texts["settlement_id"] == ""
        if "settled" in self.found.places:
            settled = self._words(block, cells, "settled").str.to_lowercase()
            away |= ~settled.is_in(self.layout.settled_words)
        texts["status"] = texts["status"].zip_with(~away, pl.Series([_UNSETTLED]))
        settled_on = self._days(block, cells, "settled_on")
        days = settled_on
        if settled_on.null_count():
            days = self._days(block, cells, "txn_time")
        columns = {
            **texts,
            "settled_on": settled_on,
            "txn_day": days,
            "txn_time": self._times(block, cells),
            "row_type": types,
            "currency": currencies,
            **amounts,
        }
        return pl.DataFrame({"line": block.lines, **columns}, schema=dict(SCHEMA))

    def _words(self, block: Block, cells: Cells, field: str) -> pl.Series:
        constant = self.layout.constants.get(field, "")
        texts = pl.Series([""], dtype=pl.String).new_from_index(0, len(block.lines))
        for place in self.found.places.get(field, []):
            more = words(block.columns[place])
            texts = texts.zip_with(texts != "", more)
            nul = more.str.contains("\0", literal=True)
            cells.complain(nul, more, self.found.title(field), "holds a NUL character")
        return texts.zip_with(texts != "", pl.Series([constant])) if constant else texts

    def _types(self, block: Block, cells: Cells) -> pl.Series:
        texts = self._words(block, cells, "row_type")
        types = texts.replace_strict(self.layout.types, default=None, return_dtype=pl.String)
        cells.complain(types.is_null(), texts, self.found.title("row_type"), "is no known type")
        return types

    def _currencies(self, block: Block, cells: Cells) -> pl.Series:
        texts = self._words(block, cells, "currency").str.to_uppercase()
        good = texts.str.contains(r"^[A-Z]{3}$")
        title = self.found.title("currency")
        cells.complain(~good, texts, title, "is not an ISO 4217 currency code")
        return texts.zip_with(good, nulls(1, pl.String))

    def _days(self, block: Block, cells: Cells, field: str) -> pl.Series:
        days = nulls(len(block.lines), pl.Date)
        for place in self.found.places.get(field, []):
            column = block.columns[place]
            more = cells.days(column, self.dates, self.found.header[place].strip())
            days = days.zip_with(days.is_not_null(), more)
        return days

    def _times(self, block: Block, cells: Cells) -> pl.Series:
        if "txn_time" not in self.found.places:
            return nulls(len(block.lines), SCHEMA["txn_time"])
        zones = self._words(block, cells, "zone").replace_strict(
            self.layout.zones or {"": ""}, default=self.layout.zones.get("", "")
        )
        column = block.columns[self.found.places["txn_time"][0]]
        return cells.instants(column, self.dates, zones, self.found.title("txn_time"))

    # ── do they agree ────────────────────────────────────────────────────────────────────

    def _charges(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Fee, tax and gross where the file leaves them out, and the arithmetic of every row."""
        layout = self.layout
        if layout.charged:
            own = pl.col("row_type").is_in(layout.charged)
            rows = rows.with_columns(
                fee_minor=pl.when(own).then(pl.col("fee_minor")),
                tax_minor=pl.when(own).then(pl.col("tax_minor")).otherwise(0),
            )
        rows = rows.with_columns(
            gross_minor=pl.coalesce(
                "gross_minor", pl.sum_horizontal("net_minor", "fee_minor", "tax_minor")
            ),
        )
        rows = rows.with_columns(
            fee_minor=pl.coalesce(
                "fee_minor", pl.col("gross_minor") - pl.col("tax_minor") - pl.col("net_minor")
            ),
        )
        made = [(rule, _computed(rows, rule)) for rule in layout.net_is]
        off = [(rule, expected, rows["net_minor"] != expected) for rule, expected in made]
        rule, expected, wrong = min(off, key=lambda each: int(each[2].sum()))
        for at in wrong.arg_true().head(MAX_PROBLEMS):
            currency = rows["currency"][at]
            shown = format_minor(rows["net_minor"][at], currency)
            reason = f"{rule} makes {format_minor(expected[at], currency)}"
            self.problems.add(rows["line"][at], self.amounts.title("net"), shown, reason)
        if "tax" not in rule:
            rows = rows.with_columns(fee_minor=pl.col("fee_minor") - pl.col("tax_minor"))
        return rows

    def _settled_on(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The day of settling; where rows name none, that of their settlement's payout."""
        if rows["settled_on"].null_count() == 0:
            return rows
        day = pl.col("txn_day")
        paid = pl.when(pl.col("row_type") == self.layout.paid_out).then(day)
        batch = pl.coalesce(paid.max().over("settlement_id"), day.max().over("settlement_id"))
        rows = rows.with_columns(settled_on=pl.coalesce("settled_on", batch))
        for line in rows.filter(pl.col("settled_on").is_null())["line"].head(MAX_PROBLEMS):
            self.problems.add(line, self.amounts.title("settled_on"), "", "is empty")
        return rows

    def _check_trailer(self, rows: pl.DataFrame) -> None:
        rule = self.layout.trailer
        if rule is None:
            return
        line, count = self.trailer[rule.count]
        if count != str(rows.height):
            title = self.found.title(rule.count)
            self.problems.add(line, title, count, f"counted {rows.height} rows")
        stated = self.trailer.get("currency", (line, ""))[1]
        currency = stated or (rows["currency"][0] if rows.height else "XXX")
        for field in rule.sums:
            title = self.found.title(field)
            text = self.trailer[field][1]
            minor = self.problems.amount(text, currency, line=line, field=title)
            summed = _sum(rows[f"{field}_minor"])
            if minor is not None and minor != summed:
                reason = f"rows sum to {format_minor(summed, currency)}"
                self.problems.add(line, title, text, reason)

    def _check_payouts(self, rows: pl.DataFrame) -> None:
        """A settlement that shows its own payout comes to nothing."""
        settlement = ["settlement_id", "currency"]
        left = (
            rows.group_by(settlement, maintain_order=True)
            .agg(
                total=pl.col("net_minor").cast(pl.Int128).sum(),
                line=pl.col("line").filter(pl.col("row_type") == self.layout.paid_out).first(),
            )
            .filter(pl.col("line").is_not_null() & (pl.col("settlement_id") != ""))
        )
        for batch, currency, total, line in left.iter_rows():
            if int(total):
                reason = f"payout and rows are {format_minor(int(total), currency)} apart"
                self.problems.add(line, self.amounts.title("net"), batch, reason)


def _sum(amounts: pl.Series) -> int:
    return int(amounts.cast(pl.Int128).sum() or 0)


def _computed(rows: pl.DataFrame, rule: str) -> pl.Series:
    """`gross - fee - tax` over columns: names joined by plus and minus, nothing else."""
    total, sign = pl.Series([0], dtype=pl.Int64).new_from_index(0, rows.height), 1
    for word in rule.split():
        if word in "+-":
            sign = 1 if word == "+" else -1
        else:
            total = total + sign * rows[f"{word}_minor"]
    return total
