"""The words and amounts of a statement's lines.

Belongs here: how one posting becomes a principal and its charges, and what each is called. Does
not: reading postings (`build.py`).

What RBI wants an entry to say (RBI/2016-17/326, 22 June 2017): mode and counterparty, the nature
of a charge, the original date and the reason of what is undone.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from uuid import UUID

import msgspec

from warehouse.statements.model import Charge, Line
from warehouse.statements.rates import Rates


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger transaction as it touched the merchant; credit positive, charges positive,
    what is given back of a charge negative.
    """

    merchant_id: UUID
    date: dt.date
    value_date: dt.date
    at_time: dt.datetime
    transaction_id: str
    kind: str
    reference: str
    payment_id: str = ""
    dispute_id: str = ""
    settlement_id: str = ""
    method: str = ""
    network: str = ""
    instrument: str = ""  # masked
    rail_reference: str = ""
    original_date: dt.date | None = None
    reason: str = ""
    reason_code: str = ""
    payout_id: str = ""  # of one that the merchant ordered
    beneficiary: str = ""  # masked
    ifsc: str = ""
    account_last4: str = ""
    settled_from: dt.date | None = None
    settled_to: dt.date | None = None
    tds_section: str = ""
    tds_bps: int | None = None
    net_minor: int
    fee_minor: int = 0
    igst_minor: int = 0
    cgst_minor: int = 0
    sgst_minor: int = 0
    tds_minor: int = 0


class _Part(msgspec.Struct, frozen=True):
    """A line before its number and balance."""

    kind: str
    description: str
    amount_minor: int
    charge: str = ""
    rate_bps: int | None = None
    sac: str = ""


_TITLES: Final = {
    "capture": "Payment received",
    "refund": "Refund to payer",
    "refund_requested": "Refund to payer",
    "refund_failed": "Refund returned",
    "payout_sent": "Payout to your bank account",
    "payout_returned": "Payout returned by the bank",
    "payout_found": "Payout to your bank account",
    "payout_found_returned": "Payout returned by the bank",
    "payout_sent_back": "Payout returned by the bank",
    "reversal": "Payment reversed",
    "dispute_lost": "Dispute lost",
    "fee_returned": "Fee returned with a refund",
    "cutover": "Balance settled before this system",
    "escrow_released": "Released from escrow",
}
_ORDERED: Final = "Payout to a beneficiary"  # in the place of the merchant's own account
# Transactions that are nothing but a charge, or the return of one: their first line is the fee.
CHARGES: Final = frozenset({"fee", "dispute_fee", "fee_returned"})
MDR: Final = "Merchant discount rate"
_CHARGE_NAMES: Final = {"dispute_fee": "Dispute fee"}
_SENT: Final = frozenset({"payout_sent", "payout_found"})
_REASONS: Final = {
    "refund_requested": "Refund asked for by the merchant",
    "refund_failed": "The refund did not reach the payer",
    "reversal": "Payment undone before it was settled",
    "fee_returned": "Refund of the payment",
    "payout_returned": "Not credited by the bank",
    "payout_found": "Credited by the bank after it had said no",
    "payout_found_returned": "Not credited by the bank",
    "payout_sent_back": "Sent back by the beneficiary's bank",
}
_NETWORKS: Final = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "rupay": "RuPay",
    "amex": "American Express",
    "diners": "Diners Club",
    "maestro": "Maestro",
    "jcb": "JCB",
}
# The UTR tells how a payout went: RTGS 22 letters, NEFT 16, IMPS the 12 digits of an RRN.
_RTGS: Final = re.compile(r"[A-Z]{4}R[A-Z0-9]\d{16}")
_NEFT: Final = re.compile(r"[A-Z]{4}[A-Z0-9]\d{11}|[A-Z]{4}[A-Z0-9]{12}")
_IMPS: Final = re.compile(r"\d{12}")
_LAST_FOUR: Final = re.compile(r"\d{4}\Z")


def lines_of(opening_minor: int, movements: Iterable[Movement], rates: Rates) -> Iterator[Line]:
    """Lines with a running balance; their debits and credits are the movements' net amounts."""
    balance_minor, number = opening_minor, 0
    for movement in movements:
        mode, counterparty = _mode(movement), _counterparty(movement)
        for part in _parts(movement, rates):
            balance_minor += part.amount_minor
            number += 1
            yield Line(
                number=number,
                date=movement.date,
                value_date=movement.value_date,
                at=movement.at_time,
                kind=part.kind,
                mode="Charge" if part.charge else mode,
                description=part.description,
                reference=_reference(movement),
                rail_reference=movement.rail_reference,
                counterparty="" if part.charge else counterparty,
                original_date=movement.original_date,
                reason=_reason(movement, part),
                charge=part.charge,
                rate_bps=part.rate_bps,
                sac=part.sac,
                debit_minor=max(-part.amount_minor, 0),
                credit_minor=max(part.amount_minor, 0),
                balance_minor=balance_minor,
                transaction_id=movement.transaction_id,
            )


