"""A CSV file as blocks of text columns, with the physical line on which each row begins.

Belongs here: encodings, delimiters, quoting, finding the header, rows of the wrong width. Does
not: what a column means.

A block is some ten thousand rows: memory stays that of a block, however long the file is. What
is plain is read by polars, many rows at once; a part of the file in which anything is odd is read
again row by row, so that both ways say the same.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from itertools import islice
from typing import BinaryIO

import msgspec
import polars as pl

from warehouse.bank_files.csv_spec import Found, match
from warehouse.bank_files.values import Problems

Open = Callable[[], BinaryIO]

HEAD_BYTES = 256 * 1024
_PART_CHARACTERS = 8 * 1024 * 1024
_LINES_IN_A_ROW = 1_000
_HEADER_LINES = 200
_LONGEST_TEXT = 500
_DELIMITERS = (",", ";", "\t", "|")
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class Row(msgspec.Struct, frozen=True):
    """A row as the file has it."""

    line: int
    cells: list[str]

    @property
    def text(self) -> str:
        """Its cells as one line, as far as anything that a bank tells between entries goes."""
        return " ".join(cell.strip() for cell in self.cells if cell.strip())[:_LONGEST_TEXT]


class Block(msgspec.Struct, frozen=True):
    """Rows of the header's width: first physical line of each, and the cells by column."""

    lines: pl.Series
    columns: list[pl.Series]

    def row(self, at: int) -> Row:
        """One row of the block."""
        return Row(self.lines[at], [column[at] for column in self.columns])

    def only(self, kept: pl.Series) -> "Block":
        """The rows that are marked."""
        if kept.all():
            return self
        return Block(self.lines.filter(kept), [column.filter(kept) for column in self.columns])


def find(head: bytes) -> Found | None:
    """The layout whose header is one of the first lines, whatever stands above it."""
    text = _decoded(head[:HEAD_BYTES])
    for number, line in enumerate(islice(io.StringIO(text, newline=""), _HEADER_LINES), start=1):
        for delimiter in _DELIMITERS:
            if line.count(delimiter) < 2:
                continue
            try:
                cells = next(csv.reader([line], delimiter=delimiter), [])
            except csv.Error:
                continue
            found = match([cell.strip().strip("\0") for cell in cells], delimiter, number)
            if found is not None:
                return found
    return None


def _decoded(head: bytes) -> str:
    for bom, name in _BOMS.items():
        if head.startswith(bom):
            return head.decode(name, errors="ignore")
    try:
        # A character that the cut goes through is no reason to read everything as cp1252.
        return codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return head.decode("cp1252", errors="replace")


def encoding_of(open_file: Open) -> str:
    """By the byte order mark; else UTF-8 if all of it is that, else cp1252."""
    with open_file() as file:
        start = file.read(4)
        for bom, name in _BOMS.items():
            if start.startswith(bom):
                return name
        decoder = codecs.getincrementaldecoder("utf-8")()
        part = start
        try:
            while part:
                decoder.decode(part)
                part = file.read(1 << 20)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8"


def _parts(text: io.TextIOWrapper) -> Iterator[str]:
    """A text in parts that end where a row does: at a line's end, outside of quotes."""
    part = ""
    while more := text.read(_PART_CHARACTERS):
        part += more
        cut = _row_end(part)
        if cut:
            yield part[:cut]
            part = part[cut:]
    if part:
        yield part


def _row_end(part: str) -> int:
    cut = part.rfind("\n") + 1
    quotes = part.count('"', 0, cut)
    for _ in range(_LINES_IN_A_ROW):
        if cut == 0 or quotes % 2 == 0:
            return cut
        before = part.rfind("\n", 0, cut - 1) + 1
        quotes -= part.count('"', before, cut)
        cut = before
    return 0


def _plainly_quoted(part: str, delimiter: str) -> bool:
    """Whether every quotation mark opens or closes a whole field: readers differ on any other."""
    opening = part.startswith('"') + part.count(f'{delimiter}"') + part.count('\n"')
    closing = sum(part.count(f'"{after}') for after in (delimiter, "\n", "\r\n"))
    closing += part.endswith('"')
    return opening == closing and opening + closing == part.count('"')


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


