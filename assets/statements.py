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
from pydantic import Field

from assets import display
from assets.groups import FINANCE, STATEMENTS
from assets.ports import Folders, Online
from online.kernel import ids
from warehouse.connection import Warehouse
from warehouse.statements.build import Statement, build, sealed
from warehouse.statements.render import FORMATS, render


class StatementRequest(dg.Config):
    """One statement that somebody asked for; without an id it derives its own."""

    merchant_id: str
    start_date: str
    end_date: str
    format: str = "pdf"
    statement_id: str | None = None


class StatementRun(dg.Config):
    """Which statements to make: those asked for, and if days are given every merchant's of them."""

    requests: list[StatementRequest] = Field(default_factory=list)
    first_day: str | None = None
    last_day: str | None = None


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
    config: StatementRun,
    warehouse: dg.ResourceParam[Warehouse],
    folders: dg.ResourceParam[Folders],
) -> dg.MaterializeResult:
    """Statements as PDF, CSV and JSON from the same rows: opening balance, every movement, totals
    and closing balance, with the warehouse snapshot they were made from."""
    snapshot = warehouse.snapshot_id()
    made: dict[tuple[str, str, str], Statement] = {}
    rendered = []
    for request in [*config.requests, *_every_merchant(warehouse, config)]:
        period = (request.merchant_id, request.start_date, request.end_date)
        if period not in made:
            made[period] = _build(warehouse, request, snapshot)
        # The same rows in every format; each file has an id, and is sealed, by itself.
        identity = ids.encode("stm", statement_id(request, snapshot))
        own = sealed(msgspec.structs.replace(made[period], statement_id=identity))
        rendered.append(_write(own, request.format, folders.statements))
    manifest = manifest_path(folders, context.run.run_id)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_bytes(msgspec.json.format(msgspec.json.encode(rendered), indent=2))
    return dg.MaterializeResult(
        metadata={
            "files": len(rendered),
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
    rendered = manifest(folders, context.run.run_id)
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
    return dg.MaterializeResult(metadata={"files": len(rendered), "statements": _shown(rendered)})


def manifest_path(folders: Folders, run_id: str) -> Path:
    return folders.statements / "runs" / f"{run_id}.json"


def manifest(folders: Folders, run_id: str) -> list[Rendered]:
    """What a run rendered; for a run that only sends, what the last run rendered."""
    path = manifest_path(folders, run_id)
    if not path.exists():
        path = max(path.parent.glob("*.json"), key=lambda found: found.stat().st_mtime_ns)
    return msgspec.json.decode(path.read_bytes(), type=list[Rendered])


def _every_merchant(warehouse: Warehouse, config: StatementRun) -> list[StatementRequest]:
    if config.first_day is None or config.last_day is None:
        return []
    found = warehouse.rows("SELECT id FROM raw_merchants ORDER BY name, id")
    return [
        StatementRequest(
            merchant_id=ids.encode("mrc", merchant),
            start_date=config.first_day,
            end_date=config.last_day,
            format=form,
        )
        for (merchant,) in found
        for form in FORMATS
    ]


def _build(warehouse: Warehouse, request: StatementRequest, snapshot: int) -> Statement:
    return build(
        warehouse,
        statement_id=statement_id(request, snapshot),
        merchant_id=ids.decode("mrc", request.merchant_id),
        start_date=date.fromisoformat(request.start_date),
        end_date=date.fromisoformat(request.end_date),
        snapshot=snapshot,
    )


def statement_id(request: StatementRequest, snapshot: int) -> UUID:
    """The id that was asked for. Otherwise one of its own for each snapshot: a statement that was
    given out is never changed."""
    if request.statement_id is not None:
        return ids.decode("stm", request.statement_id)
    period = (request.merchant_id, request.start_date, request.end_date, request.format)
    return ids.derived("statement of a snapshot", *period, str(snapshot))


def _write(statement: Statement, form: str, folder: Path) -> Rendered:
    content = render(statement, form)
    path = folder / statement.merchant_id / f"{statement.number}.{form}"
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