def charges_of(lines: Iterable[Line]) -> list[Charge]:
    """Fees by name and taxes by rate, in the order in which they first appear."""
    found: dict[tuple[str, int | None], list[Line]] = {}
    for line in lines:
        if line.charge:
            found.setdefault((line.charge, line.rate_bps), []).append(line)
    return [
        Charge(
            name=name,
            kind=group[0].kind if group[0].kind in {"tax", "tds"} else "fee",
            rate_bps=rate,
            sac=group[0].sac,
            count=len(group),
            charged_minor=sum(line.debit_minor for line in group),
            returned_minor=sum(line.credit_minor for line in group),
        )
        for (name, rate), group in found.items()
    ]


def _parts(movement: Movement, rates: Rates) -> Sequence[_Part]:
    taxes = (
        ("IGST", movement.igst_minor, 1),
        ("CGST", movement.cgst_minor, 2),
        ("SGST", movement.sgst_minor, 2),
    )
    tax_minor = sum(minor for _, minor, _ in taxes)
    # The charges were taken from the principal, which is what remains when they are added back.
    principal_minor = movement.net_minor + movement.fee_minor + tax_minor + movement.tds_minor
    back = " returned" if movement.fee_minor + tax_minor < 0 else ""
    gst = rates.on(movement.date)
    parts = [
        _Part(movement.kind, _title(movement), principal_minor),
        _fee(movement, back, gst.sac),
        *(
            _Part("tax", f"{name} on the fee{back}", -minor, name, gst.gst_bps // share, gst.sac)
            for name, minor, share in taxes
        ),
        _tds(movement),
    ]
    return [part for part in parts if part.amount_minor]


def _fee(movement: Movement, back: str, sac: str) -> _Part:
    name = _CHARGE_NAMES.get(movement.kind, MDR)
    if movement.kind in CHARGES:
        return _Part(movement.kind, _title(movement), -movement.fee_minor, name, None, sac)
    return _Part("fee", f"Fee{back} ({MDR.lower()})", -movement.fee_minor, name, None, sac)


def _tds(movement: Movement) -> _Part:
    section = f", section {movement.tds_section}" if movement.tds_section else ""
    title = f"Tax deducted at source{section}"
    return _Part("tds", title, -movement.tds_minor, f"TDS{section}", movement.tds_bps)


def _title(movement: Movement) -> str:
    plain = movement.kind.replace("_", " ").capitalize()
    title = _CHARGE_NAMES.get(movement.kind) or _TITLES.get(movement.kind, plain)
    words = [title]
    if movement.payout_id:
        words = [_ORDERED if movement.kind in _SENT else title, movement.payout_id]
    elif movement.kind.startswith("payout_"):
        words += _settled(movement)
    elif movement.dispute_id:
        words.append(movement.dispute_id)
    elif movement.kind.startswith("escrow_"):
        words.append(movement.reference)
    return ", ".join(words)


def _settled(movement: Movement) -> list[str]:
    """Which settlement is paid out, and of which days."""
    first, last = movement.settled_from, movement.settled_to
    named = [movement.settlement_id] if movement.settlement_id else []
    if first is None or last is None:
        return named
    days = f"{first:%d %b %Y}" if first == last else f"{first:%d %b} to {last:%d %b %Y}"
    return [*named, f"business of {days}"]


def _mode(movement: Movement) -> str:
    if movement.kind.startswith("payout"):
        by_upi = "@" in movement.beneficiary
        return "UPI" if by_upi else _payout_mode(movement.rail_reference)
    if movement.kind.startswith("dispute"):
        return "Dispute"
    if movement.kind.startswith("escrow_"):
        return "Escrow"
    if movement.method == "upi":
        return "UPI"
    if movement.method == "card":
        return f"{_NETWORKS.get(movement.network, movement.network.capitalize())} card".strip()
    return "Transfer"


def _payout_mode(utr: str) -> str:
    for mode, shape in (("RTGS", _RTGS), ("NEFT", _NEFT), ("IMPS", _IMPS)):
        if shape.fullmatch(utr):
            return mode
    return "Bank transfer"


def _counterparty(movement: Movement) -> str:
    """As far as it may be shown: a payer's bank handle or last four digits, a payout's bank."""
    if movement.kind.startswith("payout"):
        account = f"account ending {movement.account_last4}" if movement.account_last4 else ""
        if "@" in movement.beneficiary:
            return movement.beneficiary
        return ", ".join(filter(None, (movement.ifsc, account)))
    if movement.method == "upi":
        _, at, handle = movement.instrument.rpartition("@")
        return f"…@{handle}" if at else ""
    found = _LAST_FOUR.search(movement.instrument)
    return f"card ending {found[0]}" if found and movement.method == "card" else ""


def _reference(movement: Movement) -> str:
    return movement.payment_id or movement.reference


def _reason(movement: Movement, part: _Part) -> str:
    if part.kind in {"fee", "tax", "tds"} and movement.kind == "capture":
        return ""
    told = movement.reason.replace("_", " ") or _REASONS.get(movement.kind, "")
    code = f" ({movement.reason_code})" if movement.reason_code else ""
    return f"{told}{code}".strip()
