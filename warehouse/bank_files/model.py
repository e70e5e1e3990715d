"""What a bank file says, whatever its format.

Belongs here: the values a reader returns. Does not: how any format is read, or where rows go.
"""

from datetime import date, datetime

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a file cannot be trusted: where, which field, what it says, what is wrong."""

    line: int
    field: str
    value: str
    reason: str


class BankLine(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a statement, credit positive."""

    amount_minor: int
    currency: str
    value_date: date | None
    booking_date: date | None
    reference: str
    narrative: str
    details: list[dict[str, str]] = []
    bank_reference: str = ""
    pending: bool = False


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One account's entries in a file, in file order, with the balances it states."""

    account: str
    currency: str
    opening_minor: int | None
    closing_minor: int | None
    lines: list[BankLine]
    statement_id: str = ""
    opening_date: date | None = None
    closing_date: date | None = None
    issued_at: datetime | None = None  # when the bank made it, where it says so


class RailRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a rail's settlement file; refunds, reversals and chargebacks are negative."""

    row_no: int
    rail: str
    settlement_id: str
    settled_on: date
    txn_time: datetime | None
    rrn: str
    network_ref: str
    order_ref: str
    row_type: str
    status: str
    currency: str
    gross_minor: int
    fee_minor: int
    tax_minor: int
    net_minor: int
    utr: str


class DisputeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a rail's list of disputes; `original_reference` is the attempt that paid."""

    row_no: int
    rail: str
    reported_on: date
    reference: str
    original_reference: str
    amount_minor: int
    currency: str
    reason_code: str
    status: str
    respond_by: datetime


class BankFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as read: usable only when it has no problems."""

    name: str
    format: str
    statements: list[Statement] = []
    rail_rows: list[RailRow] = []
    dispute_rows: list[DisputeRow] = []
    problems: list[Problem] = []
    control: dict[str, int] = {}
