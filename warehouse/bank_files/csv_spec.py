"""What a layout says: the YAML files of `layouts/`, checked when they are loaded.

Belongs here: the words of a layout and which of them go together. Does not: any bank's column
names (`layouts/`), or how a cell is read (`csv_cells.py`).
"""

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
import yaml

_DIR = Path(__file__).parent / "layouts"
_DATE_FORMAT = re.compile(r"DD(.)(?:MM|MMM)\1(?:YYYY|YY)|YYYY-MM-DD")
_MOST_COLUMNS = 300
_NOT_IN_NAMES = re.compile(r"[^a-z0-9#]+")

BANK_FIELDS = frozenset(
    (
        *("date", "value_date", "narrative", "reference", "currency"),
        *("debit", "credit", "amount", "side", "balance", "balance_side"),
    )
)
RAIL_FIELDS = frozenset(
    (
        *("record", "count", "rail", "settlement_id", "settled_on", "settled", "utr"),
        *("row_type", "status", "txn_time", "zone", "rrn", "network_ref", "order_ref"),
        *("currency", "gross", "gross_debit", "gross_credit", "gross_currency", "rate"),
        *("net", "net_debit", "net_credit", "side"),
        *("fee", "tax", "commission", "markup", "scheme_fee", "interchange"),
    )
)


class LayoutError(Exception):
    """A layout file says what no layout can."""


class _Layout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every layout has.

    `columns`: our field → the ways in which its column is spelled (case, spaces and punctuation do
    not count; `Dr / Cr#2` is the second column of that name). The first spelling that a file has
    is read; of text fields, the first that a row has anything in.
    """

    name: str
    source: str
    columns: dict[str, list[str]]
    required: list[str]
    dates: list[str]
    empty: list[str] = []  # required as a column, but a row may have nothing in it
    one_of: list[list[str]] = []
    ignored: list[str] = []
    extra: bool = False  # columns that nobody told us of may be there
    constants: dict[str, str] = {}
    encoding: Literal["any", "utf-8"] = "any"

    def _check(self, fields: frozenset[str]) -> None:
        unknown = (self.columns.keys() | self.constants.keys()) - fields
        if unknown:
            raise LayoutError(f"{self.name}: no such fields: {', '.join(sorted(unknown))}")
        known = self.columns.keys() | self.constants.keys()
        asked = {
            *self.required,
            *self.empty,
            *(field for fields in self.one_of for field in fields),
        }
        if asked - known:
            raise LayoutError(f"{self.name}: no columns for {', '.join(sorted(asked - known))}")
        if not self.required:
            raise LayoutError(f"{self.name}: names no required column")
        for form in self.dates:
            if form != "unix" and not _DATE_FORMAT.fullmatch(form):
                raise LayoutError(f"{self.name}: {form} is not how a date is written")

    def _check_patterns(self, patterns: list[str]) -> None:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise LayoutError(f"{self.name}: {pattern!r}: {error}") from error


class BankLayout(_Layout, frozen=True, kw_only=True, tag_field="kind", tag="bank"):
    """A bank's statement: one account, one line an entry.

    `sides`: words of the Dr/Cr column → sign. `stated`: what the lines around the entries say, by
    pattern (account, currency, opening, closing, debits, credits). `summary`: the same by the
    names of a row whose values stand in the next one. `ends`: the row after the last entry.
    `balance_rows`: narrative of a row that moves nothing. `utr`: a reference inside the narrative.
    """

    sides: dict[str, int] = {}
    stated: dict[str, str] = {}
    summary: dict[str, list[str]] = {}
    ends: list[str] = []
    balance_rows: str = "(?!)"
    utr: str = "(?!)()"

    def __post_init__(self) -> None:
        self._check(BANK_FIELDS)
        self._check_patterns([*self.stated.values(), *self.ends, self.balance_rows, self.utr])
        told = {"account", "currency", "opening", "closing", "debits", "credits"}
        told |= {"debit_count", "credit_count"}
        unknown = (self.stated.keys() | self.summary.keys()) - told
        if unknown:
            raise LayoutError(f"{self.name}: nothing checks {', '.join(sorted(unknown))}")


class Trailer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last row: its word in the record column, the field that counts rows, and the sums."""

    word: str
    count: str
    sums: list[str]


