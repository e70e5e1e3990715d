"""Fee audit: what rails billed against their contracts, to the paisa."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from online.kernel.money import divide_half_even
from online.sandbox.rails import GST_BPS, RAILS
from warehouse.connection import Warehouse
from warehouse.fee_audit import Rate, audit_day, load_contracts

DAY = date(2026, 11, 16)
NEXT_DAY = DAY + timedelta(days=1)
CAPTURE = {"charged_on": ["capture"], "returned_on": ["reversal"]}


def rate(**fields: Any) -> Rate:
    known: dict[str, Any] = {
        "rail": "card_a",
        "fee_bps": 150,
        "gst_bps": 1800,
        "valid_from": date(2020, 1, 1),
        "source": "test",
        **CAPTURE,
    }
    return Rate(**known | fields)


def bill(warehouse: Warehouse, *rows: dict[str, Any]) -> None:
    known = {
        "rail": "card_a",
        "type": "capture",
        "currency": "INR",
        "status": "success",
        "settled_on": DAY,
        "settlement_id": "S1",
        "reference": "att_1",
    }
    full = [{**known, "rail_ref": f"row-{n}", **row} for n, row in enumerate(rows)]
    warehouse.append("stg_rail_rows", pl.DataFrame(full, infer_schema_length=None))


def row(gross: int, fee: int, tax: int, **fields: Any) -> dict[str, Any]:
    return {"gross_minor": gross, "fee_minor": fee, "tax_minor": tax, **fields}


def findings(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return warehouse.rows(
        "SELECT rail_ref, type, finding, expected_fee_minor, expected_tax_minor, difference_minor"
        " FROM fee_audit_lines ORDER BY rail_ref"
    )


# What is billed, and what is found: type, finding, expected fee and tax, difference.
CASES = [
    (row(100_000, 1_500, 270), None),
    (row(100_000, 1_501, 270), None),  # a paisa is how two sides may round
    (row(100_000, 1_499, 269), None),
    (row(100_000, 1_502, 270), ("capture", "overbilled", 1_500, 270, 2)),
    (row(100_000, 1_500, 272), ("capture", "overbilled", 1_500, 270, 2)),
    (row(100_000, 1_400, 252), ("capture", "underbilled", 1_500, 270, -118)),
    (row(100_000, 1_770, 0), ("capture", "misstated", 1_500, 270, 0)),
    (row(0, 0, 0), None),
    (row(-100_000, -1_500, -270, type="reversal"), None),
    (row(-100_000, 0, 0, type="reversal"), ("reversal", "overbilled", -1_500, -270, 1_770)),
    (row(-100_000, 0, 0, type="refund"), None),
    (row(-100_000, 500, 90, type="refund"), ("refund", "overbilled", 0, 0, 590)),
    (row(-100_000, 0, 0, type="chargeback"), None),
    (row(100_000, 10, 2, rail="other"), ("capture", "no_contract", 0, 0, 12)),
    (row(100_000, 0, 0, rail="other"), None),
    (row(10**15, 15 * 10**12, 27 * 10**11), None),
]


def test_a_line_is_held_against_its_contract(warehouse: Warehouse) -> None:
    bill(warehouse, *(billed for billed, _ in CASES))
    audit_day(warehouse, DAY, [rate()])
    found = {ref: rest for ref, *rest in findings(warehouse)}
    wanted = {f"row-{n}": list(finding) for n, (_, finding) in enumerate(CASES) if finding}
    assert found == wanted


def test_rounding_is_half_even_as_everywhere(warehouse: Warehouse) -> None:
    amounts = [33, 100, 167, 3_333, 3_367, 3_433, 99_967, 1_234_567, *range(300, 700)]
    fees = [divide_half_even(gross * 150, 10_000) for gross in amounts]
    taxes = [divide_half_even(fee * 1_800, 10_000) for fee in fees]
    bill(warehouse, *map(row, amounts, fees, taxes))
    audit_day(warehouse, DAY, [rate()])
    groups = warehouse.rows(
        'SELECT finding, "rows", expected_fee_minor, expected_tax_minor, difference_minor'
        " FROM fee_audit"
    )
    assert groups == [("agreed", len(amounts), sum(fees), sum(taxes), 0)]


def test_rates_have_days_bands_funding_caps_and_fixed_parts(warehouse: Warehouse) -> None:
    rates = [
        rate(valid_to=DAY - timedelta(days=1), fee_bps=9_999),
        rate(funding=["debit"], fee_bps=90, cap_minor=1_000),
        rate(max_amount_minor=10_000, fee_bps=0, fixed_minor=50),
        rate(valid_from=NEXT_DAY, fee_bps=9_999),
        rate(fee_bps=200),
    ]
    warehouse.execute(
        'INSERT INTO raw_events (event_type, "timestamp", data) VALUES'
        ' (\'payment.captured\', $at, \'{"attempt_id": "att_debit", "rail": "card_a",'
        ' "funding": "debit"}\')',
        at=DAY,
    )
    bill(
        warehouse,
        row(10_000, 0, 0, reference="att_credit"),
        row(10_001, 0, 0, reference="att_credit"),
        row(10_000, 0, 0, reference="att_debit"),
        row(1_000_000, 0, 0, reference="att_debit"),
    )
    audit_day(warehouse, DAY, rates)
    lines = warehouse.rows(
        "SELECT contract, expected_fee_minor FROM fee_audit_lines ORDER BY rail_ref"
    )
    assert lines == [(3, 50), (5, 200), (2, 90), (2, 1_000)]


def test_a_day_is_replaced_and_its_groups_add_up(warehouse: Warehouse) -> None:
    bill(warehouse, *[row(100_000, 1_500, 270)] * 3, row(100_000, 2_000, 360))
    for _ in range(2):
        audit_day(warehouse, DAY, [rate()])
    groups = warehouse.rows(
        'SELECT finding, "rows", billed_fee_minor, expected_fee_minor, difference_minor'
        " FROM fee_audit ORDER BY finding"
    )
    assert groups == [("agreed", 3, 4_500, 4_500, 0), ("overbilled", 1, 2_000, 1_500, 590)]
    audit_day(warehouse, NEXT_DAY, [rate()])
    assert warehouse.count("fee_audit") == 2


def test_the_shipped_contracts_are_the_sandbox_s_tariffs() -> None:
    shipped = {r.rail: (r.fee_bps, r.gst_bps) for r in load_contracts()}
    assert shipped == {
        rail.name: (rail.fee_bps, GST_BPS) for rail in RAILS.values() if rail.method != "payout"
    }


@pytest.mark.parametrize(
    "wrong",
    [
        "valid_from: 2026-02-01, valid_to: 2026-01-01",
        "valid_from: 2026-02-01, min_amount_minor: 5, max_amount_minor: 4",
        "valid_from: 2026-02-01, returned_on: [capture]",
        "valid_from: 2026-02-01, surprise: 1",
        "valid_from: 2026-02-01, cap_minor: -1",
    ],
)
def test_a_contract_that_cannot_be_meant_is_refused(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "contracts.yaml"
    path.write_text(
        "contracts: [{rail: r, fee_bps: 1, gst_bps: 1, source: s, charged_on: [capture],"
        f" {wrong}}}]"
    )
    with pytest.raises(ValueError):
        load_contracts(path)
