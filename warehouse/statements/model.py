"""What a statement is: its holder, lines, totals and editions.

Belongs here: shapes and the content's hash. Does not: reading the lake (`build.py`), the words of
a line (`lines.py`), or how it looks (`render.py`, `pdf.py`).

Amounts are minor units of `currency`; `docs/statement.schema.json` is made from these types.
"""

import datetime as dt
import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

FORM = 2  # the layout of this document; it changes when a field does


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account it is; names as they were when the statement was made."""

    merchant_id: str
    name: str
    legal_name: str
    address: str = ""
    gstin: str = ""
    state_code: str = ""


class Supplier(msgspec.Struct, frozen=True, kw_only=True):
    """Who charged the fees: ourselves, as on the tax invoice."""

    legal_name: str
    gstin: str = ""
    address: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of the merchant's money: a principal, or one charge that came with it."""

    number: int
    date: Annotated[dt.date, Meta(description="posting date: the business day in India")]
    value_date: dt.date
    at: dt.datetime
    kind: Annotated[str, Meta(description="the posting's kind, or fee, tax, tds")]
    mode: Annotated[str, Meta(description="UPI, Visa card, NEFT, dispute, …")]
    description: str
    reference: Annotated[str, Meta(description="ours: payment, refund, settlement or dispute")]
    rail_reference: Annotated[str, Meta(description="RRN or UTR")] = ""
    counterparty: Annotated[str, Meta(description="masked; a payout's bank")] = ""
    original_date: Annotated[
        dt.date | None, Meta(description="of the entry that is given back or undone")
    ] = None
    reason: str = ""
    charge: Annotated[str, Meta(description="what a fee or tax is called; else empty")] = ""
    rate_bps: int | None = None
    sac: str = ""
    debit_minor: int
    credit_minor: int
    balance_minor: int
    transaction_id: str


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """All lines of one fee, or of one tax and rate."""

    name: str
    kind: str
    rate_bps: int | None
    sac: str
    count: int
    charged_minor: int
    returned_minor: int

    @property
    def net_minor(self) -> int:
        return self.charged_minor - self.returned_minor


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Where the closing balance is; they add up to it."""

    pending_minor: int
    payable_minor: int
    reserve_minor: int
    escrow_minor: int
    disputed_minor: int

    def total_minor(self) -> int:
        return sum(msgspec.structs.astuple(self))


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """How a line differs from the edition that is replaced; numbers are those of each edition."""

    change: Literal["added", "removed", "changed"]
    field: Annotated[str, Meta(description="what changed, of a changed line")] = ""
    before: str = ""
    after: str = ""
    line: Line


class Replaced(msgspec.Struct, frozen=True, kw_only=True):
    """The edition before this one, and by how much the balances moved."""

    edition: int
    snapshot: int
    opening_minor: int
    closing_minor: int


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """The last sealed day of the period: what the proof of the lines hangs on.

    `root` is the Merkle root of that day's ledger entries, `hash` that of the signed seal.
    """

    number: int
    day: dt.date
    root: str
    hash: str


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's account over a period; closing = opening + credits - debits.

    `fees_minor` and `tax_minor` are what was charged less what was given back. `number` is the
    place in the merchant's unbroken sequence of statements, `edition` counts what was given out
    for the same period; both are 0 for a reading that was never issued. `content_sha256` is the
    SHA-256 of this document as JSON with sorted keys, no white space, and an empty
    `content_sha256`.
    """

    form: int = FORM
    number: int = 0
    edition: int = 0
    issued_at: dt.datetime | None = None
    merchant_id: str
    holder: Holder
    supplier: Supplier
    currency: str
    livemode: bool
    start_date: dt.date
    end_date: dt.date
    snapshot: int
    snapshot_at: dt.datetime
    opening_minor: int
    closing_minor: int
    total_debit_minor: int
    total_credit_minor: int
    debit_count: int
    credit_count: int
    fees_minor: int
    tax_minor: int
    parts: Parts
    charges: list[Charge]
    lines: list[Line]
    replaces: Replaced | None = None
    changes: list[Change] = []
    seal: Seal | None = None
    content_sha256: str = ""

    @property
    def reference(self) -> str:
        """How people name it: the holder's last letters, the number, R1 for the second edition."""
        if not self.number:
            return f"{self.merchant_id[-8:].upper()}-DRAFT"
        revision = f"-R{self.edition - 1}" if self.edition > 1 else ""
        return f"{self.merchant_id[-8:].upper()}-{self.number:05d}{revision}"


# What may differ between two readings of the same books.
_ABOUT_THE_READING: dict[str, Any] = {
    "number": 0,
    "edition": 0,
    "issued_at": None,
    "snapshot": 0,
    "replaces": None,
    "changes": [],
    "seal": None,
    "content_sha256": "",
}


def books_sha256(statement: Statement) -> str:
    """The hash of what the books say of the period, whenever they were read."""
    at = statement.snapshot_at.min.replace(tzinfo=statement.snapshot_at.tzinfo)
    nobody = Holder(merchant_id=statement.merchant_id, name="", legal_name="")
    bare = msgspec.structs.replace(statement, snapshot_at=at, holder=nobody, **_ABOUT_THE_READING)
    return _digest(bare)


def sealed(statement: Statement) -> Statement:
    """The statement with the hash of its canonical content: every field but the hash itself."""
    digest = _digest(msgspec.structs.replace(statement, content_sha256=""))
    return msgspec.structs.replace(statement, content_sha256=digest)


def _digest(statement: Statement) -> str:
    return hashlib.sha256(msgspec.json.encode(statement, order="sorted")).hexdigest()
