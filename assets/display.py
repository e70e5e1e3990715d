"""What finance sees of a run: counts, rupees, and the first rows as a table.

Belongs here: metadata that every asset shows in the same way. Does not: computing anything that
is not shown. Sums are integers of minor units beside their text; nothing here is a float.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import dagster as dg

from online.kernel import ids
from online.kernel.money import format_minor
from warehouse.connection import Lake, identifier
from warehouse.schema import tables

PREVIEW_ROWS = 8
_SIGNS: Mapping[str, str] = {"INR": "₹"}
_LONGEST_CELL = 60


def money_text(minor: int, currency: str = "INR") -> str:
    """123456789, INR → `₹12,34,567.89`, with lakh and crore commas."""
    sign = "−" if minor < 0 else ""
    whole, point, fraction = format_minor(abs(minor), currency).partition(".")
    head, tail = whole[:-3], whole[-3:]
    size = 2 if currency == "INR" else 3
    groups = [head[max(0, end - size) : end] for end in range(len(head), 0, -size)][::-1]
    return (
        f"{sign}{_SIGNS.get(currency, currency + ' ')}{','.join([*groups, tail])}{point}{fraction}"
    )


def table_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as a Markdown table; columns named `…_minor` are shown as money."""
    currency_at = columns.index("currency") if "currency" in columns else None
    lines = [_line([_title(name) for name in columns]), _line(["---"] * len(columns))]
    for row in rows:
        currency = str(row[currency_at]) if currency_at is not None else "INR"
        cells = zip(columns, row, strict=True)
        lines.append(_line([_cell(name, value, currency) for name, value in cells]))
    if len(lines) == 2:
        lines.append(_line(["*none*", *[""] * (len(columns) - 1)]))
    return "\n".join(lines)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """`table_text` as metadata."""
    return dg.MetadataValue.md(table_text(columns, rows))


def money(totals: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """{"captured": {"INR": 500}} → `captured_minor` and `captured` as text, per currency."""
    shown: dict[str, Any] = {}
    for name, by_currency in totals.items():
        for currency, minor in by_currency.items():
            suffix = "" if currency == "INR" else f"_{currency}"
            shown[f"{name}{suffix}"] = money_text(minor, currency)
            shown[f"{name}{suffix}_minor"] = minor
    return shown


def of_table(
    lake: Lake,
    name: str,
    *,
    day: date | None = None,
    sums: Sequence[str] = (),
    columns: Sequence[str] = (),
    order_by: str = "1",
) -> dict[str, Any]:
    """Rows, sums of money columns by currency, and a preview of a table or one day of it."""
    described = tables()[name]
    where = f"WHERE {described.day} = $day" if day is not None and described.day else ""
    params = {"day": day} if where else {}
    source = f"FROM {identifier(name)} {where}"
    found = lake.rows(f"SELECT count(*) {source}", **params)
    metadata: dict[str, Any] = {"dagster/row_count": int(found[0][0])}
    if day is not None:
        metadata["business_day"] = day.isoformat()
    if sums:
        metadata |= _totals(_sums(lake, source, sums, params))
    shown = list(columns) or _columns(lake, name)
    preview = lake.rows(
        f"SELECT {', '.join(map(_quoted, shown))} {source}"
        f" ORDER BY {order_by} LIMIT {PREVIEW_ROWS}",
        **params,
    )
    metadata["first_rows"] = table(shown, preview)
    metadata["one_row_is"] = described.grain
    return metadata


def _sums(
    lake: Lake, source: str, sums: Sequence[str], params: Mapping[str, object]
) -> dict[str, dict[str, int]]:
    summed = ", ".join(f"coalesce(sum({identifier(column)}), 0)::BIGINT" for column in sums)
    found = lake.rows(
        f"SELECT currency, {summed} {source} GROUP BY currency ORDER BY 1",
        **params,
    )
    totals: dict[str, dict[str, int]] = {}
    for currency, *amounts in found:
        for column, minor in zip(sums, amounts, strict=True):
            totals.setdefault(f"sum_{column.removesuffix('_minor')}", {})[str(currency)] = int(
                minor
            )
    return totals


def _totals(sums: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """One table for people, and numbers that Dagster can plot over the days."""
    rows = [
        (name.removeprefix("sum_"), minor, currency)
        for name, by_currency in sums.items()
        for currency, minor in by_currency.items()
    ]
    numbers = {name: value for name, value in money(sums).items() if name.endswith("_minor")}
    return {"sums": table(("sum_of", "amount_minor", "currency"), rows), **numbers}


def _columns(lake: Lake, name: str) -> list[str]:
    return [str(row[0]) for row in lake.rows(f"DESCRIBE {identifier(name)}")]


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _title(column: str) -> str:
    return column.removesuffix("_minor").replace("_", " ")


def _cell(column: str, value: object, currency: str) -> str:
    if value is None:
        return "–"
    if column.endswith("_minor") and isinstance(value, int):
        # A narrow column would break the line behind the minus: the word joiner forbids it.
        return money_text(value, currency).replace("−", "−\u2060")
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, UUID) and column.startswith("merchant"):
        return ids.encode("mrc", value)
    text = str(value).replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"
