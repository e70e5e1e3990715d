"""What files and breaks mean to the ledger, as lines for online's `/internal/v1/postings`.

Belongs here: pure builders, each balanced by construction, and the reads that feed them. Does
not: sending them, or any decision about a break.

Stored signs: debit negative, credit positive. Every builder is `_posting(debits, credits)`, which
refuses legs that do not sum to zero; legs of nothing are left out. `cause` is derived from what
the posting is about, so that sending it twice posts once. What a day's files and matches ask for
may change, when a file is issued again: `decide_file_postings` logs it, and takes back what is no
longer so.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

import msgspec
import polars as pl

from online.kernel import ids
from warehouse.bank_files.expected import bank_of
from warehouse.connection import Lake, Warehouse
from warehouse.macros import MEMO
from warehouse.reconciliation.days import Break

# Amounts in two currencies have no difference; those of charges are no part of the receivable.
_NOT_POSTED = frozenset({"currency_mismatch", "fee_mismatch", "tax_mismatch"})
_REVERSAL = "_reversal"


class PostingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One leg; debit negative."""

    account: str
    currency: str
    amount_minor: int = msgspec.field(name="amount")
    layer: str = "posted"


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the NDJSON body: `msgspec.json.encode(posting)` is the wire form."""

    cause: str
    kind: str
    business_date: date
    reference: str
    metadata: dict[str, str]
    entries: tuple[PostingEntry, ...]


class Unbalanced(ValueError):
    """Legs that do not sum to zero."""


class RailSettlement(msgspec.Struct, frozen=True, kw_only=True):
    """One settlement of a rail's file, summed over its rows."""

    rail: str
    settlement_id: str
    settled_on: date
    currency: str
    gross_minor: int
    fee_minor: int
    tax_minor: int
    net_minor: int
    row_count: int
    content_hash: str


class BankMatch(msgspec.Struct, frozen=True, kw_only=True):
    """One bank line's share in a match: of a settlement, or of a payout (`settlement_id` None)."""

    line_id: str
    rail: str
    settlement_id: str | None
    reference: str
    amount_minor: int
    currency: str
    booked_on: date
    account: str | None = None


def rail_settlement(found: RailSettlement) -> Posting | None:
    """The rail announced what it will pay: receivable becomes in transit, less its charges."""
    return _posting(
        ids.derived("rail_settlement", found.rail, found.settlement_id, found.content_hash),
        kind="rail_settlement",
        business_date=found.settled_on,
        reference=found.settlement_id,
        metadata={"rail": found.rail, "rows": str(found.row_count), "content": found.content_hash},
        currency=found.currency,
        legs={
            f"rail:{found.rail}:in_transit": -found.net_minor,
            f"costs:rail:{found.rail}": -found.fee_minor,
            "tax:gst:input": -found.tax_minor,
            f"rail:{found.rail}:receivable": found.gross_minor,
        },
    )


def bank_credit(found: BankMatch) -> Posting | None:
    """A settlement arrived on the bank account."""
    settlement_id = found.settlement_id or ""
    return _posting(
        ids.derived("bank_credit", found.line_id, found.rail, settlement_id),
        kind="bank_credit",
        business_date=found.booked_on,
        reference=settlement_id,
        metadata={"rail": found.rail, "line_id": found.line_id},
        currency=found.currency,
        legs={
            _bank(found.account): -found.amount_minor,
            f"rail:{found.rail}:in_transit": found.amount_minor,
        },
    )


def bank_debit(found: BankMatch) -> Posting | None:
    """A payout left the bank account; `amount_minor` is negative, as the bank shows it."""
    return _posting(
        ids.derived("bank_debit", found.line_id, found.reference),
        kind="bank_debit",
        business_date=found.booked_on,
        reference=found.reference,
        metadata={"rail": found.rail, "line_id": found.line_id},
        currency=found.currency,
        legs={
            f"payouts:{found.rail}:in_transit": found.amount_minor,
            _bank(found.account): -found.amount_minor,
        },
    )


def of_break(found: Break) -> Posting | None:
    """Suspense for a break that opened, its opposite for one that closed; None where no money
    is out of place: late rows and statuses of a rail, charges that our costs show as they are,
    other currencies, and transfers between people, of which none is ours.
    """
    legs = break_legs(found)
    if legs is None:
        return None
    opened = found.state == "open"
    cause = suspense_cause(found)
    return _posting(
        cause if opened else ids.derived(str(cause), "reversal"),
        kind=_break_kind(found) if opened else "break_reversal",
        business_date=found.posted_on or found.business_date,
        reference=ids.encode("brk", found.break_id),
        metadata={"break_kind": found.kind, "subject": found.reference or ""},
        currency=found.currency,
        legs=legs if opened else {account: -amount for account, amount in legs.items()},
    )


def suspense_cause(found: Break) -> UUID:
    """What a break's posting is caused by: the break itself, and each time that it comes back."""
    if found.generation == 1:
        return found.break_id
    return ids.derived(str(found.break_id), str(found.generation))


def break_legs(found: Break) -> dict[str, int] | None:
    """What a break moves when it opens; accounts with nothing to move may be among them."""
    if found.kind == "unexpected_credit":
        return {_bank(found.bank_account): -found.actual_minor, "suspense:bank": found.actual_minor}
    if found.kind in _NOT_POSTED or found.rail is None or found.row_type in MEMO:
        return None
    # What we still show as owed once all that the other side has was posted against it.
    left_minor = found.expected_minor - found.actual_minor
    held = {f"suspense:{found.rail}": -left_minor}
    if found.side == "rail":
        return {f"rail:{found.rail}:receivable": left_minor, **held}
    if found.transit_account is None:
        return None
    # Our bank account follows its statement; announced money has come, or is missing, for good.
    bank = _bank(found.bank_account)
    arrived = {bank: -found.actual_minor, found.transit_account: found.expected_minor}
    return {**arrived, **held}


