"""Small worlds with a known truth for reconciliation: every break kind, rows in any order."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from online.kernel.clock import IST

DAY = date(2026, 11, 16)
Row = dict[str, object]


@dataclass
class World:
    """Ledger, rail and bank rows, and the breaks that must be found: (side, kind, row ids)."""

    rng: random.Random
    ledger: list[Row] = field(default_factory=list)
    rail: list[Row] = field(default_factory=list)
    bank: list[Row] = field(default_factory=list)
    truth: set[tuple[str, str, str]] = field(default_factory=set)
    number: int = 0

    def next(self) -> int:
        self.number += 1
        return self.number

    def expect(self, side: str, kind: str, *row_ids: object) -> None:
        self.truth.add((side, kind, ";".join(sorted(str(found) for found in row_ids))))

    def shuffled(self, seed: int) -> "World":
        rng = random.Random(seed)
        rows = [rng.sample(rows, len(rows)) for rows in (self.ledger, self.rail, self.bank)]
        return World(rng, *rows, truth=self.truth)


def _ledger(world: World, amount: int, **other: object) -> Row:
    number = world.next()
    at = datetime(2026, 11, 16, 10, tzinfo=IST) + timedelta(seconds=number % 36000)
    row: Row = {
        "entry_id": f"e{number:07}",
        "payment_id": f"p{number}",
        "kind": "capture",
        "reference": f"ref{number}",
        "amount_minor": amount,
        "currency": "INR",
        "direction": "debit",
        "status": "captured",
        "occurred_at": at.isoformat(),
        "route": "upi_hdfc",
        **other,
    }
    world.ledger.append(row)
    return row


def _rail(world: World, reference: object, amount: int, **other: object) -> Row:
    number = world.next()
    kind = other.get("type", "capture")
    gross = amount if kind == "capture" else -amount
    fee, tax = abs(amount) // 100, abs(amount) * 18 // 10_000
    if kind == "reversal":
        fee, tax = -fee, -tax
    elif kind != "capture":
        fee, tax = 0, 0
    row: Row = {
        "rail_ref": f"r{number:07}",
        "reference": reference,
        "order_id": reference,
        "type": "capture",
        "gross_minor": gross,
        "fee_minor": fee,
        "tax_minor": tax,
        "net_minor": gross - fee - tax,
        "currency": "INR",
        "status": "SUCCESS",
        "settled_on": DAY.isoformat(),
        "settlement_id": "UPIHDFC20261116",
        "utr": "HDFCR52026111600000001",
        **other,
    }
    world.rail.append(row)
    return row


def _good(world: World) -> None:
    row = _ledger(world, world.rng.randint(1, 10**7))
    _rail(world, row["reference"], int(str(row["amount_minor"])))


def _good_refund(world: World) -> None:
    row = _ledger(world, world.rng.randint(1, 10**5), kind="refund", status="refunded")
    _rail(world, row["reference"], int(str(row["amount_minor"])), type="refund")


def _good_reversal(world: World) -> None:
    amount = world.rng.randint(100, 10**6)
    row = _ledger(world, amount)
    _rail(world, row["reference"], amount)
    back = _ledger(world, amount, kind="reversal", payment_id=row["payment_id"])
    _rail(world, back["reference"], amount, type="reversal")


def _good_chargeback(world: World) -> None:
    row = _ledger(world, world.rng.randint(1, 10**5), kind="dispute_lost")
    _rail(world, row["reference"], int(str(row["amount_minor"])), type="chargeback")


def _reversal_in_the_ledger_only(world: World) -> None:
    row = _ledger(world, 5_100, kind="reversal")
    world.expect("rail", "reversed_unpaired", row["entry_id"])


def _reversal_in_the_file_only(world: World) -> None:
    row = _rail(world, f"x{world.next()}", 5_200, type="reversal")
    world.expect("rail", "reversed_unpaired", row["rail_ref"])


def _chargeback_in_the_file_only(world: World) -> None:
    row = _rail(world, f"x{world.next()}", 5_300, type="chargeback")
    world.expect("rail", "missing_internal", row["rail_ref"])


def _chargeback_in_the_ledger_only(world: World) -> None:
    row = _ledger(world, 5_400, kind="dispute_lost")
    world.expect("rail", "missing_external", row["entry_id"])


def _reversal_of_another_amount(world: World) -> None:
    row = _ledger(world, 5_500, kind="reversal")
    other = _rail(world, row["reference"], 5_499, type="reversal")
    world.expect("rail", "amount_mismatch", row["entry_id"], other["rail_ref"])


def _charges_kept(world: World, kind: str, **charges: int) -> None:
    """The rail gives the payment back and something of its own charges not."""
    row = _ledger(world, 10_000)
    _rail(world, row["reference"], 10_000)
    back = _ledger(world, 10_000, kind="reversal", payment_id=row["payment_id"])
    given = {"fee_minor": -100, "tax_minor": -18, **charges}
    net = -10_000 - given["fee_minor"] - given["tax_minor"]
    other = _rail(world, back["reference"], 10_000, type="reversal", net_minor=net, **given)
    world.expect("rail", kind, back["entry_id"], other["rail_ref"])


def _fee_kept(world: World) -> None:
    _charges_kept(world, "fee_mismatch", fee_minor=0)


def _tax_kept(world: World) -> None:
    _charges_kept(world, "tax_mismatch", tax_minor=-17)


def _reversal_of_a_row_that_is_wrong_itself(world: World) -> None:
    """What the rail charged for a row it has wrong proves nothing about what it gives back."""
    row = _ledger(world, 10_000)
    wrong = _rail(world, row["reference"], 20_000)
    back = _ledger(world, 10_000, kind="reversal", payment_id=row["payment_id"])
    _rail(world, back["reference"], 10_000, type="reversal")
    world.expect("rail", "amount_mismatch", row["entry_id"], wrong["rail_ref"])


def _missing_external(world: World) -> None:
    world.expect("rail", "missing_external", _ledger(world, 5_000)["entry_id"])


def _missing_internal(world: World) -> None:
    world.expect("rail", "missing_internal", _rail(world, f"x{world.next()}", 777)["rail_ref"])


def _amount(world: World) -> None:
    row = _ledger(world, 9_000)
    other = _rail(world, row["reference"], 9_001)
    world.expect("rail", "amount_mismatch", row["entry_id"], other["rail_ref"])


def _currency(world: World) -> None:
    row = _ledger(world, 9_000)
    other = _rail(world, row["reference"], 9_000, currency="USD", settlement_id="", utr="")
    world.expect("rail", "currency_mismatch", row["entry_id"], other["rail_ref"])


def _status(world: World) -> None:
    row = _ledger(world, 9_000)
    other = _rail(world, row["reference"], 9_000, status="FAILED")
    world.expect("rail", "status_mismatch", row["entry_id"], other["rail_ref"])


def _duplicate_external(world: World) -> None:
    row = _ledger(world, 4_200)
    copies = [_rail(world, row["reference"], 4_200)["rail_ref"] for _ in range(2)]
    world.expect("rail", "duplicate_external", row["entry_id"], *copies)


def _duplicate_internal(world: World) -> None:
    row = _ledger(world, 4_300)
    again = _ledger(world, 4_300, reference=row["reference"])
    other = _rail(world, row["reference"], 4_300)
    world.expect(
        "rail", "duplicate_internal", row["entry_id"], again["entry_id"], other["rail_ref"]
    )


def _late(world: World) -> None:
    row = _ledger(world, 4_400)
    other = _rail(
        world,
        row["reference"],
        4_400,
        settled_on="2026-11-18",
        settlement_id="UPIHDFC20261118",
        utr="HDFCR52026111800000001",
    )
    world.expect("rail", "timing", row["entry_id"], other["rail_ref"])


CASES: tuple[Callable[[World], None], ...] = (
    _good,
    _good_refund,
    _good_reversal,
    _good_chargeback,
    _reversal_in_the_ledger_only,
    _reversal_in_the_file_only,
    _chargeback_in_the_file_only,
    _chargeback_in_the_ledger_only,
    _reversal_of_another_amount,
    _fee_kept,
    _tax_kept,
    _reversal_of_a_row_that_is_wrong_itself,
    _missing_external,
    _missing_internal,
    _amount,
    _currency,
    _status,
    _duplicate_external,
    _duplicate_internal,
    _late,
)


def _line(world: World, amount: int, utr: str, narrative: str, day: date) -> Row:
    row: Row = {
        "line_id": f"b{world.next():07}",
        "value_date": day.isoformat(),
        "amount_minor": abs(amount),
        "currency": "INR",
        "direction": "credit" if amount >= 0 else "debit",
        "utr": utr,
        "narrative": narrative,
    }
    world.bank.append(row)
    return row


def _bank_cases(world: World) -> None:
    """Settlements of their own for the bank side, each with a story."""

    def settlement(name: str, amount: int, utr: str) -> None:
        ledger = _ledger(world, amount)
        _rail(
            world,
            ledger["reference"],
            amount,
            settlement_id=name,
            utr=utr,
            fee_minor=0,
            tax_minor=0,
            net_minor=amount,
        )

    due = DAY + timedelta(days=1)
    settlement("S-NAMED", 1_000, "")
    _line(world, 1_000, "", "NEFT CR/UPI SETTLEMENT S-NAMED/0001", due)
    settlement("S-PADDED", 1_100, "6125358292691")
    _line(world, 1_100, "0000006125358292691", "anything", due)
    settlement("S-MISSING", 1_200, "UTRMISSING")
    world.expect("bank", "missing_external", "S-MISSING")
    settlement("S-SHORT", 1_300, "UTRSHORT")
    short = _line(world, 1_299, "UTRSHORT", "", due)
    world.expect("bank", "amount_mismatch", "S-SHORT", short["line_id"])
    settlement("S-TWICE", 1_400, "UTRTWICE")
    lines = [_line(world, 1_400, "UTRTWICE", "", due)["line_id"] for _ in range(2)]
    world.expect("bank", "duplicate_external", "S-TWICE", *lines)
    settlement("S-SPLIT", 1_500, "UTRSPLIT")
    for part in (600, 900):
        _line(world, part, "UTRSPLIT", "", due)
    settlement("S-ONE", 1_600, "UTRBOTH")
    settlement("S-TWO", 1_700, "UTRBOTH")
    _line(world, 3_300, "UTRBOTH", "", due)
    settlement("S-LATE", 1_800, "UTRLATE")
    late = _line(world, 1_800, "UTRLATE", "", DAY + timedelta(days=5))
    world.expect("bank", "timing", "S-LATE", late["line_id"])
    stray = _line(world, 55_555, "UTRSTRAY", "NEFT CR-SOMEONE", due)
    world.expect("bank", "unexpected_credit", stray["line_id"])


def generate(seed: int, size: int) -> World:
    """A world of about `size` ledger rows, with some of every case."""
    world = World(random.Random(seed))
    for case in CASES:
        case(world)
    for _ in range(size):
        world.rng.choices(CASES, weights=[size] + [1] * (len(CASES) - 1))[0](world)
    _bank_cases(world)
    nets: dict[tuple[str, str, str], int] = {}
    for row in world.rail:
        if str(row["settlement_id"]).startswith("UPIHDFC"):
            key = (str(row["settlement_id"]), str(row["utr"]), str(row["settled_on"]))
            nets[key] = nets.get(key, 0) + int(str(row["net_minor"]))
    for (name, utr, settled_on), net in sorted(nets.items()):
        booked_on = date.fromisoformat(settled_on) + timedelta(days=1)
        _line(world, net, utr, f"UPI SETTLEMENT {name}", booked_on)
    return world
