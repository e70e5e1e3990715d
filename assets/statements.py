"""Merchant statements: numbered, rendered, checked, then handed to online.

Belongs here: which statements a run makes, and their manifest. Does not: rows, editions and layout
(`warehouse.statements`). Rendering and sending are two assets, so that a statement that does not
foot is stopped between them.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

import dagster as dg
import msgspec
from pydantic import Field

from assets import answers, display
from assets.groups import FINANCE, STATEMENTS
from assets.ports import Folders, Online
from online.kernel import ids
from warehouse.connection import Lake, Warehouse
from warehouse.statements.build import Period, build_many, merchants_of
from warehouse.statements.editions import Issue, answered, as_issued, asked, remember
from warehouse.statements.many import Files, render_many
from warehouse.statements.model import Statement
from warehouse.statements.pack import pack
from warehouse.statements.render import FORMATS

_AT_ONCE: Final = 250  # statements that are numbered in one call
_PACK: Final = "pack"
_EXTENSIONS: Final = {_PACK: "zip"}


class StatementRequest(dg.Config):
    """One statement that somebody asked for; without an id it derives its own. Of an edition that
    is not newer than `newer_than` there is nothing to send."""

    merchant_id: str
    start_date: str
    end_date: str
    format: str = "pdf"
    statement_id: str | None = None
    newer_than: int = 0

    @property
    def period(self) -> Period:
        return Period(date.fromisoformat(self.start_date), date.fromisoformat(self.end_date))


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
    number: int
    edition: int
    content_sha256: str
    snapshot: int
    currency: str
    opening_minor: int
    credit_minor: int
    debit_minor: int
    closing_minor: int
    lines: int
    changes: int


@dg.asset(
    deps=["raw_entries", "raw_transactions", "raw_accounts", "raw_merchants", "raw_events"],
    group_name=STATEMENTS,
    owners=FINANCE,
    kinds={"pdf"},
)
def statement_files(
    context: dg.AssetExecutionContext,
    config: StatementRun,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
    folders: dg.ResourceParam[Folders],
) -> dg.MaterializeResult:
    """Statements as PDF, CSV and JSON from the same rows: opening balance, every movement, totals
    and closing balance, with the warehouse snapshot they were made from. Online numbers them; a
    period whose books say something else than before gets a new edition that lists what changed."""
    snapshot = warehouse.snapshot_id()
    rendered: list[Rendered] = []
    for (period, formats), requests in _grouped(warehouse, config).items():
        issued = _issued(warehouse, online, period, sorted(requests), snapshot)
        with _Packer(warehouse, online) as packer:
            for statement, files in render_many(issued, _rendered_for(formats)):
                if _PACK in formats:
                    files[_PACK] = packer.pack(statement, files)
                merchant = ids.decode("mrc", statement.merchant_id)
                rendered += _write(statement, files, requests[merchant], folders.statements)
    manifest = manifest_path(folders, context.run.run_id)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_bytes(msgspec.json.format(msgspec.json.encode(rendered), indent=2))
    return dg.MaterializeResult(
        metadata={
            "files": len(rendered),
            "restated": len({file.merchant_id for file in rendered if file.edition > 1}),
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
                "numbered": {
                    "number": file.number,
                    "edition": file.edition,
                    "content_sha256": file.content_sha256,
                },
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


Group = tuple[Period, frozenset[str]]
Requests = dict[UUID, list[StatementRequest]]


def _grouped(warehouse: Warehouse, config: StatementRun) -> dict[Group, Requests]:
    """Requests by what they are read and rendered by at once: a period and some formats."""
    asked_for: dict[tuple[Period, UUID], list[StatementRequest]] = {}
    for request in [*config.requests, *_every_merchant(warehouse, config)]:
        key = request.period, ids.decode("mrc", request.merchant_id)
        asked_for.setdefault(key, []).append(request)
    groups: dict[Group, Requests] = {}
    for (period, merchant), requests in asked_for.items():
        formats = frozenset(request.format for request in requests)
        groups.setdefault((period, formats), {})[merchant] = requests
    return groups


def _every_merchant(warehouse: Warehouse, config: StatementRun) -> list[StatementRequest]:
    if config.first_day is None or config.last_day is None:
        return []
    return [
        StatementRequest(
            merchant_id=ids.encode("mrc", merchant),
            start_date=config.first_day,
            end_date=config.last_day,
            format=form,
        )
        for merchant in merchants_of(warehouse)
        for form in FORMATS
    ]


def _issued(
    warehouse: Warehouse, online: Online, period: Period, merchants: Sequence[UUID], snapshot: int
) -> Iterator[Statement]:
    """The editions that the books at `snapshot` belong to, numbered by online."""
    read = build_many(warehouse, merchants, period, snapshot=snapshot)
    while chunk := list(islice(read, _AT_ONCE)):
        told = online.send_lines("statement-numbers", [asked(statement) for statement in chunk])
        answers.require_none_refused("statement numbers", told)
        issues = [list(answered(line)) for line in told]
        remember(warehouse, [issue for editions in issues for issue in editions])
        made = {(statement.merchant_id, statement.snapshot): statement for statement in chunk}
        wanted: list[Issue] = [editions[-1] for editions in issues]
        yield from as_issued(warehouse, wanted, made)


def _rendered_for(formats: frozenset[str]) -> Sequence[str]:
    """A pack has every other format in it."""
    return FORMATS if _PACK in formats else [form for form in FORMATS if form in formats]


class _Packer:
    """Packs statements, with the lake open at the snapshot of the last one."""

    def __init__(self, warehouse: Warehouse, online: Online) -> None:
        self._warehouse = warehouse
        self._online = online
        self._opened = ExitStack()
        self._snapshot: int | None = None
        self._lake: Lake = warehouse

    def __enter__(self) -> "_Packer":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def pack(self, statement: Statement, files: Files) -> bytes:
        if statement.snapshot != self._snapshot:
            self._opened.close()
            at_version = self._warehouse.at_version(statement.snapshot)
            self._lake = self._opened.enter_context(at_version)
            self._snapshot = statement.snapshot
        named = {f"statement.{form}": files[form] for form in FORMATS}
        return pack(self._lake, statement, files=named, sign=self._sign)

    def _sign(self, body: dict[str, object]) -> dict[str, str]:
        return self._online.send("seals/statements", body)


def _write(
    statement: Statement, files: Files, requests: Sequence[StatementRequest], folder: Path
) -> Iterator[Rendered]:
    """A file a request, unless the edition is known to who asked."""
    for request in requests:
        if statement.edition > request.newer_than:
            content = files[request.format]
            extension = _EXTENSIONS.get(request.format, request.format)
            path = folder / statement.merchant_id / f"{statement.reference}.{extension}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            yield _line(statement, request, path, hashlib.sha256(content).hexdigest())


def _line(statement: Statement, request: StatementRequest, path: Path, sha256: str) -> Rendered:
    return Rendered(
        statement_id=request.statement_id or _derived(statement, request.format),
        merchant_id=statement.merchant_id,
        merchant_name=statement.holder.name,
        start_date=statement.start_date,
        end_date=statement.end_date,
        format=request.format,
        path=str(path),
        sha256=sha256,
        number=statement.number,
        edition=statement.edition,
        content_sha256=statement.content_sha256,
        snapshot=statement.snapshot,
        currency=statement.currency,
        opening_minor=statement.opening_minor,
        credit_minor=statement.total_credit_minor,
        debit_minor=statement.total_debit_minor,
        closing_minor=statement.closing_minor,
        lines=len(statement.lines),
        changes=len(statement.changes),
    )


def _derived(statement: Statement, form: str) -> str:
    """An edition's file that nobody asked for by an id has one of its own."""
    edition = (str(statement.number), str(statement.edition))
    return ids.encode("stm", ids.derived("edition", statement.merchant_id, *edition, form))


def _shown(rendered: list[Rendered]) -> dg.MarkdownMetadataValue:
    columns = (
        *("merchant_name", "number", "edition", "format", "opening_minor", "credit_minor"),
        *("debit_minor", "closing_minor", "lines", "changes", "currency"),
    )
    rows = [[getattr(file, column) for column in columns] for file in rendered]
    return display.table(columns, rows[: display.PREVIEW_ROWS * 3])