def _bank(account: str | None) -> str:
    """The ledger's account of one of our bank accounts, by its number."""
    return f"bank:{bank_of(account)}"


def suspense_of(found: Break) -> tuple[str, int] | None:
    """The suspense account of a break, and what it puts there, credit positive."""
    for account, minor in (break_legs(found) or {}).items():
        if account.startswith("suspense:") and minor:
            return account, minor
    return None


def tat_compensation(found: Break, day: date) -> Posting | None:
    """One more day for which a debited payer is owed; once, whatever break it is found by."""
    minor, rail = found.tat_per_day_minor or 0, found.rail or ""
    return _posting(
        ids.derived("tat", rail, found.reference or str(found.break_id), day.isoformat()),
        kind="tat_compensation",
        business_date=day,
        reference=ids.encode("brk", found.break_id),
        metadata={"rail": rail, "subject": found.reference or "", "due_on": str(found.tat_due_on)},
        currency=found.currency,
        legs={"costs:tat": -minor, f"refunds:{rail}:payable": minor},
    )


def _break_kind(found: Break) -> str:
    if found.kind == "unexpected_credit":
        return "unexpected_credit"
    return "break_suspense" if found.side == "rail" else "bank_break"


def _posting(
    cause: UUID,
    *,
    kind: str,
    business_date: date,
    reference: str,
    metadata: dict[str, str],
    currency: str,
    legs: Mapping[str, int],
) -> Posting | None:
    if sum(legs.values()) != 0:
        raise Unbalanced(f"{kind} {reference}: {dict(legs)}")
    entries = tuple(
        PostingEntry(account=account, currency=currency, amount_minor=amount_minor)
        for account, amount_minor in legs.items()
        if amount_minor
    )
    if not entries:
        return None
    return Posting(
        cause=str(cause),
        kind=kind,
        business_date=business_date,
        reference=reference,
        metadata=metadata,
        entries=entries,
    )


def file_postings(warehouse: Lake, day: date) -> list[Posting]:
    """rail_settlement, bank_credit and bank_debit of one business day, as the lake is now.

    Reads stg_rail_rows settled on the day, and bank matches of groups of the day.
    """
    settlements = warehouse.query("post_rail_settlements", day=day)
    matches = warehouse.query("post_bank_matches", day=day)
    found = [
        rail_settlement(msgspec.convert(row, RailSettlement))
        for row in settlements.iter_rows(named=True)
    ]
    for row in matches.iter_rows(named=True):
        match = msgspec.convert(row, BankMatch)
        found.append(bank_debit(match) if match.settlement_id is None else bank_credit(match))
    return [posting for posting in found if posting is not None]


def break_postings(changes: Sequence[Break]) -> list[Posting]:
    """unexpected_credit, break_suspense, bank_break and break_reversal of `break_changes(...)`."""
    return [posting for posting in map(of_break, changes) if posting is not None]


# ── what a day has asked for so far ──────────────────────────────────────────────────────


class _Logged(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `posting_log`; the later states of a key stand before the earlier ones."""

    posting_key: str
    generation: int
    state: str
    content: str


def decide_file_postings(warehouse: Warehouse, day: date) -> list[Posting]:
    """All that the day's files and matches have asked to post so far, in order, and what of it
    was taken back. May be sent again and again."""
    warehouse.transaction(lambda lake: _log_postings(lake, day))
    found = warehouse.frame(
        "SELECT content FROM posting_log WHERE business_date = $day"
        " ORDER BY generation, state, posting_key",
        day=day,
    )
    return [msgspec.json.decode(content, type=Posting) for content in found["content"]]


def _log_postings(lake: Lake, day: date) -> None:
    """Adds what is new and what is no longer so; the same run again adds nothing."""
    last = {
        row.posting_key: row
        for row in _rows(lake.query("posting_log_latest", day=day).iter_rows(named=True))
    }
    wanted = {f"{posting.kind} {posting.cause}": posting for posting in file_postings(lake, day)}
    new = []
    for key, posting in wanted.items():
        known = last.get(key)
        if known is None or known.state == "reversed":
            generation = known.generation + 1 if known else 1
            new.append(_logged(key, generation, "posted", _again(posting, generation)))
    for key, row in last.items():
        if row.state == "posted" and key not in wanted:
            posting = msgspec.json.decode(row.content, type=Posting)
            new.append(_logged(key, row.generation, "reversed", _reversed(posting)))
    if new:
        frame = pl.DataFrame([msgspec.structs.asdict(row) for row in new])
        lake.append("posting_log", frame.with_columns(business_date=pl.lit(day)))


def _rows(rows: Iterable[Mapping[str, object]]) -> list[_Logged]:
    return [msgspec.convert(row, _Logged) for row in rows]


def _logged(key: str, generation: int, state: str, posting: Posting) -> _Logged:
    content = msgspec.json.encode(posting).decode()
    return _Logged(posting_key=key, generation=generation, state=state, content=content)


def _again(posting: Posting, generation: int) -> Posting:
    """What was taken back and is so after all is a new fact."""
    if generation == 1:
        return posting
    cause = ids.derived(posting.cause, str(generation))
    return msgspec.structs.replace(posting, cause=str(cause))


def _reversed(posting: Posting) -> Posting:
    return msgspec.structs.replace(
        posting,
        cause=str(ids.derived(posting.cause, "reversal")),
        kind=posting.kind + _REVERSAL,
        entries=tuple(
            msgspec.structs.replace(entry, amount_minor=-entry.amount_minor)
            for entry in posting.entries
        ),
    )
