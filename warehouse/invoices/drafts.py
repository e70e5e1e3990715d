"""What each merchant was charged in a month, for online's intake; and keeping its answer."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import polars as pl

from online.kernel import ids
from online.kernel.months import Month
from warehouse.connection import Lake, Warehouse, WarehouseError
from warehouse.months import closed


def drafts(lake: Lake, month: Month) -> list[dict[str, Any]]:
    """Lines of `/internal/v1/invoices`, by merchant; none for who was charged nothing, or given
    back as much.

    Raises `WarehouseError` for a month that is not closed: its charges may still change.
    """
    if closed(lake, month) is None:
        raise WarehouseError(f"{month} is not closed: there is nothing to invoice yet")
    found = lake.query("invoice_charges", first=month.first, last=month.last)
    by_merchant: dict[tuple[str, bool, str], dict[str, Any]] = {}
    for row in found.iter_rows(named=True):
        key = (str(row["merchant_id"]), row["livemode"], row["currency"])
        draft = by_merchant.setdefault(key, _empty(row, month))
        draft["charges"].append(
            {name: row[name] for name in ("service", "taxed", "returned", "count")}
            | {part: row[f"{part}_minor"] for part in _PARTS}
        )
        draft["original_months"] |= set(row["original_months"])
    return [
        {**draft, "original_months": sorted(draft["original_months"])}
        for _, draft in sorted(by_merchant.items())
        if any(sum(charge[part] for charge in draft["charges"]) for part in _PARTS)
    ]


_PARTS = ("fee", "igst", "cgst", "sgst")


def _empty(row: dict[str, Any], month: Month) -> dict[str, Any]:
    merchant = ids.encode("mrc", UUID(str(row["merchant_id"])))
    return {
        "merchant_id": merchant,
        "month": str(month),
        "currency": row["currency"],
        "charges": [],
        "original_months": set(),
    }


def keep(warehouse: Warehouse, month: Month, answers: Sequence[dict[str, Any]]) -> int:
    """Replace the month's rows of `invoices` by what online answered; returns how many."""
    rows = [_row(answer, month) for answer in answers]

    def body(lake: Lake) -> int:
        lake.execute("DELETE FROM invoices WHERE month = $month", month=month.first)
        return lake.append("invoices", pl.DataFrame(rows)) if rows else 0

    return warehouse.transaction(body)


def _row(answer: dict[str, Any], month: Month) -> dict[str, Any]:
    document = answer["document"]
    return {
        "month": month.first,
        "merchant_id": str(ids.decode("mrc", document["merchant_id"])),
        "invoice_id": answer["invoice_id"],
        "number": document["number"],
        "kind": document["kind"],
        "currency": document["currency"],
        "livemode": document["livemode"],
        "document": msgspec.json.encode(document, order="sorted").decode(),
        **{
            f"{part}_minor": document[part]
            for part in ("value", "exempt", "igst", "cgst", "sgst", "total")
        },
    }
