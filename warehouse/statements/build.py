"""Statement rows for one merchant and period, from the ledger's entries in the lake.

Belongs here: what the lines say and how they add up. Does not: how they look (`render.py`).

The merchant's balance is the sum of its pending, payable, reserve, escrow and disputed accounts in
the posted layer. A transaction becomes a line for its principal and a line each for fee and tax;
one that only moves money between the merchant's own accounts is not a line. So a dispute that is
opened or won is none, and one that is lost is: while it is open its money is still the merchant's,
held back, and the statement says beside its closing balance how much of it is.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from online.kernel import ids
from warehouse.connection import Lake, Warehouse, WarehouseError


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger transaction as it touched the merchant; credit positive, charges positive,
    what is given back of a charge negative.
    """

    date: date
    at_time: datetime
    transaction_id: str
    kind: str
    reference: str
    payment_id: str
    method: str
    rail_reference: str
    dispute_id: str = ""
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
    """A merchant's account over a period; closing = opening + credits - debits.

    `fees_minor` and `tax_minor` are what was charged less what was given back; `disputed_minor` is
    the part of the closing balance that is held back in open disputes.
    """

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
    disputed_minor: int
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
    "dispute_lost": "Dispute lost",
    "dispute_fee": "Dispute fee",
    "fee_returned": "Fee returned with a refund",
    "cutover": "Balance settled before this system",
}
# Transactions that are nothing but a charge, or the return of one: their first line is the fee.
_CHARGES = frozenset({"fee", "dispute_fee", "fee_returned"})
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
        found = _read(
            lake,
            merchant_id=merchant_id,
            accounts=f"merchant:{encoded}:%",
            start_date=start_date,
            end_date=end_date,
            currency=currency,
            livemode=livemode,
        )
    lines = list(lines_of(found.opening_minor, found.movements))
    return sealed(
        Statement(
            statement_id=ids.encode("stm", statement_id),
            number=f"{start_date:%Y%m%d}-{end_date:%Y%m%d}-{encoded[-6:].upper()}",
            merchant_id=encoded,
            merchant_name=found.merchant_name,
            currency=currency,
            start_date=start_date,
            end_date=end_date,
            snapshot=version,
            opening_minor=found.opening_minor,
            closing_minor=lines[-1].balance_minor if lines else found.opening_minor,
            total_debit_minor=sum(line.debit_minor for line in lines),
            total_credit_minor=sum(line.credit_minor for line in lines),
            fees_minor=_charged(lines, _CHARGES),
            tax_minor=_charged(lines, {"tax"}),
            disputed_minor=found.disputed_minor,
            lines=lines,
        )
    )


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    """What the lake knows of a merchant and a period."""

    merchant_name: str
    opening_minor: int
    disputed_minor: int
    movements: list[Movement]


def _read(lake: Lake, **params: object) -> _Read:
    found = lake.query("statement_movements", **params)
    name = lake.rows(
        "SELECT name FROM raw_merchants WHERE id = $merchant_id",
        merchant_id=params["merchant_id"],
    )
    return _Read(
        merchant_name=str(name[0][0]) if name else "",
        opening_minor=int(lake.scalar("statement_opening", **params)),
        disputed_minor=int(lake.scalar("statement_disputed", **params)),
        movements=[msgspec.convert(row, Movement) for row in found.iter_rows(named=True)],
    )


def _charged(lines: Sequence[Line], kinds: Collection[str]) -> int:
    return sum(line.debit_minor - line.credit_minor for line in lines if line.kind in kinds)


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
    back = " returned" if movement.fee_minor + tax_minor < 0 else ""
    taxes = "IGST" if movement.igst_minor else "CGST + SGST"
    fee = ("fee", f"Fee{back} (merchant discount rate)", -movement.fee_minor)
    if movement.kind in _CHARGES:
        fee = (movement.kind, _title(movement), -movement.fee_minor)
    parts = (
        (movement.kind, _title(movement), principal_minor),
        fee,
        ("tax", f"{taxes} on the fee{back}", -tax_minor),
    )
    return [part for part in parts if part[2]]


def _title(movement: Movement) -> str:
    title = _TITLES.get(movement.kind, movement.kind.replace("_", " ").capitalize())
    method = _METHODS.get(movement.method, movement.method)
    words = [f"{title} by {method}" if method and movement.kind == "capture" else title]
    if movement.dispute_id:
        words.append(movement.dispute_id)
    elif movement.rail_reference:
        words.append(f"{'RRN' if method else 'UTR'} {movement.rail_reference}")
    return ", ".join(words)


def sealed(statement: Statement) -> Statement:
    """The statement with the hash of its canonical content: every field but the hash itself."""
    bare = msgspec.structs.replace(statement, content_sha256="")
    digest = hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest()
    return msgspec.structs.replace(statement, content_sha256=digest)
