"""Statement rows for one merchant and period, from the ledger's entries in the lake.

Belongs here: what the lines say and how they add up. Does not: how they look (`render.py`).

The merchant's balance is the sum of its pending, payable, reserve, escrow and disputed accounts in
the posted layer. A transaction becomes a line for its principal and a line each for fee and tax;
one that only moves money between the merchant's own accounts is not a line.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from online.kernel import ids
from warehouse.connection import Lake, Warehouse, WarehouseError


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger transaction as it touched the merchant; credit positive, charges positive."""

    date: date
    at_time: datetime
    transaction_id: str
    kind: str
    reference: str
    payment_id: str
    method: str
    rail_reference: str
    net_minor: int
    fee_minor: int = 0
    igst_minor: int = 0
    cgst_minor: int = 0
    sgst_minor: int = 0


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of the merchant's money."""

    date: date
    at: datetime
    kind: str
    description: str
    reference: str
    debit_minor: int
    credit_minor: int
    balance_minor: int


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's account over a period; closing = opening + credits - debits."""

    statement_id: str
    number: str
    merchant_id: str
    merchant_name: str
    currency: str
    start_date: date
    end_date: date
    snapshot: int
    opening_minor: int
    closing_minor: int
    total_debit_minor: int
    total_credit_minor: int
    fees_minor: int
    tax_minor: int
    lines: list[Line]
    content_sha256: str = ""


_TITLES = {
    "capture": "Payment received",
    "refund": "Refund to payer",
    "refund_requested": "Refund to payer",
    "refund_failed": "Refund returned",
    "payout_sent": "Payout to your bank account",
    "payout_returned": "Payout returned by the bank",
    "reversal": "Payment reversed",
    "cutover": "Balance settled before this system",
}
_METHODS = {"upi": "UPI", "card": "card"}


def build(
    warehouse: Warehouse,
    *,
    statement_id: UUID,
    merchant_id: UUID,
    start_date: date,
    end_date: date,
    snapshot: int | None = None,
    currency: str = "INR",
    livemode: bool = False,
) -> Statement:
    """The statement as the lake has it at `snapshot` (now when None)."""
    if end_date < start_date:
        raise WarehouseError(f"the period {start_date} to {end_date} ends before it starts")
    version = warehouse.snapshot_id() if snapshot is None else snapshot
    encoded = ids.encode("mrc", merchant_id)
    with warehouse.at_version(version) as lake:
        opening_minor, movements, name = _read(
            lake,
            merchant_id=merchant_id,
            accounts=f"merchant:{encoded}:%",
            start_date=start_date,
            end_date=end_date,
            currency=currency,
            livemode=livemode,
        )
    lines = list(lines_of(opening_minor, movements))
    return sealed(
        Statement(
            statement_id=ids.encode("stm", statement_id),
            number=f"{start_date:%Y%m%d}-{end_date:%Y%m%d}-{encoded[-6:].upper()}",
            merchant_id=encoded,
            merchant_name=name,
            currency=currency,
            start_date=start_date,
            end_date=end_date,
            snapshot=version,
            opening_minor=opening_minor,
            closing_minor=lines[-1].balance_minor if lines else opening_minor,
            total_debit_minor=sum(line.debit_minor for line in lines),
            total_credit_minor=sum(line.credit_minor for line in lines),
            fees_minor=sum(line.debit_minor for line in lines if line.kind == "fee"),
            tax_minor=sum(line.debit_minor for line in lines if line.kind == "tax"),
            lines=lines,
        )
    )


def _read(lake: Lake, **params: object) -> tuple[int, list[Movement], str]:
    opening_minor = int(lake.scalar("statement_opening", **params))
    found = lake.query("statement_movements", **params)
    name = lake.rows(
        "SELECT name FROM raw_merchants WHERE id = $merchant_id",
        merchant_id=params["merchant_id"],
    )
    movements = [msgspec.convert(row, Movement) for row in found.iter_rows(named=True)]
    return opening_minor, movements, str(name[0][0]) if name else ""


def lines_of(opening_minor: int, movements: Iterable[Movement]) -> Iterator[Line]:
    """Lines with a running balance; their debits and credits are the movements' net amounts."""
    balance_minor = opening_minor
    for movement in movements:
        for kind, description, amount_minor in _parts(movement):
            balance_minor += amount_minor
            yield Line(
                date=movement.date,
                at=movement.at_time,
                kind=kind,
                description=description,
                reference=movement.payment_id or movement.reference,
                debit_minor=max(-amount_minor, 0),
                credit_minor=max(amount_minor, 0),
                balance_minor=balance_minor,
            )


def _parts(movement: Movement) -> Sequence[tuple[str, str, int]]:
    tax_minor = movement.igst_minor + movement.cgst_minor + movement.sgst_minor
    principal_minor = movement.net_minor + movement.fee_minor + tax_minor
    taxes = "IGST" if movement.igst_minor else "CGST + SGST"
    parts = (
        (movement.kind, _title(movement), principal_minor),
        ("fee", "Fee (merchant discount rate)", -movement.fee_minor),
        ("tax", f"{taxes} on the fee", -tax_minor),
    )
    return [part for part in parts if part[2]]


def _title(movement: Movement) -> str:
    title = _TITLES.get(movement.kind, movement.kind.replace("_", " ").capitalize())
    method = _METHODS.get(movement.method, movement.method)
    words = [f"{title} by {method}" if method and movement.kind == "capture" else title]
    if movement.rail_reference:
        words.append(f"{'RRN' if method else 'UTR'} {movement.rail_reference}")
    return ", ".join(words)


def sealed(statement: Statement) -> Statement:
    """The statement with the hash of its canonical content: every field but the hash itself."""
    bare = msgspec.structs.replace(statement, content_sha256="")
    digest = hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest()
    return msgspec.structs.replace(statement, content_sha256=digest)
