"""A bank in memory and short ways to use it."""

import sqlite3
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from online.kernel.clock import IST, FixedClock
from online.sandbox import closing, wire
from online.sandbox.bank import Bank, Reply
from online.sandbox.behaviour import Operation
from online.sandbox.closing import BankFile
from online.sandbox.rails import RAILS
from online.sandbox.wire import Answer
from online.sandbox.writer import connect

DAY = date(2026, 11, 16)
MORNING = datetime(2026, 11, 16, 10, 0, tzinfo=IST).astimezone(UTC)


class Desk:
    """One bank with its records and a clock that stands still."""

    def __init__(self, seed: int = 7, at: datetime = MORNING) -> None:
        self.clock = FixedClock(at)
        self.seed = seed
        self.bank = Bank(self.clock, seed)
        self.db: sqlite3.Connection = connect(":memory:")
        self._numbers = count(1)

    def send(self, rail: str, operation: Operation, amount: int, **fields: Any) -> Reply:
        """An operation with a reference of its own, which `last` then has."""
        key, scripted = fields.pop("key", None), fields.pop("scripted", None)
        self.last = fields.pop("reference", None) or f"att_{next(self._numbers):026d}"
        request = wire.OperationRequest(self.last, amount, "INR", **fields)
        wire.check_shape(RAILS[rail], operation, request)
        self.clock.advance(timedelta(milliseconds=250))
        return self.bank.operate(
            self.db,
            RAILS[rail],
            operation,
            request,
            idempotency_key=key or self.last,
            scripted=scripted,
        )

    def pay(self, amount: int, *, rail: str = "upi_hdfc", capture: bool = True) -> str:
        """An approved payment; gives its reference."""
        part = {"upi": upi()} if RAILS[rail].method == "upi" else {"card": card()}
        answer = answered(self.send(rail, "authorize", amount, capture=capture, **part))
        assert answer.status == "approved"
        return self.last

    def after(self, operation: Operation, original: str, amount: int, rail: str) -> Answer:
        """A capture, void or refund of an earlier payment."""
        return answered(self.send(rail, operation, amount, original_reference=original))

    def payout(self, amount: int, name: str = "Sagar Kirana Stores") -> str:
        beneficiary = wire.Beneficiary(account="919020000001", ifsc="UTIB0000123", name=name)
        answered(self.send("bank_hdfc", "payout", amount, beneficiary=beneficiary))
        return self.last

    def enquire(self, reference: str, rail: str = "upi_hdfc") -> Answer:
        return self.bank.enquire(self.db, RAILS[rail], reference)

    def close(self, day: date) -> dict[str, bytes]:
        """Close a day, at one o'clock of the next night."""
        night = datetime.combine(day + timedelta(days=1), datetime.min.time(), IST)
        self.clock.at = max(self.clock.at, night.astimezone(UTC) + timedelta(hours=1))
        files: list[BankFile] = closing.close_day(self.db, day, seed=self.seed)
        return {file.name: file.content for file in files}


def answered(reply: Reply) -> Answer:
    assert reply.answer is not None
    return reply.answer


def upi(payer_vpa: str | None = "ravi@ybl", flow: str = "intent") -> wire.UpiPart:
    return wire.UpiPart(flow, "khata@hdfcbank", payer_vpa)  # type: ignore[arg-type]


def card(pan: str = "4242424242424242") -> wire.CardPart:
    return wire.CardPart(pan, 12, 2031)
