"""CSV files described by YAML (`layouts/*.yaml`), not by code.

Belongs here: finding the layout by its header, reading rows and trailer as it says. Does not:
any bank's column names.
"""

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

import msgspec
import yaml

from online.kernel import money
from warehouse.bank_files.model import BankFile, RailRow
from warehouse.bank_files.values import Problems

_DIR = Path(__file__).parent / "layouts"
_AMOUNTS = ("gross", "fee", "tax", "net")


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which column says what kind of record a row is, and how."""

    column: str
    data: str
    trailer: str


class Trailer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The column of the trailer that counts the rows, and the amounts that it sums."""

    count: str
    sums: list[str]


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of `layouts/`."""

    name: str
    kind: str
    encoding: str
    header: list[str]
    record: Record
    fields: dict[str, str]
    required: list[str]
    types: dict[str, str]
    signs: dict[str, int]
    net_is: str
    trailer: Trailer


@cache
def layouts() -> Mapping[tuple[str, ...], Layout]:
    """Every layout by its header."""
    found = {}
    for path in sorted(_DIR.glob("*.yaml")):
        layout = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Layout)
        found[tuple(layout.header)] = layout
    return found


def find(data: bytes) -> Layout | None:
    """The layout whose header the first line is."""
    first = data[:8192].split(b"\n", 1)[0]
    try:
        text = first.decode("utf-8-sig")
        header = next(csv.reader([text.rstrip("\r")]), [])
    except (UnicodeDecodeError, csv.Error):
        return None
    return layouts().get(tuple(column.strip() for column in header))


def read(data: bytes, name: str, layout: Layout) -> BankFile:
    """Read a file of this layout; whatever is wrong with it comes back as problems."""
    reader = _Reader(layout)
    try:
        reader.walk(data.decode("utf-8-sig" if layout.encoding == "utf-8" else layout.encoding))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reader.problems.add(line, "file", "", f"is not {layout.encoding}")
    except csv.Error as error:
        reader.problems.add(reader.line + 1, "row", "", f"is not CSV: {error}")
    return BankFile(
        name=name,
        format=layout.name,
        rail_rows=reader.rows,
        problems=reader.problems.found,
        control=reader.totals(),
    )


class _Reader:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.problems = Problems()
        self.rows: list[RailRow] = []
        self.line = 1
        self.trailers = 0

    def totals(self) -> dict[str, int]:
        names = [f"{name}_minor" for name in _AMOUNTS]
        sums = {name: sum(getattr(row, name) for row in self.rows) for name in names}
        return {"rows": len(self.rows), **sums}

    def walk(self, text: str) -> None:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [column.strip() for column in next(reader, [])]
        for values in reader:
            self.line = reader.line_num
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(header):
                reason = f"has {len(values)} fields, the header {len(header)}"
                self.problems.add(self.line, "row", ",".join(values), reason)
                continue
            self._record(dict(zip(header, (value.strip() for value in values), strict=True)))
        if self.trailers != 1:
            self.problems.add(self.line, "trailer", self.trailers, "there must be exactly one")

    def _record(self, record: Mapping[str, str]) -> None:
        rule = self.layout.record
        kind = record[rule.column]
        if self.trailers:
            self.problems.add(self.line, rule.column, kind, "comes after the trailer")
        elif kind == rule.trailer:
            self.trailers += 1
            self._check_trailer(record)
        elif kind == rule.data:
            before = len(self.problems.found)
            row = self._row(record)
            if row is not None and len(self.problems.found) == before:
                self.rows.append(row)
        else:
            self.problems.add(self.line, rule.column, kind, "is no known record")

    def _field(self, record: Mapping[str, str], field: str) -> str:
        column = self.layout.fields.get(field)
        return record[column] if column is not None else ""

    def _row(self, record: Mapping[str, str]) -> RailRow | None:
        layout, problems, line = self.layout, self.problems, self.line
        for field in layout.required:
            if not self._field(record, field):
                problems.add(line, layout.fields[field], "", "is empty")
        currency = problems.currency(
            self._field(record, "currency"), line=line, field=layout.fields["currency"]
        )
        settled_on = problems.date(
            self._field(record, "settled_on"), line=line, field=layout.fields["settled_on"]
        )
        stated_type = self._field(record, "row_type")
        row_type = layout.types.get(stated_type)
        if row_type is None:
            problems.add(line, layout.fields["row_type"], stated_type, "is no known type")
        if currency is None or settled_on is None or row_type is None:
            return None
        amounts = self._amounts(record, currency, row_type)
        if amounts is None:
            return None
        return RailRow(
            row_no=len(self.rows) + 1,
            rail=self._field(record, "rail"),
            settlement_id=self._field(record, "settlement_id"),
            settled_on=settled_on,
            txn_time=self._time(record),
            rrn=self._field(record, "rrn"),
            network_ref=self._field(record, "network_ref"),
            order_ref=self._field(record, "order_ref"),
            row_type=row_type,
            status=self._field(record, "status"),
            currency=currency,
            gross_minor=amounts["gross"],
            fee_minor=amounts["fee"],
            tax_minor=amounts["tax"],
            net_minor=amounts["net"],
            utr=self._field(record, "utr"),
        )

    def _time(self, record: Mapping[str, str]) -> datetime | None:
        stated = self._field(record, "txn_time")
        if not stated:
            return None
        column = self.layout.fields["txn_time"]
        return self.problems.instant(stated, line=self.line, field=column)

    def _amounts(
        self, record: Mapping[str, str], currency: str, row_type: str
    ) -> dict[str, int] | None:
        amounts = {}
        for field in _AMOUNTS:
            column = self.layout.fields[field]
            minor = self.problems.amount(record[column], currency, line=self.line, field=column)
            if minor is None:
                return None
            amounts[field] = minor
        column = self.layout.fields["gross"]
        if amounts["gross"] * self.layout.signs[row_type] < 0:
            reason = f"has the wrong sign for {row_type}"
            self.problems.add(self.line, column, record[column], reason)
        expected = _evaluate(self.layout.net_is, amounts)
        if amounts["net"] != expected:
            column = self.layout.fields["net"]
            shown = money.format_minor(expected, currency)
            reason = f"{self.layout.net_is} makes {shown}"
            self.problems.add(self.line, column, record[column], reason)
        return amounts

    def _check_trailer(self, record: Mapping[str, str]) -> None:
        rule, totals = self.layout.trailer, self.totals()
        count = record[rule.count]
        if count != str(totals["rows"]):
            self.problems.add(self.line, rule.count, count, f"counted {totals['rows']} rows")
        currency = self._field(record, "currency") or next((r.currency for r in self.rows), "XXX")
        for field in rule.sums:
            column = self.layout.fields[field]
            stated = self.problems.amount(record[column], currency, line=self.line, field=column)
            summed = totals[f"{field}_minor"]
            if stated is not None and stated != summed:
                reason = f"rows sum to {money.format_minor(summed, currency)}"
                self.problems.add(self.line, column, record[column], reason)


def _evaluate(rule: str, amounts: Mapping[str, int]) -> int:
    """`gross - fee - tax` over a row's amounts: names joined by plus and minus, nothing else."""
    total, sign = 0, 1
    for word in rule.split():
        if word in "+-":
            sign = 1 if word == "+" else -1
        else:
            total += sign * amounts[word]
    return total
