"""Each builder against the ledger's recipe; whatever is posted balances."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import msgspec
import pytest

from tests.unit.warehouse.books import DAY
from warehouse.postings import (
    BankMatch,
    Posting,
    RailSettlement,
    Unbalanced,
    bank_credit,
    bank_debit,
    of_break,
    rail_settlement,
)
from warehouse.reconciliation.days import Break
from warehouse.reconciliation.engine import break_id

SETTLED = RailSettlement(
    rail="upi_hdfc",
    settlement_id="UPIHDFC20261116",
    settled_on=DAY,
    currency="INR",
    gross_minor=100_000,
    fee_minor=500,
    tax_minor=90,
    net_minor=99_410,
    row_count=3,
    content_hash="c0ffee",
)
RECEIVABLE, SUSPENSE = "rail:upi_hdfc:receivable", "suspense:upi_hdfc"


def _legs(posting: Posting | None) -> Mapping[str, int]:
    assert posting is not None
    assert sum(entry.amount_minor for entry in posting.entries) == 0
    return {entry.account: entry.amount_minor for entry in posting.entries}


def _break(kind: str, expected: int, actual: int, side: str = "rail") -> Break:
    return Break(
        break_id=break_id(kind, ["e1", "r1"]),
        generation=1,
        state="open",
        business_date=DAY,
        kind=kind,
        side=side,
        rail="upi_hdfc" if side == "rail" else None,
        row_ids=["e1", "r1"],
        reference="att_1",
        expected_minor=expected,
        actual_minor=actual,
        currency="INR",
        reason="",
    )


def test_a_rail_settlement_takes_the_rails_charges_out_of_the_receivable() -> None:
    posting = rail_settlement(SETTLED)
    assert _legs(posting) == {
        "rail:upi_hdfc:in_transit": -99_410,
        "costs:rail:upi_hdfc": -500,
        "tax:gst:input": -90,
        RECEIVABLE: 100_000,
    }


def test_legs_of_nothing_are_left_out() -> None:
    bare = msgspec.structs.replace(SETTLED, fee_minor=0, tax_minor=0, net_minor=100_000)
    assert set(_legs(rail_settlement(bare))) == {"rail:upi_hdfc:in_transit", RECEIVABLE}


def test_a_settlement_that_does_not_add_up_is_not_posted() -> None:
    with pytest.raises(Unbalanced):
        rail_settlement(msgspec.structs.replace(SETTLED, net_minor=99_411))


def test_a_corrected_file_is_another_cause() -> None:
    first, other = (
        rail_settlement(msgspec.structs.replace(SETTLED, content_hash=content))
        for content in ("a", "b")
    )
    assert first is not None
    assert other is not None
    assert first.cause != other.cause


def test_bank_lines_move_what_was_in_transit() -> None:
    line = BankMatch(
        line_id="b1",
        rail="upi_hdfc",
        settlement_id="UPIHDFC20261116",
        reference="UPIHDFC20261116",
        amount_minor=99_410,
        currency="INR",
        booked_on=DAY,
    )
    assert _legs(bank_credit(line)) == {"bank:hdfc": -99_410, "rail:upi_hdfc:in_transit": 99_410}
    paid = msgspec.structs.replace(
        line, settlement_id=None, rail="bank_hdfc", reference="att_1", amount_minor=-4_000
    )
    assert _legs(bank_debit(paid)) == {"payouts:bank_hdfc:in_transit": -4_000, "bank:hdfc": 4_000}


@pytest.mark.parametrize(
    ("kind", "expected", "actual", "legs"),
    [
        ("missing_external", 5_000, 0, {SUSPENSE: -5_000, RECEIVABLE: 5_000}),
        ("missing_internal", 0, 777, {RECEIVABLE: -777, SUSPENSE: 777}),
        ("duplicate_external", 4_200, 8_400, {RECEIVABLE: -4_200, SUSPENSE: 4_200}),
        ("duplicate_internal", 8_400, 4_200, {RECEIVABLE: 4_200, SUSPENSE: -4_200}),
        ("amount_mismatch", 9_000, 8_900, {RECEIVABLE: 100, SUSPENSE: -100}),
        ("amount_mismatch", 9_000, 9_050, {RECEIVABLE: -50, SUSPENSE: 50}),
        # A refund that the rail does not show: it keeps less of our money than it should.
        ("missing_external", -2_500, 0, {RECEIVABLE: -2_500, SUSPENSE: 2_500}),
    ],
)
def test_a_break_moves_the_difference_to_suspense(
    kind: str, expected: int, actual: int, legs: Mapping[str, int]
) -> None:
    found = _break(kind, expected, actual)
    posting = of_break(found)
    assert _legs(posting) == legs
    assert posting is not None
    assert (posting.kind, UUID(posting.cause)) == ("break_suspense", found.break_id)
    reversal = of_break(replace(found, state="closed"))
    assert _legs(reversal) == {account: -amount for account, amount in legs.items()}
    assert reversal is not None
    assert (reversal.kind, reversal.cause == posting.cause) == ("break_reversal", False)


def test_money_that_nobody_announced_is_booked_and_held() -> None:
    posting = of_break(_break("unexpected_credit", 0, 55_000, side="bank"))
    assert _legs(posting) == {"bank:hdfc": -55_000, "suspense:bank": 55_000}
    assert posting is not None
    assert posting.kind == "unexpected_credit"


@pytest.mark.parametrize("kind", ["timing", "status_mismatch"])
def test_breaks_without_money_out_of_place_post_nothing(kind: str) -> None:
    assert of_break(_break(kind, 5_000, 5_000)) is None


def test_the_wire_form_is_the_contracts() -> None:
    wire = msgspec.json.decode(msgspec.json.encode(rail_settlement(SETTLED)))
    assert set(wire) == {"cause", "kind", "business_date", "reference", "metadata", "entries"}
    assert wire["business_date"] == "2026-11-16"
    assert wire["entries"][0] == {
        "account": "rail:upi_hdfc:in_transit",
        "currency": "INR",
        "amount": -99_410,
        "layer": "posted",
    }


def test_break_ids_do_not_depend_on_row_order() -> None:
    assert break_id("timing", ["a", "b"]) == break_id("timing", ["b", "a"])
    assert break_id("timing", ["a", "b"]) != break_id("amount_mismatch", ["a", "b"])
