"""Statements from the ledger's entries in the lake, for many merchants at once.

Belongs here: reading, and putting lines and totals together. Does not: the words of a line
(`lines.py`), numbers and editions (`editions.py`), or how it looks (`render.py`).

The merchant's balance is the sum of its pending, payable, reserve, escrow and disputed accounts in
the posted layer. A transaction becomes a line for its principal and a line each for fee and taxes;
one that only moves money between the merchant's own accounts is not a line. So a dispute that is
opened or won is none, and one that is lost is; what is held back stands beside the closing balance.

Merchants are read a chunk at a time: as many as have `CHUNK_ENTRIES` entries in the period, so
that memory is bounded and a run of thousands costs a few queries.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from online.kernel import ids
from warehouse.connection import Lake, Warehouse, WarehouseError
from warehouse.statements.lines import CHARGES, Movement, charges_of, lines_of
from warehouse.statements.model import Holder, Line, Parts, Seal, Statement, sealed
from warehouse.statements.rates import Rates, load_rates

CHUNK_ENTRIES = 100_000


class Period(msgspec.Struct, frozen=True, order=True):
    """What a statement is of, beside its merchant; both days belong to it."""

    start_date: date
    end_date: date
    currency: str = "INR"

    def __post_init__(self) -> None:
        if self.end_date < self.start_date:
            raise WarehouseError(
                f"the period {self.start_date} to {self.end_date} ends before it starts"
            )


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    """What every statement of one reading shares."""

    period: Period
    snapshot: int
    snapshot_at: datetime
    rates: Rates
    seal: Seal | None


def build(
    warehouse: Warehouse,
    *,
    merchant_id: UUID,
    start_date: date,
    end_date: date,
    snapshot: int | None = None,
    currency: str = "INR",
) -> Statement:
    """The statement as the lake has it at `snapshot` (now when None), without a number."""
    period = Period(start_date, end_date, currency)
    found = list(build_many(warehouse, [merchant_id], period, snapshot=snapshot))
    if not found:
        raise WarehouseError(f"the lake has no merchant {ids.encode('mrc', merchant_id)}")
    return found[0]


def build_many(
    warehouse: Warehouse,
    merchants: Iterable[UUID],
    period: Period,
    *,
    snapshot: int | None = None,
) -> Iterator[Statement]:
    """The statements of those merchants that the lake knows, by merchant id."""
    version = warehouse.snapshot_id() if snapshot is None else snapshot
    snapshot_at = warehouse.snapshot_at(version)
    params = msgspec.structs.asdict(period)
    with warehouse.at_version(version) as lake:
        read = _Read(
            period=period,
            snapshot=version,
            snapshot_at=snapshot_at,
            rates=load_rates(),
            seal=_seal(lake, period.end_date),
        )
        holders = _holders(lake, sorted(set(merchants)))
        if not holders:
            return
        found = lake.query("statement_balances", merchants=list(holders), **params)
        for chunk in _chunks(found.iter_rows(named=True)):
            of = {UUID(str(row["merchant_id"])): row for row in chunk}
            moved = _movements(lake, list(of), params)
            for merchant, row in of.items():
                yield _statement(read, holders[merchant], row, moved.get(merchant, []))


def merchants_of(lake: Lake) -> list[UUID]:
    """Everybody, by name."""
    found = lake.rows("SELECT id FROM raw_merchants ORDER BY name, id")
    return [UUID(str(merchant)) for (merchant,) in found]


def _holders(lake: Lake, merchants: Sequence[UUID]) -> dict[UUID, tuple[Holder, bool]]:
    rows = lake.rows(
        "SELECT id, livemode, name, coalesce(legal_name, name), coalesce(address, ''),"
        " coalesce(gstin, ''), coalesce(state_code, '')"
        " FROM raw_merchants WHERE id IN (SELECT unnest($merchants)) ORDER BY id",
        merchants=list(merchants),
    )
    names = ("name", "legal_name", "address", "gstin", "state_code")
    return {
        UUID(str(merchant)): (
            Holder(merchant_id=ids.encode("mrc", merchant), **dict(zip(names, said, strict=True))),
            bool(livemode),
        )
        for merchant, livemode, *said in rows
    }


def _seal(lake: Lake, end_date: date) -> Seal | None:
    """The last seal that the lake has of the period's days."""
    found = lake.query("statement_seal", end_date=end_date)
    return msgspec.convert(found.row(0, named=True), Seal) if found.height else None


def _chunks(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    chunk: list[Mapping[str, Any]] = []
    entries = 0
    for row in rows:
        if chunk and entries + row["entries"] > CHUNK_ENTRIES:
            yield chunk
            chunk, entries = [], 0
        chunk.append(row)
        entries += row["entries"]
    if chunk:
        yield chunk


def _movements(
    lake: Lake, merchants: list[UUID], params: Mapping[str, object]
) -> dict[UUID, list[Movement]]:
    found = lake.query("statement_movements", merchants=merchants, **params)
    moved: dict[UUID, list[Movement]] = {}
    for row in found.iter_rows(named=True):
        movement = msgspec.convert(row, Movement)
        moved.setdefault(movement.merchant_id, []).append(movement)
    return moved


def _statement(
    read: _Read,
    held: tuple[Holder, bool],
    balances: Mapping[str, Any],
    movements: Sequence[Movement],
) -> Statement:
    holder, livemode = held
    lines = list(lines_of(balances["opening_minor"], movements, read.rates))
    statement = Statement(
        merchant_id=holder.merchant_id,
        holder=holder,
        supplier=read.rates.supplier,
        currency=read.period.currency,
        livemode=livemode,
        start_date=read.period.start_date,
        end_date=read.period.end_date,
        snapshot=read.snapshot,
        snapshot_at=read.snapshot_at,
        opening_minor=balances["opening_minor"],
        closing_minor=balances["closing_minor"],
        total_debit_minor=sum(line.debit_minor for line in lines),
        total_credit_minor=sum(line.credit_minor for line in lines),
        debit_count=sum(line.debit_minor > 0 for line in lines),
        credit_count=sum(line.credit_minor > 0 for line in lines),
        fees_minor=_charged(lines, CHARGES | {"fee"}),
        tax_minor=_charged(lines, {"tax"}),
        parts=Parts(**{name: balances[name] for name in Parts.__struct_fields__}),
        charges=charges_of(lines),
        lines=lines,
        seal=read.seal,
    )
    _must_foot(statement)
    return sealed(statement)


def _charged(lines: Sequence[Line], kinds: Iterable[str]) -> int:
    wanted = frozenset(kinds)
    return sum(line.debit_minor - line.credit_minor for line in lines if line.kind in wanted)


def _must_foot(statement: Statement) -> None:
    """Lines and balances come from two readings of the ledger, which have to agree."""
    moved = statement.total_credit_minor - statement.total_debit_minor
    footed = statement.opening_minor + moved
    if not footed == statement.closing_minor == statement.parts.total_minor():
        raise WarehouseError(
            f"the statement of {statement.merchant_id} does not foot:"
            f" {statement.opening_minor} + {moved} is not {statement.closing_minor},"
            f" or its parts are not ({statement.parts.total_minor()})"
        )