class Reader:
    """Reads a file's rows once, in order; what cannot be a row is a problem."""

    def __init__(self, open_file: Open, found: Found, problems: Problems) -> None:
        self.found = found
        self.problems = problems
        self.preamble: list[Row] = []
        self.odd: list[Row] = []  # rows of another width, for who knows what may end a file
        self.line = 0
        self._open = open_file

    def blocks(self) -> Iterator[Block]:
        """Blocks of rows; stops at the first thing that is not CSV."""
        encoding = encoding_of(self._open)
        if self.found.layout.encoding == "utf-8" and encoding == "cp1252":
            encoding = "utf-8"
        with self._open() as binary:
            text = io.TextIOWrapper(binary, encoding=encoding, newline="")
            try:
                yield from self._blocks(text)
            except UnicodeDecodeError as error:
                byte = error.object[error.start : error.start + 1].hex()
                line = self._line_that_is_not(encoding)
                self.problems.add(line, "file", f"0x{byte}", f"is not {encoding}")
            except csv.Error as error:
                self.problems.add(self.line + 1, "row", "", f"is not CSV: {error}")

    def _line_that_is_not(self, encoding: str) -> int:
        """The first line that cannot be decoded; 0 where lines are not bytes up to a newline."""
        if encoding.startswith("utf-16"):
            return 0
        with self._open() as file:
            for number, line in enumerate(file, start=1):
                try:
                    line.decode(encoding)
                except UnicodeDecodeError:
                    return number
        return 0

    def _blocks(self, text: io.TextIOWrapper) -> Iterator[Block]:
        above = self.found.header_line - 1
        self.preamble = [
            Row(number, _cells(text.readline(), self.found.delimiter))
            for number in range(1, above + 1)
        ]
        text.readline()
        self.line = above + 1
        for part in _parts(text):
            block = self._quickly(part)
            if block is None:
                yield from self._exactly(part)
            else:
                self.line += part.count("\n")
                yield block

    def _quickly(self, part: str) -> Block | None:
        """All rows at once; None where anything is not as plain as can be."""
        delimiter, quoted = self.found.delimiter, '"' in part
        if part.count("\r") != part.count("\r\n"):
            return None
        if quoted and not _plainly_quoted(part, delimiter):
            return None
        try:
            frame = pl.read_csv(
                part.encode(),
                has_header=False,
                separator=delimiter,
                quote_char='"' if quoted else None,
                schema={f"column_{place}": pl.String for place in range(self.found.width)},
                extra_columns="raise",
            ).with_columns(pl.all().fill_null(""))
        except pl.exceptions.PolarsError:
            return None
        columns = frame.get_columns()
        newlines = pl.Series([0], dtype=pl.Int64).new_from_index(0, frame.height)
        inside = 0
        if quoted:
            # A quotation mark that is text is rare, and easily something else.
            if any(column.str.contains('"', literal=True).any() for column in columns):
                return None
            for column in columns:
                inside += int(column.str.count_matches(delimiter, literal=True).sum())
                newlines += column.str.count_matches("\n", literal=True).cast(pl.Int64)
        rows = part.count("\n") + (not part.endswith("\n")) - int(newlines.sum())
        fields = part.count(delimiter) - inside
        if rows != frame.height or fields != rows * (self.found.width - 1):
            return None
        first = pl.int_range(self.line + 1, self.line + 1 + rows, eager=True)
        return Block(first + newlines.cum_sum() - newlines, columns)

    def _exactly(self, part: str) -> Iterator[Block]:
        """Row by row, with every complaint that there can be."""
        reader = csv.reader(
            io.StringIO(part, newline=""), delimiter=self.found.delimiter, strict=True
        )
        above, width = self.line, self.found.width
        lines: list[int] = []
        rows: list[list[str]] = []
        for cells in reader:
            line, self.line = self.line + 1, above + reader.line_num
            if len(cells) != width and not self._fits(cells, line, width):
                continue
            lines.append(line)
            rows.append(cells)
        if rows:
            columns = [pl.Series(column) for column in zip(*rows, strict=True)]
            yield Block(pl.Series(lines), columns)

    def _fits(self, cells: list[str], line: int, width: int) -> bool:
        """Cut blank cells off a longer row; keep any other row of the wrong width aside."""
        if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
            del cells[width:]
            return True
        if any(cell.strip() for cell in cells):
            self.odd.append(Row(line, cells))
            if len(self.odd) > 10_000:
                raise csv.Error("thousands of rows do not have the header's number of fields")
        return False