class RailLayout(_Layout, frozen=True, kw_only=True, tag_field="kind", tag="rail"):
    """A rail's settlement file: one row a payment, refund, charge or payout.

    `types`: what the file says → what we say; anything else is a problem. `signs`: sign of the
    gross amount by our type. `net_is`: arithmetic that holds on every row of a file, the first
    that does; where it leaves the tax out, the fee has it in. `signed_by`: what gives unsigned
    amounts their sign. `units`: `minor` counts minor units, `either` may be both (see
    `csv_rail`). `charged`: types whose charges stand in their row; those of others follow from
    gross and net. `paid_out`: our type of the row by which a settlement leaves for the bank.
    """

    types: dict[str, str]
    signs: dict[str, int] = {}
    net_is: list[str]
    costs: list[str] = []
    units: Literal["major", "minor", "either"] = "major"
    signed_by: Literal["", "side", "net"] = ""
    sides: dict[str, int] = {}
    charged: list[str] = []
    settled_words: list[str] = []
    zones: dict[str, str] = {}
    record: str = ""
    trailer: Trailer | None = None
    paid_out: str = "payout"

    def __post_init__(self) -> None:
        self._check(RAIL_FIELDS)
        unknown = self.signs.keys() - set(self.types.values())
        if unknown:
            raise LayoutError(f"{self.name}: no type is {', '.join(sorted(unknown))}")
        for rule in self.net_is:
            if set(rule.split()) - {"gross", "fee", "tax", "-", "+"}:
                raise LayoutError(f"{self.name}: cannot compute {rule!r}")


Layout = BankLayout | RailLayout


@cache
def layouts() -> Mapping[str, Layout]:
    """Every layout by its file's name; `_<name>.yaml` is what several of them share."""
    paths = sorted(path for path in _DIR.glob("*.yaml") if not path.name.startswith("_"))
    return {path.stem: load(path.read_text("utf-8")) for path in paths}


def load(text: str) -> Layout:
    """A layout from YAML; refuses unknown words and fields that do not go together.

    `like: x` takes from `_x.yaml` what the layout does not say itself.
    """
    try:
        said = yaml.safe_load(text)
        if isinstance(said, dict) and "like" in said:
            shared = yaml.safe_load((_DIR / f"_{said.pop('like')}.yaml").read_text("utf-8"))
            said = shared | said
        return msgspec.convert(said, BankLayout | RailLayout)
    except (msgspec.ValidationError, yaml.YAMLError, OSError) as error:
        raise LayoutError(str(error)) from error


def normal(name: str) -> str:
    """A column's name without case, spaces and punctuation."""
    return _NOT_IN_NAMES.sub("", name.casefold())


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A layout that fits a file: where its header is, and the columns of our fields by place."""

    layout: Layout
    delimiter: str
    header_line: int
    header: list[str]
    places: dict[str, list[int]]

    @property
    def width(self) -> int:
        """Cells that a row has; blank names at the end of a header are no columns."""
        return len(self.header)

    def title(self, field: str) -> str:
        """A field as the file's header names it."""
        places = self.places.get(field)
        return self.header[places[0]].strip() if places else field


def match(cells: list[str], delimiter: str, line: int) -> Found | None:
    """The layout that a row is the header of: the one that knows most of its columns."""
    header = list(cells)
    while header and not header[-1].strip():
        header.pop()
    if len(header) > _MOST_COLUMNS:
        return None
    names: dict[str, int] = {}
    copies = Counter[str]()
    for place, cell in enumerate(header):
        name = normal(cell)
        copies[name] += 1
        if name:
            names[name if copies[name] == 1 else f"{name}#{copies[name]}"] = place
    fitting = []
    for layout in layouts().values():
        places = _places(layout, names)
        if places is not None:
            found = Found(
                layout=layout,
                delimiter=delimiter,
                header_line=line,
                header=header,
                places=places,
            )
            fitting.append((len({at for found in places.values() for at in found}), found))
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _places(layout: Layout, names: Mapping[str, int]) -> dict[str, list[int]] | None:
    places = {}
    for field, spellings in layout.columns.items():
        at = [names[normal(spelling)] for spelling in spellings if normal(spelling) in names]
        if at:
            places[field] = list(dict.fromkeys(at))
    there = places.keys() | layout.constants.keys()
    if not there >= set(layout.required):
        return None
    if layout.one_of and not any(there >= set(fields) for fields in layout.one_of):
        return None
    known = {at for found in places.values() for at in found}
    known |= {names[normal(name)] for name in layout.ignored if normal(name) in names}
    if not layout.extra and known != set(names.values()):
        return None
    return places
