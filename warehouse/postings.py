"""What files and breaks mean to the ledger, as lines for online's `/internal/v1/postings`.

Belongs here: pure builders, each balanced by construction, and the reads that feed them. Does
not: sending them, or any decision about a break.

Stored signs: debit negative, credit positive. Every builder is `_posting(debits, credits)`, which
refuses legs that do not sum to zero; legs of nothing are left out. `cause` is derived from what
the posting is about, so that sending it twice posts once.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

import msgspec

from online.kernel import ids
from warehouse.connection import Lake
from warehouse.reconciliation.days import Break

BANK = "hdfc"
# Amounts in two currencies have no difference; those of charges are no part of the receivable.
_NOT_POSTED = frozenset({"currency_mismatch", "fee_mismatch", "tax_mismatch"})


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
            f"bank:{BANK}": -found.amount_minor,
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
            f"bank:{BANK}": -found.amount_minor,
        },
    )


def of_break(found: Break) -> Posting | None:
    """Suspense for a break that opened, its opposite for one that closed; None where no money
    is out of place (late rows, statuses, charges that our costs show as they are) or where online
    has no recipe yet (other currencies, announced money that the bank shows otherwise).
    """
    legs = _break_legs(found)
    if legs is None:
        return None
    opened = found.state == "open"
    kind = "unexpected_credit" if found.kind == "unexpected_credit" else "break_suspense"
    cause = _break_cause(found)
    return _posting(
        cause if opened else ids.derived(str(cause), "reversal"),
        kind=kind if opened else "break_reversal",
        business_date=found.business_date,
        reference=ids.encode("brk", found.break_id),
        metadata={"break_kind": found.kind, "subject": found.reference or ""},
        currency=found.currency,
        legs=legs if opened else {account: -amount for account, amount in legs.items()},
    )


def _break_cause(found: Break) -> UUID:
    # A break that comes back after it was closed is a new fact, and posts anew.
    if found.generation == 1:
        return found.break_id
    return ids.derived(str(found.break_id), str(found.generation))


def _break_legs(found: Break) -> dict[str, int] | None:
    if found.kind == "unexpected_credit":
        return {f"bank:{BANK}": -found.actual_minor, "suspense:bank": found.actual_minor}
    if found.side != "rail" or found.kind in _NOT_POSTED or found.rail is None:
        return None
    # What the ledger still shows as receivable once the file's gross was posted against it.
    left_minor = found.expected_minor - found.actual_minor
    return {
        f"rail:{found.rail}:receivable": left_minor,
        f"suspense:{found.rail}": -left_minor,
    }


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
    """rail_settlement, bank_credit and bank_debit of one business day, from the lake.

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
    """unexpected_credit, break_suspense and break_reversal for `break_changes(...)`."""
    return [posting for posting in map(of_break, changes) if posting is not None]
