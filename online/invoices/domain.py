"""What a tax document says, its kind and its number. Pure.

Particulars after CGST Rules 46 (invoice) and 53 (credit note). A document is dated with the last
day of its month, which decides its financial year; it is of a closed month, so that its amounts
move no more.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import ClassVar, Final, Literal
from uuid import UUID

import msgspec

from online.kernel.errors import Conflict
from online.kernel.months import Month
from online.ledger.charges import ChargeSum

Kind = Literal["invoice", "credit_note"]
CONTENT_TYPES: Final = {"pdf": "application/pdf", "json": "application/json"}
LONGEST_NUMBER: Final = 16  # characters, CGST Rule 46(b)
_MOST: Final = 999_999


class PeriodOpen(Conflict):
    """The month still takes entries: what was charged in it may change."""

    code: ClassVar[str] = "period_open"


class InvoiceMismatch(Conflict):
    """The sums differ from the books, or from the document that was issued."""

    code: ClassVar[str] = "invoice_mismatch"


class SeriesExhausted(Conflict):
    """A financial year has more documents than a series has numbers."""

    code: ClassVar[str] = "series_exhausted"


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a supply; without a GSTIN it is not registered."""

    legal_name: str
    gstin: str | None
    address: str | None
    state_code: str
    state: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts are minor units, in the direction of the document: what an invoice gives back, and
    what a credit note charges, is negative."""

    description: str
    sac: str
    count: int
    rate_bps: int
    value: int
    igst: int
    cgst: int
    sgst: int


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice that a credit note corrects."""

    number: str
    issued_on: date


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A tax invoice or credit note, whole: what its files show, and nothing else is needed to
    render them. `total` = `value` + `igst` + `cgst` + `sgst`, `exempt` is part of `value`."""

    kind: Kind
    number: str
    issued_on: date
    month: str
    merchant_id: str
    currency: str
    livemode: bool
    supplier: Party
    recipient: Party
    place_of_supply: str
    sac: str
    sac_title: str
    lines: list[Line]
    value: int
    exempt: int
    igst: int
    cgst: int
    sgst: int
    total: int
    against: list[Reference]


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `invoices`."""

    id: UUID
    merchant_id: UUID
    month: date
    currency: str
    kind: Kind
    series: str
    sequence: int
    number: str
    issued_on: date
    total_minor: int
    document: Document
    livemode: bool
    created_at: datetime


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What offline says a merchant was charged in a month; `original_months` are those in which
    what is given back was charged."""

    merchant_id: UUID
    month: Month
    currency: str
    charges: list[ChargeSum]
    original_months: list[Month]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a document of a day says beside the charges."""

    supplier: Party
    series: Mapping[Kind, str]
    sac: str
    sac_title: str
    gst_bps: int
    services: Mapping[str, str]


def comes_to_nothing(charges: Sequence[ChargeSum]) -> bool:
    """Nothing was charged, or as much was given back: there is no document to issue."""
    parts = ("fee_minor", "igst_minor", "cgst_minor", "sgst_minor")
    return not any(sum(getattr(charge, part) for charge in charges) for part in parts)


def kind_of(charges: Sequence[ChargeSum]) -> Kind:
    """A merchant that was given back more than it was charged gets a credit note."""
    fee, tax = sum(c.fee_minor for c in charges), sum(c.tax_minor for c in charges)
    return "invoice" if (fee + tax, tax) > (0, 0) else "credit_note"


def series_of(kind: Kind, month: Month, terms: Terms) -> str:
    """`KHI/26-27`: a series begins anew with each financial year."""
    return f"{terms.series[kind]}/{month.financial_year}"


def number_of(series: str, sequence: int) -> str:
    if sequence > _MOST:
        raise SeriesExhausted(f"{series} has given all its numbers")
    return f"{series}/{sequence:06d}"


def document(
    draft: Draft,
    number: str,
    recipient: Party,
    against: Sequence[Reference],
    terms: Terms,
    *,
    merchant_id: str,
    livemode: bool,
) -> Document:
    """The document of a draft that equals the books."""
    kind = kind_of(draft.charges)
    sign = 1 if kind == "invoice" else -1
    lines = [_line(charge, sign, terms) for charge in draft.charges]
    value, igst, cgst, sgst = (
        sum(getattr(line, name) for line in lines) for name in ("value", "igst", "cgst", "sgst")
    )
    return Document(
        kind=kind,
        number=number,
        issued_on=draft.month.last,
        month=str(draft.month),
        merchant_id=merchant_id,
        currency=draft.currency,
        livemode=livemode,
        supplier=terms.supplier,
        recipient=recipient,
        place_of_supply=f"{recipient.state_code} {recipient.state}".strip(),
        sac=terms.sac,
        sac_title=terms.sac_title,
        lines=lines,
        value=value,
        exempt=sum(line.value for line in lines if line.rate_bps == 0),
        igst=igst,
        cgst=cgst,
        sgst=sgst,
        total=value + igst + cgst + sgst,
        against=list(against),
    )


def _line(charge: ChargeSum, sign: int, terms: Terms) -> Line:
    words = [terms.services.get(charge.service, charge.service.capitalize())]
    if charge.returned:
        words.append("returned with refunds and reversals")
    if not charge.taxed:
        words.append("without GST (exempt, or less than half a paisa)")
    return Line(
        description=", ".join(words),
        sac=terms.sac,
        count=charge.count,
        rate_bps=terms.gst_bps if charge.taxed else 0,
        value=sign * charge.fee_minor,
        igst=sign * charge.igst_minor,
        cgst=sign * charge.cgst_minor,
        sgst=sign * charge.sgst_minor,
    )


def charges_differ(asked: Sequence[ChargeSum], books: Sequence[ChargeSum]) -> str | None:
    """Where they differ, for a person; None when they are the same."""
    if sorted(asked) == sorted(books):
        return None

    def sums(charges: Sequence[ChargeSum]) -> str:
        fee, tax = sum(c.fee_minor for c in charges), sum(c.tax_minor for c in charges)
        return f"fees {fee} and tax {tax} in {sum(c.count for c in charges)} charges"

    return f"{sums(asked)}; the books have {sums(books)}"
