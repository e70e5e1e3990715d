"""A ledger and its bank files: postings as online makes them, files as banks send them."""

import json
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import polars as pl

from online.kernel import ids
from online.kernel.clock import IST
from online.sandbox import camt, switch_file
from online.sandbox.rails import ACCOUNTS, RAILS
from warehouse.bank_files.load import LoadResult, load_file
from warehouse.connection import Warehouse

DAY = date(2026, 11, 16)
NEXT_DAY = DAY + timedelta(days=1)
MERCHANT = ids.derived("merchant", "Chai")
MERCHANT_ID = ids.encode("mrc", MERCHANT)
PENDING, PAYABLE = f"merchant:{MERCHANT_ID}:pending", f"merchant:{MERCHANT_ID}:payable"
DISPUTED = f"merchant:{MERCHANT_ID}:disputed"


def noon(day: date, minute: int = 0) -> datetime:
    return datetime.combine(day, time(12), IST) + timedelta(minutes=minute)


def charges(amount: int) -> tuple[int, int]:
    """Fee and tax of a capture in these books."""
    fee = amount * 2 // 100
    return fee, fee * 18 // 100


def _dispute(name: str) -> str:
    return ids.encode("dsp", ids.derived("dispute", name))


def _about(name: str) -> str:
    """Of a dispute of the capture `name`."""
    attempt = ids.encode("att", ids.derived("attempt", name))
    about = {"payment_id": f"pay_{name}", "dispute_id": _dispute(name), "attempt_id": attempt}
    return json.dumps({**about, "method": "upi"})


class Books:
    """Writes balanced transactions straight into the raw tables."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.accounts: dict[str, UUID] = {}
        self.balances: dict[UUID, tuple[int, int]] = {}
        warehouse.execute(
            "INSERT INTO raw_merchants"
            " (id, name, legal_name, mcc, state_code, settlement_days, livemode)"
            " VALUES ($id, 'Chai & Sons', 'Chai & Sons', '5411', '27', 1, false)",
            id=MERCHANT,
        )

    def account(self, code: str) -> UUID:
        if code not in self.accounts:
            self.accounts[code] = ids.derived("account", code, "INR", "False", "0")
            self.warehouse.execute(
                "INSERT INTO raw_accounts VALUES ($id, $code, 0, 'INR', 'C', $merchant, false)",
                id=self.accounts[code],
                code=code,
                merchant=_owner(code),
            )
        return self.accounts[code]

    def post(
        self,
        kind: str,
        reference: str,
        legs: list[tuple[str, int]],
        at: datetime,
        metadata: str = "{}",
    ) -> None:
        assert sum(amount for _, amount in legs) == 0
        transaction = ids.derived("transaction", kind, reference)
        self.warehouse.execute(
            "INSERT INTO raw_transactions (id, cause, kind, reference, merchant_id, business_date,"
            " effective_at, livemode, metadata)"
            " VALUES ($id, $id, $kind, $reference, $merchant, $day, $at, false, $metadata)",
            id=transaction,
            kind=kind,
            reference=reference,
            merchant=MERCHANT,
            day=at.astimezone(IST).date(),
            at=at,
            metadata=metadata,
        )
        rows = [self._entry(transaction, number, leg, at) for number, leg in enumerate(legs)]
        self.warehouse.append("raw_entries", pl.DataFrame(rows))

    def _entry(
        self, transaction: UUID, number: int, leg: tuple[str, int], at: datetime
    ) -> Mapping[str, object]:
        code, amount = leg
        account = self.account(code)
        version, balance = self.balances.get(account, (0, 0))
        self.balances[account] = (version + 1, balance + amount)
        return {
            "id": str(ids.derived("entry", str(transaction), str(number))),
            "transaction_id": str(transaction),
            "account_id": str(account),
            "account_version": version + 1,
            "amount_minor": amount,
            "currency": "INR",
            "entry_type": "DEBIT" if amount < 0 else "CREDIT",
            "balance_after": balance + amount,
            "layer": "posted",
            "business_date": at.astimezone(IST).date(),
            "effective_at": at,
            "created_at": at,
            "livemode": False,
        }

    def capture(self, name: str, amount: int, at: datetime, rail: str = "upi_hdfc") -> str:
        """Returns the reference that the rail's file will name."""
        reference = ids.encode("att", ids.derived("attempt", name))
        fee, tax = charges(amount)
        legs = [
            (f"rail:{rail}:receivable", -amount),
            (PENDING, amount),
            (PENDING, -fee - tax),
            ("fees:mdr", fee),
            ("tax:igst", tax),
        ]
        metadata = f'{{"payment_id": "pay_{name}", "method": "upi", "rail_reference": "{name}"}}'
        self.post("capture", reference, [leg for leg in legs if leg[1]], at, metadata)
        return reference

    def refund(self, name: str, amount: int, at: datetime, rail: str = "upi_hdfc") -> str:
        reference = ids.encode("att", ids.derived("attempt", name))
        payable = f"refunds:{rail}:payable"
        self.post("refund", f"rfd_{name}", [(PENDING, -amount), (payable, amount)], at)
        receivable = f"rail:{rail}:receivable"
        self.post("refund_confirmed", reference, [(payable, -amount), (receivable, amount)], at)
        return reference

    def reverse(self, name: str, of: str, amount: int, at: datetime, rail: str = "upi_hdfc") -> str:
        """The capture `of` undone, its fee and tax with it."""
        reference = ids.encode("att", ids.derived("attempt", name))
        fee, tax = charges(amount)
        legs = [
            (f"rail:{rail}:receivable", amount),
            (PENDING, -amount),
            (PENDING, fee + tax),
            ("fees:mdr", -fee),
            ("tax:igst", -tax),
        ]
        metadata = f'{{"payment_id": "pay_{of}", "method": "upi", "rail_reference": "{name}"}}'
        self.post("reversal", reference, [leg for leg in legs if leg[1]], at, metadata)
        return reference

    def return_fee(self, name: str, fee: int, tax: int, at: datetime) -> None:
        """What a refund gives back of the fee."""
        legs = [(PENDING, fee + tax), ("fees:mdr", -fee), ("tax:igst", -tax)]
        self.post("fee_returned", ids.encode("att", ids.derived("attempt", name)), legs, at)

    def dispute(self, name: str, amount: int, at: datetime) -> None:
        legs = [(PENDING, -amount), (DISPUTED, amount)]
        self.post("dispute_opened", _dispute(name), legs, at, _about(name))

    def win(self, name: str, amount: int, at: datetime) -> None:
        legs = [(DISPUTED, -amount), (PENDING, amount)]
        self.post("dispute_won", _dispute(name), legs, at, _about(name))

    def lose(self, name: str, amount: int, at: datetime, rail: str = "upi_hdfc") -> str:
        """Returns the rail's reference of the dispute, which its file will name."""
        reference = f"RAILDSP{name}"
        legs = [(DISPUTED, -amount), (f"rail:{rail}:receivable", amount)]
        self.post("dispute_lost", reference, legs, at, _about(name))
        return reference

    def dispute_fee(self, name: str, fee: int, tax: int, at: datetime) -> None:
        legs = [(PENDING, -fee - tax), ("fees:dispute", fee), ("tax:igst", tax)]
        self.post("dispute_fee", _dispute(name), legs, at, _about(name))

    def settled(self, day: date) -> None:
        """Online has accepted the batch of a day."""
        settlement = ids.derived("settlement", MERCHANT_ID, day.isoformat(), "INR")
        self.warehouse.execute(
            "INSERT INTO raw_events (id, aggregate_id, aggregate_type, event_type, version,"
            ' "timestamp", merchant_id, data, metadata, livemode, xid) VALUES ($id, $id,'
            " 'settlement', 'settlement.created', 1, $at, $merchant, $data, '{}', false, 1)",
            id=settlement,
            at=noon(day + timedelta(days=1)),
            merchant=MERCHANT,
            data=f'{{"business_date": "{day}", "currency": "INR"}}',
        )

    def pay_out(self, name: str, amount: int, at: datetime) -> str:
        reference = ids.encode("att", ids.derived("attempt", name))
        self.post("settlement", f"stl_{name}", [(PENDING, -amount), (PAYABLE, amount)], at)
        in_transit = "payouts:bank_hdfc:in_transit"
        about = f'{{"settlement_id": "stl_{name}"}}'
        self.post("payout_sent", reference, [(PAYABLE, -amount), (in_transit, amount)], at, about)
        return reference


