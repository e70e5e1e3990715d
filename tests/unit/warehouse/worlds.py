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
    unsure: set[str] = field(default_factory=set)
    number: int = 0

    def next(self) -> int:
        self.number += 1
        return self.number

    def expect(self, side: str, kind: str, *row_ids: object) -> None:
        self.truth.add((side, kind, ";".join(sorted(str(found) for found in row_ids))))

    def shuffled(self, seed: int) -> "World":
        rng = random.Random(seed)
        rows = [rng.sample(rows, len(rows)) for rows in (self.ledger, self.rail, self.bank)]
        return World(rng, *rows, truth=self.truth, unsure=self.unsure)


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


def _several_of_ours(world: World) -> None:
    """Two captures of one authorization, settled as one row."""
    reference = _ledger(world, 600)["reference"]
    _ledger(world, 400, reference=reference)
    _rail(world, reference, 1_000)


def _several_of_theirs(world: World) -> None:
    reference = _ledger(world, 1_000)["reference"]
    for part in (650, 350):
        _rail(world, reference, part)


def _the_same_refund_twice_on_both_sides(world: World) -> None:
    reference = _ledger(world, 250, kind="refund", status="refunded")["reference"]
    _ledger(world, 250, kind="refund", status="refunded", reference=reference)
    for _ in range(2):
        _rail(world, reference, 250, type="refund")


def _one_of_two_refunds_wrong(world: World) -> None:
    right = _ledger(world, 250, kind="refund", status="refunded")
    wrong = _ledger(world, 260, kind="refund", status="refunded", reference=right["reference"])
    _rail(world, right["reference"], 250, type="refund")
    other = _rail(world, right["reference"], 261, type="refund")
    world.expect("rail", "amount_mismatch", wrong["entry_id"], other["rail_ref"])


def _copies_and_a_stranger(world: World) -> None:
    """A file with a row twice, and a third of the same reference that is nobody's copy."""
    row = _ledger(world, 4_600)
    copies = [_rail(world, row["reference"], 4_600)["rail_ref"] for _ in range(2)]
    stranger = _rail(world, row["reference"], 37)
    world.expect("rail", "duplicate_external", row["entry_id"], *copies)
    world.expect("rail", "missing_internal", stranger["rail_ref"])


def _copies_of_nothing(world: World) -> None:
    """Ours twice, and not in any file: a duplicate before it is missing."""
    row = _ledger(world, 4_700)
    again = _ledger(world, 4_700, reference=row["reference"])
    world.expect("rail", "duplicate_internal", row["entry_id"], again["entry_id"])


def _one_id_twice(world: World) -> None:
    """The very same row of a file, repeated with its id."""
    row = _ledger(world, 4_800)
    first = _rail(world, row["reference"], 4_800)
    world.rail.append(dict(first))
    world.expect("rail", "duplicate_external", row["entry_id"], *[first["rail_ref"]] * 2)


def _also_in_dollars(world: World) -> None:
    """The reference agrees in rupees; the row in dollars is on the outside only."""
    row = _ledger(world, 8_000)
    _rail(world, row["reference"], 8_000)
    other = _rail(world, row["reference"], 8_000, currency="USD", settlement_id="", utr="")
    world.expect("rail", "missing_internal", other["rail_ref"])


def _a_dollar_row_in_a_rupee_settlement(world: World) -> None:
    """A row in doubt says nothing about what its settlement pays."""
    row = _ledger(world, 8_100)
    other = _rail(world, row["reference"], 8_100, currency="USD")
    world.expect("rail", "currency_mismatch", row["entry_id"], other["rail_ref"])


def _written_differently(world: World) -> None:
    row = _ledger(world, 3_100, kind="Payment", status="Captured", currency="inr")
    words = ("processed", "Settled", "COMPLETED")
    other = _rail(
        world,
        str(row["reference"]).upper() + " ",
        3_100,
        status=words[world.number % len(words)],
    )
    other.update(type="PAYMENT", gross_minor=f" {other['gross_minor']}")


def _named_by_its_order(world: World) -> None:
    """Rows without a reference of their own, by the name that both know."""
    row = _ledger(world, 3_200, reference="")
    _rail(world, "", 3_200, order_id=row["payment_id"])
    plain = _ledger(world, 3_300)
    _rail(world, "", 3_300, order_id=plain["reference"])


