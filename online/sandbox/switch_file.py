"""A rail's settlement file of a cycle, or of a day: rows, what the rail charges, and the CSV text.

Belongs here: lines, fees, totals, rendering. Does not: which rows go wrong (`faults.py`) and
when a day closes (`closing.py`).
"""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, Literal

import msgspec

from online.kernel.clock import IST
from online.kernel.money import divide_half_even, format_minor
from online.sandbox import numbers
from online.sandbox.rails import CURRENCY, GST_BPS, RAILS, Rail

HEADER: Final = (
    *("Record", "Rail", "Settlement Id", "Settled On", "Txn Time", "RRN", "Network Ref"),
    *("Order Ref", "Type", "Status", "Currency", "Gross Amount", "Fee", "GST", "Net Amount"),
    "UTR",
)


P2P_HEADER: Final = (
    *("Record", "Rail", "Extract Id", "Settled On", "Txn Time", "RRN", "UPI Txn Id", "Order Ref"),
    *("Type", "Status", "Currency", "Amount"),
)
P2P: Final = frozenset({"P2P", "P2P_RETURN"})

LineType = Literal["PAY", "REFUND", "REVERSAL", "CHARGEBACK", "P2P", "P2P_RETURN"]


class Line(msgspec.Struct, frozen=True):
    """One row of the file; what goes back to the payer is negative. A reversal says what it
    returns of the payment's charges.
    """

    rail: str
    type: LineType
    order_ref: str
    moved_at: datetime
    rrn: str
    network_ref: str | None
    gross_minor: int
    fee_back_minor: int = 0
    gst_back_minor: int = 0
    status: Literal["SUCCESS", "FAILED"] = "SUCCESS"

    @property
    def fee_minor(self) -> int:
        """The rail's charge: on payments only, rounded half-even a line."""
        if self.type != "PAY":
            return -self.fee_back_minor
        return charges(RAILS[self.rail], self.gross_minor)[0]

    @property
    def gst_minor(self) -> int:
        if self.type != "PAY":
            return -self.gst_back_minor
        return charges(RAILS[self.rail], self.gross_minor)[1]

    @property
    def net_minor(self) -> int:
        return self.gross_minor - self.fee_minor - self.gst_minor


class Settlement(msgspec.Struct, frozen=True):
    """What a rail settles for one cycle (0: all day): the lines, and the credit they promise."""

    settlement_id: str
    rail: str
    settled_on: date
    utr: str
    lines: tuple[Line, ...]
    cycle: int = 0

    @property
    def net_minor(self) -> int:
        return sum(line.net_minor for line in self.lines)

    @property
    def file_name(self) -> str:
        part = f"_c{self.cycle:02d}" if self.cycle else ""
        return f"{self.rail}_settlement_{self.settled_on.isoformat()}{part}.csv"


class Extract(msgspec.Struct, frozen=True):
    """What people have sent each other over a switch in one cycle: none of it is settled to us."""

    extract_id: str
    rail: str
    settled_on: date
    lines: tuple[Line, ...]
    cycle: int

    @property
    def file_name(self) -> str:
        return f"{self.rail}_p2p_{self.settled_on.isoformat()}_c{self.cycle:02d}.csv"


def charges(rail: Rail, gross_minor: int) -> tuple[int, int]:
    """The fee of a payment and the GST on it, each rounded half-even."""
    fee_minor = divide_half_even(gross_minor * rail.fee_bps, 10_000)
    return fee_minor, divide_half_even(fee_minor * GST_BPS, 10_000)


def settlement(
    rail: Rail, settled_on: date, lines: Sequence[Line], seed: int, *, cycle: int = 0
) -> Settlement:
    """The settlement of a rail's cycle or day, with its id and UTR."""
    # Of fixed width: no id is the beginning of another.
    part = f"C{cycle:02d}" if cycle else ""
    settlement_id = f"{rail.settlement_prefix}{settled_on:%Y%m%d}{part}"
    utr = numbers.settlement_utr(rail.bank_code, seed, settlement_id, settled_on)
    return Settlement(settlement_id, rail.name, settled_on, utr, tuple(lines), cycle)


def render(settled: Settlement) -> bytes:
    """The CSV: header, a `D` row a line, a `T` row with the count (under RRN) and the totals."""
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(HEADER)
    day = settled.settled_on.isoformat()
    head = (settled.rail, settled.settlement_id, day)
    for line in settled.lines:
        moved_at = line.moved_at.astimezone(IST).isoformat(timespec="seconds")
        amounts = _amounts(line.gross_minor, line.fee_minor, line.gst_minor)
        reference = (line.rrn, line.network_ref or "", line.order_ref, line.type)
        out.writerow(
            ("D", *head, moved_at, *reference, line.status, CURRENCY, *amounts, settled.utr)
        )
    totals = _amounts(
        sum(line.gross_minor for line in settled.lines),
        sum(line.fee_minor for line in settled.lines),
        sum(line.gst_minor for line in settled.lines),
    )
    count = str(len(settled.lines))
    out.writerow(("T", *head, "", count, "", "", "", "", CURRENCY, *totals, settled.utr))
    return text.getvalue().encode()


def extract(rail: Rail, settled_on: date, lines: Sequence[Line], *, cycle: int) -> Extract:
    """The extract of a switch's cycle, with its id."""
    extract_id = f"{rail.settlement_prefix}{settled_on:%Y%m%d}C{cycle:02d}P2P"
    return Extract(extract_id, rail.name, settled_on, tuple(lines), cycle)


def render_p2p(found: Extract) -> bytes:
    """The CSV of an extract: header, a `D` row a line, a `T` row with the count (under RRN) and the
    sum, what went back taken off."""
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(P2P_HEADER)
    head = (found.rail, found.extract_id, found.settled_on.isoformat())
    for line in found.lines:
        moved_at = line.moved_at.astimezone(IST).isoformat(timespec="seconds")
        reference = (line.rrn, line.network_ref or "", line.order_ref, line.type)
        amount = format_minor(line.gross_minor, CURRENCY)
        out.writerow(("D", *head, moved_at, *reference, line.status, CURRENCY, amount))
    total = format_minor(sum(line.gross_minor for line in found.lines), CURRENCY)
    count = str(len(found.lines))
    out.writerow(("T", *head, "", count, "", "", "", "", CURRENCY, total))
    return text.getvalue().encode()


def _amounts(gross_minor: int, fee_minor: int, gst_minor: int) -> tuple[str, str, str, str]:
    net_minor = gross_minor - fee_minor - gst_minor
    gross, fee, gst, net = (
        format_minor(minor, CURRENCY) for minor in (gross_minor, fee_minor, gst_minor, net_minor)
    )
    return gross, fee, gst, net
