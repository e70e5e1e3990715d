"""Numbers and editions: which statement was given out, and what a later edition changed.

Belongs here: the lake's register of issues, and the difference between two editions. Does not:
giving numbers (online's, so that two runs cannot take the same), or reading a period (`build.py`).

Online numbers a merchant's periods 1, 2, 3, … without a gap. Whoever asks for a period again gets
the same number; if its books read otherwise than in the last edition, a new edition of it. An
edition is what the books said at its snapshot, and can be made from that snapshot at any time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import polars as pl

from online.kernel import ids
from warehouse.connection import Lake, Warehouse
from warehouse.statements.build import Period, build, build_many
from warehouse.statements.model import Change, Line, Replaced, Statement, books_sha256, sealed

# Of a line that is in both editions: what moves with its neighbours is no change of its own.
_MOVES_ALONG: Final = frozenset({"number", "balance_minor"})


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `/internal/v1/statement-numbers`."""

    merchant_id: str
    start_date: date
    end_date: date
    currency: str
    snapshot: int
    books_sha256: str


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """One edition, as online answered and the lake remembers."""

    merchant_id: UUID
    currency: str
    start_date: date
    end_date: date
    number: int
    edition: int
    snapshot: int
    books_sha256: str
    issued_at: datetime

    @property
    def period(self) -> Period:
        return Period(self.start_date, self.end_date, self.currency)


def asked(statement: Statement) -> Asked:
    """What online is told to number."""
    return Asked(
        merchant_id=statement.merchant_id,
        start_date=statement.start_date,
        end_date=statement.end_date,
        currency=statement.currency,
        snapshot=statement.snapshot,
        books_sha256=books_sha256(statement),
    )


def answered(line: Mapping[str, Any]) -> Iterator[Issue]:
    """The editions that a line of online's answer names: the one replaced, then the asked one."""
    of = {
        "merchant_id": ids.decode("mrc", line["merchant_id"]),
        "currency": line["currency"],
        "start_date": line["start_date"],
        "end_date": line["end_date"],
    }
    for edition in (line["replaces"], line["edition"]):
        if edition is not None:
            yield msgspec.convert({**edition, **of}, Issue)


def remember(warehouse: Warehouse, issues: Iterable[Issue]) -> None:
    """Add to the register those that it does not have."""
    told = {_identity(issue): issue for issue in issues}

    def body(lake: Lake) -> None:
        merchants = sorted({merchant for merchant, _, _ in told})
        known = {_identity(issue) for issue in _register(lake, merchants)}
        rows = [
            {**msgspec.structs.asdict(issue), "merchant_id": str(issue.merchant_id)}
            for identity, issue in told.items()
            if identity not in known
        ]
        lake.append("statement_issues", pl.DataFrame(rows))

    if told:
        warehouse.transaction(body)


def register(lake: Lake, merchants: Sequence[UUID], period: Period) -> dict[UUID, list[Issue]]:
    """Every edition of a period by merchant, the first one first."""
    found: dict[UUID, list[Issue]] = {}
    for issue in _register(lake, merchants):
        if issue.period == period:
            found.setdefault(issue.merchant_id, []).append(issue)
    return found


def as_issued(
    warehouse: Warehouse, issues: Sequence[Issue], made: Mapping[tuple[str, int], Statement]
) -> Iterator[Statement]:
    """The statements of these issues of one period, each from its own snapshot.

    `made` has what was built already, by merchant and snapshot; the rest is read by snapshot.
    """
    if not issues:
        return
    period = issues[0].period
    editions = register(warehouse, [issue.merchant_id for issue in issues], period)
    before = {
        (issue.merchant_id, issue.edition): issue for found in editions.values() for issue in found
    }
    pairs = [(issue, before.get((issue.merchant_id, issue.edition - 1))) for issue in issues]
    wanted = [each for pair in pairs for each in pair if each is not None]
    read = {**made, **_read_anew(warehouse, [i for i in wanted if _key(i) not in made])}
    for issue, earlier in pairs:
        replaced = read[_key(earlier)] if earlier else None
        yield issued(read[_key(issue)], issue, replaced)


def one(warehouse: Warehouse, merchant_id: UUID, period: Period, snapshot: int | None) -> Statement:
    """A statement from its snapshot alone; from the last edition's when None.

    A snapshot that no edition was made from gives a draft, without a number.
    """
    editions = register(warehouse, [merchant_id], period).get(merchant_id, [])
    fitting = [issue for issue in editions if snapshot in {None, issue.snapshot}]
    if fitting:
        return next(as_issued(warehouse, fitting[-1:], {}))
    return build(
        warehouse,
        merchant_id=merchant_id,
        snapshot=snapshot,
        **msgspec.structs.asdict(period),
    )


def issued(statement: Statement, issue: Issue, earlier: Statement | None) -> Statement:
    """A reading as the edition it is, with what it changes of the one before."""
    replaces = earlier and Replaced(
        edition=issue.edition - 1,
        snapshot=earlier.snapshot,
        opening_minor=earlier.opening_minor,
        closing_minor=earlier.closing_minor,
    )
    return sealed(
        msgspec.structs.replace(
            statement,
            number=issue.number,
            edition=issue.edition,
            issued_at=issue.issued_at,
            replaces=replaces,
            changes=list(changes(earlier.lines, statement.lines)) if earlier else [],
        )
    )


def changes(before: Sequence[Line], after: Sequence[Line]) -> Iterator[Change]:
    """What a reader of the earlier lines has to know: removed, then changed and added."""
    old, new = _by_part(before), _by_part(after)
    for key, line in old.items():
        if key not in new:
            yield Change(change="removed", line=line)
    for key, line in new.items():
        if key not in old:
            yield Change(change="added", line=line)
        else:
            yield from _differences(old[key], line)


def _differences(before: Line, after: Line) -> Iterator[Change]:
    for name in Line.__struct_fields__:
        was, now = getattr(before, name), getattr(after, name)
        if was != now and name not in _MOVES_ALONG:
            yield Change(
                change="changed", field=name, before=_text(was), after=_text(now), line=after
            )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _by_part(lines: Sequence[Line]) -> dict[tuple[str, str, str], Line]:
    """A transaction has each kind of line once, and each tax."""
    return {(line.transaction_id, line.kind, line.charge): line for line in lines}


def _read_anew(warehouse: Warehouse, issues: Sequence[Issue]) -> dict[tuple[str, int], Statement]:
    by_snapshot: dict[int, list[Issue]] = {}
    for issue in issues:
        by_snapshot.setdefault(issue.snapshot, []).append(issue)
    return {
        (statement.merchant_id, snapshot): statement
        for snapshot, group in by_snapshot.items()
        for statement in build_many(
            warehouse, [i.merchant_id for i in group], group[0].period, snapshot=snapshot
        )
    }


def _key(issue: Issue) -> tuple[str, int]:
    return ids.encode("mrc", issue.merchant_id), issue.snapshot


def _identity(issue: Issue) -> tuple[UUID, int, int]:
    return issue.merchant_id, issue.number, issue.edition


def _register(lake: Lake, merchants: Sequence[UUID]) -> list[Issue]:
    # Two runs at once may both have written a row: it says the same.
    rows = lake.frame(
        "SELECT DISTINCT * FROM statement_issues"
        " WHERE merchant_id IN (SELECT unnest($merchants)) ORDER BY merchant_id, number, edition",
        merchants=list(merchants),
    )
    return [msgspec.convert(row, Issue) for row in rows.iter_rows(named=True)]