def _sum_that_does_not_add_up(world: World) -> None:
    row = _ledger(world, 100_000)
    other = _rail(world, row["reference"], 100_000, fee_minor=1_250)
    world.expect("rail", "fee_mismatch", row["entry_id"], other["rail_ref"])


def _net_that_is_short(world: World) -> None:
    """Fee and tax as they should be, and five paise less paid."""
    row = _ledger(world, 100_000)
    other = _rail(world, row["reference"], 100_000, net_minor=98_815)
    world.expect("rail", "fee_mismatch", row["entry_id"], other["rail_ref"])


def _tax_of_another_rate(world: World) -> None:
    """28 % of a fee of a payment that is not free of tax; the net follows."""
    row = _ledger(world, 500_000)
    other = _rail(world, row["reference"], 500_000, tax_minor=1_400, net_minor=493_600)
    world.expect("rail", "tax_mismatch", row["entry_id"], other["rail_ref"])


def _fee_of_another_rate(world: World) -> None:
    """Twice the file's fee; the tax is the usual fee's, and the net follows."""
    row = _ledger(world, 500_000)
    other = _rail(world, row["reference"], 500_000, fee_minor=10_000, net_minor=489_100)
    world.expect("rail", "fee_mismatch", row["entry_id"], other["rail_ref"])


def _tax_misprinted(world: World) -> None:
    """The net was made with the right tax, the column shows another."""
    row = _ledger(world, 500_000)
    other = _rail(world, row["reference"], 500_000, tax_minor=9_000, net_minor=494_100)
    world.expect("rail", "tax_mismatch", row["entry_id"], other["rail_ref"])


def _reversed_at_the_rail(world: World) -> None:
    """A payment that the rail says is undone; a reversal that says so of itself is one."""
    row = _ledger(world, 9_100)
    other = _rail(world, row["reference"], 9_100, status="REVERSED")
    world.expect("rail", "status_mismatch", row["entry_id"], other["rail_ref"])
    back = _ledger(world, 9_200, kind="reversal", status="reversed", payment_id="")
    _rail(world, back["reference"], 9_200, type="reversal")


def _free_of_tax(world: World) -> None:
    row = _ledger(world, 150_000)
    _rail(world, row["reference"], 150_000, tax_minor=0, net_minor=148_500)


def _settled_on(world: World, day: date) -> Row:
    name = day.strftime("UPIHDFC%Y%m%d")
    return {"settled_on": day.isoformat(), "settlement_id": name, "utr": f"UTR{name}"}


def _windows_of_rails(world: World) -> None:
    """Each rail's last day in time, and the first that is late."""
    friday = datetime(2026, 11, 20, 11, tzinfo=IST)
    cases = (
        ("card_visa", friday, 3, False),
        ("card_visa", friday, 4, True),
        ("razorpay", friday, 3, False),
        ("neft_sbi", friday, 1, False),
        ("neft_sbi", friday + timedelta(days=2), 1, False),  # Sunday, so Monday
        ("neft_sbi", friday + timedelta(days=2), 2, True),
        ("upi_hdfc", friday, 1, False),
        ("upi_hdfc", friday, 2, True),
        # After 21:00 it is the bank's next day already.
        ("upi_hdfc", friday.replace(hour=21, minute=1), 2, False),
        ("upi_hdfc", friday.replace(hour=21, minute=0), 2, True),
        ("paypal_intl", friday, 7, False),
        ("paypal_intl", friday, 8, True),
    )
    for route, at, days, is_late in cases:
        row = _ledger(world, 2_000, occurred_at=at.isoformat(), route=route)
        day = at.date() + timedelta(days=days)
        other = _rail(world, row["reference"], 2_000, **_settled_on(world, day))
        if is_late:
            world.expect("rail", "timing", row["entry_id"], other["rail_ref"])


