"""The books of a month: the journal for the general ledger, and tax invoices.

Belongs here: what is made of a month once it is closed. Does not: closing it (online), the lines
of a journal (`warehouse.journal`), or what an invoice says (online).
"""

import base64
import hashlib
import json
from datetime import date
from typing import Any, Final

import dagster as dg

from assets import answers, display
from assets.checks import nothing_wrong
from assets.groups import FINANCE, MONTH
from assets.ports import Folders, Online
from online.kernel.months import Month
from warehouse.connection import Warehouse
from warehouse.invoices.drafts import drafts, keep
from warehouse.invoices.render import RENDERERS, render
from warehouse.journal import Journal, export_journal
from warehouse.months import closed, last_closed, trial_balance_hash

MONTHLY: Final = dg.MonthlyPartitionsDefinition("2025-01-01", timezone="Asia/Kolkata", end_offset=1)
_SHOWN: Final = 25


def month_of(context: dg.AssetExecutionContext) -> Month:
    return Month.of(date.fromisoformat(context.partition_key))


@dg.asset(
    deps=["raw_entries", "raw_transactions", "raw_accounts", "raw_merchants", "raw_periods"],
    partitions_def=MONTHLY,
    group_name=MONTH,
    owners=FINANCE,
    kinds={"csv"},
)
def journal_files(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    folders: dg.ResourceParam[Folders],
) -> dg.MaterializeResult:
    """The month's ledger as two files for the general ledger (an ERP's journal import): summed by
    day, account and kind, and every posting. Each balances journal by journal and equals the
    ledger's trial balance; a month that is not closed yet gives drafts."""
    month = month_of(context)
    folder = folders.data / "journals"
    folder.mkdir(parents=True, exist_ok=True)
    draft = "" if closed(warehouse, month) else "-draft"
    made = [
        export_journal(
            warehouse, month, folder / f"{month}{form}{draft}.csv", detail=form == "-detail"
        )
        for form in ("", "-detail")
    ]
    return dg.MaterializeResult(
        metadata={
            "month": str(month),
            "status": made[0].status,
            "files": display.table(("file", "journals", "lines", "debit_minor", "credit_minor",
                                    "currency"), _rows(made)),
        }
    )  # fmt: skip


def _rows(made: list[Journal]) -> list[tuple[Any, ...]]:
    return [
        (each.file, t.journals, t.lines, t.debit_minor, t.credit_minor, t.currency)
        for each in made
        for t in each.totals
    ]


@dg.asset(
    deps=["raw_entries", "raw_transactions", "raw_accounts", "raw_merchants", "raw_periods"],
    partitions_def=MONTHLY,
    group_name=MONTH,
    owners=FINANCE,
    kinds={"api"},
)
def invoices(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
) -> dg.MaterializeResult:
    """What each merchant was charged in a closed month, as numbered by online once its own books
    gave the same sums: a tax invoice, or a credit note where more was given back than charged."""
    month = month_of(context)
    found = online.send_lines("invoices", drafts(warehouse, month))
    answers.require_none_refused("invoices", found)
    keep(warehouse, month, found)
    issued = warehouse.frame(
        "SELECT number, kind, value_minor, igst_minor, cgst_minor, sgst_minor, total_minor,"
        " currency FROM invoices WHERE month = $month ORDER BY number",
        month=month.first,
    )
    return dg.MaterializeResult(
        metadata={
            **answers.summary(found),
            "month": str(month),
            "documents": display.table(issued.columns, issued.head(_SHOWN).rows()),
        }
    )


@dg.asset(
    deps=["invoices"],
    partitions_def=MONTHLY,
    group_name=MONTH,
    owners=FINANCE,
    kinds={"pdf"},
)
def invoice_files(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
    folders: dg.ResourceParam[Folders],
) -> dg.MaterializeResult:
    """The month's tax documents as PDF/A and JSON, in the folder `invoices` and in online, where
    merchants fetch them. Made again they are the same bytes."""
    month = month_of(context)
    folder = folders.data / "invoices" / str(month)
    folder.mkdir(parents=True, exist_ok=True)
    issued = warehouse.rows(
        "SELECT invoice_id, number, document::VARCHAR FROM invoices WHERE month = $month"
        " ORDER BY number",
        month=month.first,
    )
    for invoice_id, number, document in issued:
        for form in RENDERERS:
            content = render(json.loads(document), form)
            (folder / f"{number.replace('/', '-')}.{form}").write_bytes(content)
            online.send("invoice-files", _delivery(invoice_id, form, content))
    return dg.MaterializeResult(
        metadata={
            "month": str(month),
            "documents": len(issued),
            "files": len(issued) * len(RENDERERS),
            "folder": dg.MetadataValue.path(str(folder)),
        }
    )


def _delivery(invoice_id: str, form: str, content: bytes) -> dict[str, str]:
    return {
        "invoice_id": invoice_id,
        "format": form,
        "sha256": hashlib.sha256(content).hexdigest(),
        "content_base64": base64.b64encode(content).decode("ascii"),
    }


@dg.asset_check(
    asset="invoices",
    blocking=True,
    description="The documents of the month add up to the fees and the GST that the ledger has.",
)
def invoices_equal_the_ledger(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    key = context.run.tags.get("dagster/partition")
    if key:
        month = Month.of(date.fromisoformat(key))
    else:
        ((newest,),) = warehouse.rows("SELECT max(month) FROM invoices")
        if newest is None:
            return dg.AssetCheckResult(passed=True, metadata={"documents": 0})
        month = Month.of(newest)
    return nothing_wrong(warehouse, "invoices_off", first=month.first, last=month.last)


@dg.asset_check(
    asset="raw_periods",
    blocking=True,
    description="The last closed month has the trial balance here that it was closed with.",
)
def closed_as_it_was(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    month = last_closed(warehouse)
    period = closed(warehouse, month) if month else None
    if month is None or period is None:
        return dg.AssetCheckResult(passed=True, metadata={"closed_months": 0})
    ours = trial_balance_hash(warehouse, month)
    return dg.AssetCheckResult(
        passed=ours == period.sha256,
        metadata={
            "month": str(month),
            "accounts": period.accounts,
            "entries": period.entries,
            "closed_with": period.sha256,
            "here": ours,
        },
    )


ASSETS: Final = (journal_files, invoices, invoice_files)
CHECKS: Final = (invoices_equal_the_ledger, closed_as_it_was)
