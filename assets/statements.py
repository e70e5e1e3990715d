"""Merchant statements: rendered, checked, then handed to online.

Belongs here: which statements a run makes, and their manifest. Does not: rows and layout
(`warehouse.statements`). Rendering and sending are two assets, so that a statement that does not
foot is stopped between them.
"""

import base64
import hashlib
from datetime import date
from pathlib import Path
from uuid import UUID

import dagster as dg
import msgspec

from assets import display
from assets.groups import FINANCE, STATEMENTS
from assets.ports import Folders, Online
from online.kernel import ids
from warehouse.connection import Warehouse
from warehouse.statements import FORMATS, Statement, build, render


class StatementPeriod(dg.Config):
    """Which statements to make: merchants (all when none is named), days, formats.

    `statement_id` is given when a merchant asked for one statement; the others derive theirs, so
    that making one again gives the same.
    """

    start_date: str
    end_date: str
    merchant_ids: list[str] = []
    formats: list[str] = list(FORMATS)
    statement_id: str | None = None


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a run's manifest: a statement file and what is needed to check and send it."""

    statement_id: str
    merchant_id: str
    merchant_name: str
    start_date: date
    end_date: date
    format: str
    path: str
    sha256: str
    snapshot: int
    currency: str
    opening_minor: int
    credit_minor: int
    debit_minor: int
    closing_minor: int
    lines: int


@dg.asset(
    deps=["raw_entries", "raw_transactions", "raw_accounts", "raw_merchants"],
    group_name=STATEMENTS,
    owners=FINANCE,
    kinds={"pdf"},
)
def statement_files(
    context: dg.AssetExecutionContext,
    config: StatementPeriod,
    warehouse: dg.ResourceParam[Warehouse],
    folders: dg.ResourceParam[Folders],
) -> dg.MaterializeResult:
    """Statements as PDF, CSV and JSON from the same rows: opening balance, every movement, totals
    and closing balance, with the warehouse snapshot they were made from."""
    snapshot = warehouse.snapshot_id()
    rendered: list[Rendered] = []
    for merchant in config.merchant_ids or _every_merchant(warehouse):
        statement = build(
            warehouse,
            statement_id=statement_id(config, merchant),
            merchant_id=ids.decode("mrc", merchant),
            start_date=date.fromisoformat(config.start_date),
            end_date=date.fromisoformat(config.end_date),
            snapshot=snapshot,
        )
        rendered += [_write(statement, form, folders.statements) for form in config.formats]
    manifest = manifest_path(folders, context.run_id)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_bytes(msgspec.json.format(msgspec.json.encode(rendered), indent=2))
    return dg.MaterializeResult(
        metadata={
            "files": len(rendered),
            "period": f"{config.start_date} to {config.end_date}",
            "warehouse_snapshot": snapshot,
            "manifest": dg.MetadataValue.path(str(manifest)),
            "statements": _shown(rendered),
        }
    )


@dg.asset(deps=["statement_files"], group_name=STATEMENTS, owners=FINANCE, kinds={"api"})
def statements_published(
    context: dg.AssetExecutionContext,
    online: dg.ResourceParam[Online],
    folders: dg.ResourceParam[Folders],
) -> dg.MaterializeResult:
    """The same files in online, where merchants and auditors fetch them, with their hash."""
    rendered = manifest(folders, context.run_id)
    for file in rendered:
        content = Path(file.path).read_bytes()
        online.send(
            "statements",
            {
                "statement_id": file.statement_id,
                "merchant_id": file.merchant_id,
                "start_date": file.start_date,
                "end_date": file.end_date,
                "format": file.format,
                "sha256": file.sha256,
                "snapshot": file.snapshot,
                "content_base64": base64.b64encode(content).decode("ascii"),
            },
        )
    return dg.MaterializeResult(
        metadata={"files": len(rendered), "statements": _shown(rendered)}
    )


def statement_id(config: StatementPeriod, merchant: str) -> UUID:
    """The id that was asked for, or one that the same merchant and period always get."""
    if config.statement_id is not None:
        return ids.decode("stm", config.statement_id)
    return ids.derived("statement", merchant, config.start_date, config.end_date)


def manifest_path(folders: Folders, run_id: str) -> Path:
    return folders.statements / "runs" / f"{run_id}.json"


def manifest(folders: Folders, run_id: str) -> list[Rendered]:
    """What a run rendered; for a run that only sends, what the last run rendered."""
    path = manifest_path(folders, run_id)
    if not path.exists():
        path = max(path.parent.glob("*.json"), key=lambda found: found.stat().st_mtime_ns)
    return msgspec.json.decode(path.read_bytes(), type=list[Rendered])


def _every_merchant(warehouse: Warehouse) -> list[str]:
    found = warehouse.rows("SELECT id FROM raw_merchants ORDER BY name, id")
    return [ids.encode("mrc", merchant) for (merchant,) in found]


def _write(statement: Statement, form: str, folder: Path) -> Rendered:
    content = render(statement, form)
    name = f"{statement.number}-{statement.start_date}-{statement.end_date}.{form}"
    path = folder / statement.merchant_id / name.replace("/", "-")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Rendered(
        statement_id=statement.statement_id,
        merchant_id=statement.merchant_id,
        merchant_name=statement.merchant_name,
        start_date=statement.start_date,
        end_date=statement.end_date,
        format=form,
        path=str(path),
        sha256=hashlib.sha256(content).hexdigest(),
        snapshot=statement.snapshot,
        currency=statement.currency,
        opening_minor=statement.opening_minor,
        credit_minor=statement.total_credit_minor,
        debit_minor=statement.total_debit_minor,
        closing_minor=statement.closing_minor,
        lines=len(statement.lines),
    )


def _shown(rendered: list[Rendered]) -> dg.MarkdownMetadataValue:
    columns = (
        *("merchant_name", "format", "opening_minor", "credit_minor", "debit_minor"),
        *("closing_minor", "lines", "currency"),
    )
    rows = [[getattr(file, column) for column in columns] for file in rendered]
    return display.table(columns, rows[: display.PREVIEW_ROWS * 3])