CASES: tuple[Callable[[World], None], ...] = (
    _good,
    _several_of_ours,
    _several_of_theirs,
    _the_same_refund_twice_on_both_sides,
    _one_of_two_refunds_wrong,
    _copies_and_a_stranger,
    _copies_of_nothing,
    _one_id_twice,
    _also_in_dollars,
    _a_dollar_row_in_a_rupee_settlement,
    _written_differently,
    _named_by_its_order,
    _sum_that_does_not_add_up,
    _net_that_is_short,
    _tax_of_another_rate,
    _fee_of_another_rate,
    _tax_misprinted,
    _reversed_at_the_rail,
    _free_of_tax,
    _windows_of_rails,
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
    _more_bank_cases(world, due)
    stray = _line(world, 55_555, "UTRSTRAY", "NEFT CR-SOMEONE", due)
    world.expect("bank", "unexpected_credit", stray["line_id"])


def _paid(world: World, amount: int, **names: object) -> Row:
    """A row of ours and a rail's row of it without charges, in a settlement of its own."""
    kind = "capture" if amount > 0 else "refund"
    day = date.fromisoformat(str(names.get("settled_on", DAY)))
    at = datetime(day.year, day.month, day.day, 10, tzinfo=IST)
    ledger = _ledger(world, abs(amount), kind=kind, occurred_at=at.isoformat())
    plain = {"fee_minor": 0, "tax_minor": 0, "net_minor": amount}
    return _rail(world, ledger["reference"], abs(amount), type=kind, **plain, **names)


def _more_bank_cases(world: World, due: date) -> None:
    for utr, amount in (("UTRHALFA", 2_100), ("UTRHALFB", 2_200)):
        _paid(world, amount, settlement_id="S-HALVES", utr=utr)
        _line(world, amount, utr, "", due)
    for amount in (2_300, 2_400):
        _paid(world, amount, settlement_id="", utr="UTRALONE")
    _line(world, 4_700, "UTRALONE", "", due)
    unpaid = [
        _paid(world, amount, settlement_id="", utr="UTRUNPAID")["rail_ref"]
        for amount in (2_310, 2_410)
    ]
    world.expect("bank", "missing_external", *unpaid)
    _paid(world, 2_500, settlement_id="S-GLUED", utr="HDFCN52026111712345")
    _line(world, 2_500, "", "NEFTCRHDFCN52026111712345SETTLEMENT", due)
    for name, amount in (("S-PAIR1", 2_600), ("S-PAIR2", 2_700)):
        _paid(world, amount, settlement_id=name, utr="")
    _line(world, 5_300, "", "SETTLEMENTS S-PAIR1 AND S-PAIR2", due)
    _paid(world, -2_800, settlement_id="S-DEBIT", utr="UTRDEBIT")
    _line(world, -2_800, "utrdebit", "", due)
    for amount in (2_900, -2_900):
        _paid(world, amount, settlement_id="S-ZERO", utr="")
    _paid(world, 3_000, settlement_id="S-RUPEES", utr="UTRRUPEES")
    dollars = _line(world, 3_000, "UTRRUPEES", "", due)
    dollars["currency"] = "USD"
    world.expect("bank", "currency_mismatch", "S-RUPEES", dollars["line_id"])
    for amount in (3_011, 3_022, 3_044):
        _paid(world, amount, settlement_id="", utr="", settled_on="2026-12-10")
    _line(world, 3_011 + 3_044, "", "NEFT CR", date(2026, 12, 11))
    # 10 + 40 and 20 + 30: one of them may be it, so neither is.
    for amount in (10, 20, 30, 40):
        _paid(world, amount, settlement_id="", utr="", settled_on="2026-12-14")
    unsure = _line(world, 50, "", "NEFT CR", date(2026, 12, 15))
    world.expect("bank", "unexpected_credit", unsure["line_id"])
    world.unsure.add(str(unsure["line_id"]))
    # Amount and date alone are no match.
    _paid(world, 4_040, settlement_id="", utr="", settled_on="2026-12-21")
    alone = _line(world, 4_040, "", "NEFT CR", date(2026, 12, 22))
    world.expect("bank", "unexpected_credit", alone["line_id"])


def generate(seed: int, size: int) -> World:
    """A world of about `size` ledger rows, with some of every case."""
    world = World(random.Random(seed))
    for case in CASES:
        case(world)
    for _ in range(size):
        world.rng.choices(CASES, weights=[2 * len(CASES)] + [1] * (len(CASES) - 1))[0](world)
    _bank_cases(world)
    nets: dict[tuple[str, str, str], int] = {}
    for row in world.rail:
        if str(row["settlement_id"]).startswith("UPIHDFC") and row["currency"] == "INR":
            key = (str(row["settlement_id"]), str(row["utr"]), str(row["settled_on"]))
            nets[key] = nets.get(key, 0) + int(str(row["net_minor"]))
    for (name, utr, settled_on), net in sorted(nets.items()):
        booked_on = date.fromisoformat(settled_on) + timedelta(days=1)
        _line(world, net, utr, f"UPI SETTLEMENT {name}", booked_on)
    return world