def rail_line(
    reference: str,
    amount: int,
    at: datetime,
    rail: str = "upi_hdfc",
    type: switch_file.LineType | None = None,  # noqa: A002 - the file's own word
) -> switch_file.Line:
    """A row of a rail's file; of a reversal, with the charges of the payment given back."""
    fee, gst = switch_file.charges(RAILS[rail], -amount) if type == "REVERSAL" else (0, 0)
    return switch_file.Line(
        rail=rail,
        type=type or ("PAY" if amount >= 0 else "REFUND"),
        order_ref=reference,
        moved_at=at,
        rrn=str(ids.derived("rrn", reference).int)[:12],
        network_ref=None,
        gross_minor=amount,
        fee_back_minor=fee,
        gst_back_minor=gst,
    )


def rail_file(
    lines: list[switch_file.Line], settled_on: date, rail: str = "upi_hdfc"
) -> switch_file.Settlement:
    return switch_file.settlement(RAILS[rail], settled_on, lines, seed=1)


def bank_file(day: date, opening: int, *entries: camt.StatementEntry) -> camt.Statement:
    return camt.Statement(ACCOUNTS["hdfc"], day, 1, opening, list(entries))


def credit(settled: switch_file.Settlement) -> camt.StatementEntry:
    narrative = f"UPI SETTLEMENT {settled.settlement_id}"
    return camt.StatementEntry(
        "settlement", settled.net_minor, settled.utr, settled.settlement_id, narrative
    )


def receive(warehouse: Warehouse, folder: Path, name: str, content: bytes) -> LoadResult:
    path = folder / name
    path.write_bytes(content)
    return load_file(warehouse, path, received_at=noon(NEXT_DAY))


def stage(warehouse: Warehouse, *days: date) -> None:
    for day in days:
        for table in ("stg_ledger_rows", "stg_payout_rows", "stg_rail_rows", "stg_bank_lines"):
            warehouse.replace_day(table, table, day=day)


def _owner(code: str) -> UUID | None:
    head, _, rest = code.partition(":")
    return ids.decode("mrc", rest.partition(":")[0]) if head == "merchant" else None
