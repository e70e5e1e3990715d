"""Column rules: each suite passes on good rows and says no to one planted bad row."""

import importlib
import re
from typing import Any

import pandas as pd
import pytest

from expectations.run import SUITES, page, suite, validate, write_page

ATT = "att_01m7h9xaz8eckaywgy03ct7j3b"

GOOD: dict[str, dict[str, Any]] = {
    "raw_events": {
        "id": "e1",
        "aggregate_id": "a1",
        "aggregate_type": "payment",
        "event_type": "payment.created",
        "version": 1,
        "timestamp": pd.Timestamp("2026-11-16T05:00:00Z"),
        "livemode": False,
        "xid": 7,
        "amount_minor": 500,
        "currency": "INR",
    },
    "raw_entries": {
        "id": "e1",
        "transaction_id": "t1",
        "account_id": "a1",
        "account_version": 1,
        "amount_minor": -500,
        "currency": "INR",
        "entry_type": "DEBIT",
        "layer": "posted",
        "business_date": pd.Timestamp("2026-11-16"),
        "livemode": False,
    },
    "raw_periods": {
        "month": pd.Timestamp("2026-11-01"),
        "closed_at": pd.Timestamp("2026-12-01T05:00:00Z"),
        "accounts": 4,
        "entries": 9,
        "sha256": "a" * 64,
        "xid": 7,
    },
    "fee_audit": {
        "settled_on": pd.Timestamp("2026-11-16"),
        "rail": "upi_hdfc",
        "type": "capture",
        "contract": 1,
        "finding": "agreed",
        "currency": "INR",
        "rows": 3,
        "billed_fee_minor": 50,
        "billed_tax_minor": 9,
        "expected_fee_minor": 50,
        "difference_minor": 0,
    },
    "fee_audit_lines": {
        "rail_ref": "f-1",
        "settled_on": pd.Timestamp("2026-11-16"),
        "rail": "upi_hdfc",
        "type": "capture",
        "finding": "overbilled",
        "currency": "INR",
        "difference_minor": 12,
    },
    "invoices": {
        "number": "KHI/26-27/0001",
        "month": pd.Timestamp("2026-11-01"),
        "merchant_id": "m1",
        "invoice_id": "inv_1",
        "kind": "invoice",
        "currency": "INR",
        "livemode": True,
        "value_minor": 100,
        "total_minor": 118,
    },
    "fraud_decisions": {
        "payment_id": "p1",
        "business_date": pd.Timestamp("2026-11-16"),
        "created_at": pd.Timestamp("2026-11-16T05:00:00Z"),
        "merchant_id": "m1",
        "livemode": False,
        "amount_minor": 500,
        "currency": "INR",
        "method": "upi",
        "score": 61,
        "level": "high",
        "decision": "review",
        "rules_version": 1,
        "probability": 0.4,
        "challenger_probability": 0.1,
        "challenger_decision": "allow",
        "assess_us": 2_100,
    },
    "route_decisions": {
        "attempt_id": "a1",
        "payment_id": "p1",
        "business_date": pd.Timestamp("2026-11-16"),
        "decided_at": pd.Timestamp("2026-11-16T05:00:00Z"),
        "merchant_id": "m1",
        "livemode": False,
        "method": "upi",
        "amount_minor": 500,
        "currency": "INR",
        "route": "upi_hdfc",
        "rail": "upi_hdfc",
        "strategy": "balanced",
        "reason": "best_balanced",
        "try_number": 1,
        "eligible_routes": 2,
        "propensity_bps": 9_000,
        "propensities_bps": 10_000,
        "answered": "succeeded",
        "outcome": "succeeded",
        "latency_ms": 40,
        "late": False,
    },
    "fraud_watch": {
        "business_date": pd.Timestamp("2026-11-16"),
        "livemode": False,
        "role": "champion",
        "model_version": "3",
        "amount_minor": 9_000,
        "alerted_minor": 500,
        "decisions": 9,
        "alerts_fraud": 1,
        "passed_fraud": 0,
        "beyond_decisions": 0,
        "alerts_unmade": 0,
    },
    "fraud_drift": {
        "business_date": pd.Timestamp("2026-11-16"),
        "livemode": False,
        "role": "champion",
        "model_version": "3",
        "input": "score",
        "rows": 900,
        "missing": 0,
        "psi": 0.02,
        "week_rows": 6_000,
        "week_psi": 0.01,
        "verdict": "steady",
    },
    "stg_rail_rows": {
        "rail_ref": "f-1",
        "rail": "upi_hdfc",
        "reference": ATT,
        "type": "capture",
        "status": "success",
        "gross_minor": 10_000,
        "fee_minor": 50,
        "tax_minor": 9,
        "net_minor": 9_941,
        "currency": "INR",
        "settled_on": pd.Timestamp("2026-11-16"),
        "settlement_id": "UPIHDFC20261116",
    },
    "stg_bank_lines": {
        "line_id": "f-1",
        "account": "50200012345678",
        "booking_date": pd.Timestamp("2026-11-17"),
        "value_date": pd.Timestamp("2026-11-17"),
        "amount_minor": -9_941,
        "currency": "INR",
    },
    "stg_ledger_rows": {
        "entry_id": "e1",
        "transaction_id": "t1",
        "kind": "refund",
        "reference": ATT,
        "rail": "card_a",
        "amount_minor": -500,
        "currency": "INR",
        "occurred_at": pd.Timestamp("2026-11-16T05:00:00Z"),
    },
    "stg_disputes": {
        "rail": "card_a",
        "reference": "dsp_1",
        "original_reference": ATT,
        "amount_minor": 500,
        "currency": "INR",
        "reason_code": "10.4",
        "status": "open",
        "respond_by": pd.Timestamp("2026-11-26T05:00:00Z"),
    },
    "settlement_batches": {
        "merchant_id": "m1",
        "business_date": pd.Timestamp("2026-11-16"),
        "currency": "INR",
        # A reversal of the day before, and nothing else.
        "gross_minor": -5,
        "refunds_minor": 0,
        "disputes_minor": 0,
        "fees_minor": 0,
        "tax_minor": 0,
        "reserve_minor": 0,
        "net_minor": -5,
        "count": 1,
        "settle_on": pd.Timestamp("2026-11-17"),
        "ends_at": pd.Timestamp("2026-11-16T18:30:00Z"),
        "tds_minor": 0,
        "carried_minor": 0,
        "owed_minor": -5,
        "payout_minor": 0,
        "carried_out_minor": -5,
    },
}

GOOD["trace_links"] = {
    "reference": "card_a_settlement_2026-11-16.csv#7",
    "attempt": ATT,
    "hop": "rail_line",
    "at_date": pd.Timestamp("2026-11-16"),
    "amount_minor": -500,
    "currency": "INR",
    "sha256": "0a" * 32,
}

GOOD["fraud_parity"] = {
    "day": pd.Timestamp("2026-11-16"),
    "feature_set": "0a" * 8,
    "compared": 9,
    "mismatches": 0,
    "left_out": 1,
}

GOOD["raw_audit"] = {
    "id": "m/1",
    "source": "merchant_terms",
    "at_time": pd.Timestamp("2026-11-16T05:00:00Z"),
    "livemode": False,
}
GOOD["proof_seals"] = {
    "day": pd.Timestamp("2026-11-16"),
    "part": 1,
    "number": 7,
    **dict.fromkeys(("events_root", "entries_root", "audit_root", "previous", "hash"), "0a" * 32),
    **dict.fromkeys(("events_size", "entries_size", "audit_size"), 0),
    **dict.fromkeys(("key_id", "public_key", "signature"), "x"),
}

DAY, AT = pd.Timestamp("2026-11-16"), pd.Timestamp("2026-11-16T05:00:00Z")
FILE = "0a" * 32
GOOD |= {
    "raw_transactions": {
        "id": "t1",
        "cause": "c1",
        "kind": "capture",
        "reference": ATT,
        "merchant_id": "m1",
        "business_date": DAY,
        "effective_at": AT,
        "livemode": False,
        "xid": 7,
    },
    "raw_accounts": {
        "id": "a1",
        "code": "rail:upi_hdfc:receivable",
        "stripe": 3,
        "currency": "INR",
        "normal_side": "D",
        "livemode": False,
    },
    "raw_merchants": {
        "id": "m1",
        "name": "Chai & Sons",
        "mcc": "5411",
        "state_code": "27",
        "settlement_days": 1,
        "livemode": False,
    },
    "raw_bank_files": {
        "name": "a.xml",
        "file_sha256": FILE,
        "format": "camt.053",
        "size_bytes": 9,
        "received_at": AT,
        "status": "loaded",
        "row_count": 2,
    },
    "raw_rail_rows": {
        "settlement_id": "S1",
        "file_sha256": FILE,
        "row_no": 1,
        "rail": "upi_hdfc",
        "settled_on": DAY,
        "row_type": "capture",
        "currency": "INR",
        "gross_minor": 500,
        "fee_minor": 0,
        "tax_minor": 0,
        "net_minor": 500,
    },
    "raw_file_parts": {
        "subject": "rail/upi_hdfc/S1",
        "file_sha256": FILE,
        "kind": "rail",
        "holder": "upi_hdfc",
        "day_from": DAY,
        "day_to": DAY,
        "row_count": 1,
        "currency": "INR",
        "standing": "live",
    },
    "raw_bank_lines": {
        "account": "50200012345678",
        "file_sha256": FILE,
        "line_no": 1,
        "currency": "INR",
        "amount_minor": -5,
        "value_date": DAY,
        "booking_date": DAY,
    },
    "raw_bank_balances": {
        "statement_id": "S1",
        "file_sha256": FILE,
        "account": "50200012345678",
        "currency": "INR",
        "opening_minor": 0,
        "closing_minor": 5,
        "opening_date": DAY,
    },
    "raw_dispute_rows": {
        "reference": "dsp_1",
        "file_sha256": FILE,
        "row_no": 1,
        "rail": "card_a",
        "original_reference": ATT,
        "amount_minor": 5,
        "currency": "INR",
        "status": "open",
        "respond_by": AT,
    },
    "stg_payments": {
        "merchant_id": "m1",
        "payment_id": ATT.replace("att", "pay"),
        "created_at": AT,
        "state": "captured",
        "state_at": AT,
        "version": 3,
        "amount_minor": 500,
        "captured_minor": 0,
        "currency": "INR",
        "method": "upi",
    },
    "stg_payout_rows": {
        "entry_id": "e1",
        "transaction_id": "t1",
        "reference": ATT,
        "rail": "neft",
        "amount_minor": 500,
        "currency": "INR",
        "occurred_at": AT,
    },
    "recon_matches": {
        "group_id": "g1",
        "side": "rail",
        "rule": "reference",
        "ledger_id": "e1",
        "rail_id": "r1",
        "bank_id": None,
        "settlement_id": None,
        "amount_minor": 500,
        "currency": "INR",
        "residual_minor": 0,
    },
    "recon_breaks": {
        "break_id": "b1",
        "kind": "timing",
        "side": "rail",
        "row_count": 2,
        "expected_minor": 500,
        "actual_minor": 500,
        "currency": "INR",
        "reason": "late",
        "cause": "late_row",
        "owner": "finance",
        "at_stake_minor": 0,
        "age_bucket": "2-3",
    },
    "recon_totals": {
        "currency": "INR",
        "business_date": DAY,
        "side": "bank",
        "input": "line",
        "input_count": 1,
        "input_minor": 5,
        "matched_minor": 5,
        "broken_minor": 0,
        "open_minor": 0,
    },
    "settlement_lines": {
        "merchant_id": "m1",
        "transaction_id": "t1",
        "kind": "capture",
        "occurred_at": AT,
        "currency": "INR",
        "gross_minor": 500,
        "refund_minor": 0,
        "dispute_minor": 0,
        "fee_minor": 0,
        "tax_minor": 0,
        "net_minor": 500,
    },
    "mart_trial_balance": {
        "account": "fees:mdr",
        "currency": "INR",
        "layer": "posted",
        "opening_minor": -5,
        "debit_minor": 0,
        "credit_minor": 5,
        "closing_minor": 0,
    },
    "mart_merchant_day": {
        "merchant_id": "m1",
        "merchant_name": "Chai",
        "currency": "INR",
        "payments": 1,
        "captured": 1,
        "declined": 0,
        "refunds": 0,
        "captured_minor": 500,
        "net_minor": -5,
    },
    "mart_safeguarding": {
        "currency": "INR",
        "merchants_minor": 5,
        "customers_minor": 0,
        "bank_minor": 9,
        "unexplained_minor": 0,
        "required_minor": 5,
        "cover_minor": 4,
    },
}

# table, column, bad value, a word of the rule that must be the one to say no
BAD = [
    ("raw_events", "event_type", "payment.vanished", "a word we know"),
    ("raw_events", "version", 0, "at least 1"),
    ("raw_events", "amount_minor", -1, "at least 1"),
    ("raw_events", "aggregate_id", None, "always given"),
    ("raw_entries", "amount_minor", 500, "at most -1"),
    ("raw_entries", "layer", "imagined", "a word we know"),
    ("raw_entries", "transaction_id", None, "always given"),
    ("stg_rail_rows", "gross_minor", -10_000, "at least 1"),
    ("stg_rail_rows", "status", "maybe", "a word we know"),
    ("stg_rail_rows", "type", "P2P", "a word we know"),
    ("stg_ledger_rows", "kind", "p2p_again", "a word we know"),
    ("stg_rail_rows", "reference", None, "always given"),
    ("stg_rail_rows", "fee_minor", -1, "at least 0"),
    ("stg_rail_rows", "currency", "rupees", "ISO 4217"),
    ("stg_bank_lines", "amount_minor", None, "always given"),
    ("stg_bank_lines", "account", "", "a number"),
    ("stg_ledger_rows", "reference", "order 7", "attempt that we sent"),
    ("stg_ledger_rows", "amount_minor", 500, "at most -1"),
    ("stg_ledger_rows", "kind", "dispute_lost", "a word we know"),
    ("stg_rail_rows", "type", "REVERSAL", "a word we know"),
    ("stg_disputes", "status", "maybe", "a word we know"),
    ("stg_disputes", "amount_minor", 0, "at least 1"),
    ("stg_disputes", "original_reference", None, "always given"),
    ("trace_links", "hop", "rumour", "a word we know"),
    ("trace_links", "attempt", "dsp_7", "one that we sent"),
    ("trace_links", "sha256", "none", "a file's hash"),
    ("fraud_parity", "mismatches", None, "always given"),
    ("fraud_parity", "feature_set", "today's", "the hash of one"),
    ("fraud_parity", "compared", -1, "at least 0"),
    ("settlement_batches", "gross_minor", None, "always given"),
    ("settlement_batches", "disputes_minor", None, "always given"),
    ("settlement_batches", "count", -1, "at least 0"),
    ("raw_transactions", "kind", "Capture!", "a word of the ledger"),
    ("raw_transactions", "business_date", None, "always given"),
    ("raw_accounts", "normal_side", "L", "a word we know"),
    ("raw_accounts", "code", "rail::", "words and colons"),
    ("raw_merchants", "settlement_days", -1, "at least 0"),
    ("raw_merchants", "mcc", "54", "four digits"),
    ("raw_bank_files", "status", "half", "a word we know"),
    ("raw_bank_files", "file_sha256", "ABC", "is a hash"),
    ("raw_rail_rows", "row_type", "PAY", "a word we know"),
    ("raw_rail_rows", "net_minor", None, "always given"),
    ("raw_file_parts", "standing", "perhaps", "a word we know"),
    ("raw_bank_lines", "amount_minor", None, "always given"),
    ("raw_bank_lines", "line_no", 0, "at least 1"),
    ("raw_bank_balances", "currency", "Rs", "ISO 4217"),
    ("raw_dispute_rows", "status", "maybe", "a word we know"),
    ("stg_payments", "captured_minor", -1, "at least 0"),
    ("stg_payments", "payment_id", "7", "a payment's"),
    ("stg_payout_rows", "reference", "order 7", "attempt that we sent"),
    ("recon_matches", "rule", None, "always given"),
    ("recon_breaks", "kind", "odd", "a word we know"),
    ("recon_breaks", "row_count", 0, "at least 1"),
    ("recon_totals", "input", "both", "a word we know"),
    ("settlement_lines", "net_minor", None, "always given"),
    ("mart_trial_balance", "debit_minor", -1, "at least 0"),
    ("mart_merchant_day", "payments", -1, "at least 0"),
    ("mart_safeguarding", "required_minor", -1, "at least 0"),
    ("raw_periods", "sha256", "none", "a hash"),
    ("raw_audit", "source", "rumour", "a word we know"),
    ("raw_audit", "id", None, "always given"),
    ("proof_seals", "signature", None, "always given"),
    ("proof_seals", "entries_root", "none", "a hash"),
    ("proof_seals", "part", 0, "at least 1"),
    ("fee_audit", "finding", "odd", "a word we know"),
    ("fee_audit_lines", "finding", "agreed", "a word we know"),
    ("invoices", "number", "KHI/2026-2027/00001", "sixteen"),
    ("invoices", "total_minor", -1, "at least 0"),
    ("fraud_decisions", "decision", "perhaps", "a word we know"),
    ("fraud_decisions", "score", 101, "at most 100"),
    ("fraud_decisions", "probability", 1.5, "at most 1"),
    ("fraud_watch", "role", "understudy", "a word we know"),
    ("fraud_watch", "beyond_decisions", 1, "at most 0"),
    ("fraud_watch", "alerts_unmade", 1, "at most 0"),
    ("fraud_drift", "psi", -0.1, "at least 0"),
    ("fraud_drift", "verdict", "fine", "a word we know"),
    ("route_decisions", "outcome", "perhaps", "a word we know"),
    ("route_decisions", "propensity_bps", 0, "at least 1"),
    ("route_decisions", "propensities_bps", 9_999, "at least 10000"),
    ("route_decisions", "eligible_routes", 0, "at least 1"),
    ("route_decisions", "attempt_id", "a1", "there once"),
    ("route_decisions", "try_number", 0, "at least 1"),
]


# table, another good row, the column of it that may not be so, a bad value
OF_A_KIND = [
    ("stg_rail_rows", {"type": "reversal", "gross_minor": -5, "fee_minor": -1}, "gross_minor", 5),
    ("stg_rail_rows", {"type": "chargeback", "gross_minor": -5}, "gross_minor", 5),
    ("stg_rail_rows", {"type": "chargeback", "gross_minor": -5}, "reference", None),
    ("stg_ledger_rows", {"kind": "reversal"}, "amount_minor", 5),
    ("stg_ledger_rows", {"kind": "reversal"}, "reference", "order 7"),
    ("stg_ledger_rows", {"kind": "chargeback", "reference": "RAIL-7"}, "reference", "order 7"),
]


def rows(table: str, **changed: Any) -> pd.DataFrame:
    return pd.DataFrame([GOOD[table], {**GOOD[table], **_other(table), **changed}])


def _other(table: str) -> dict[str, Any]:
    """What makes the second row another row."""
    first = next(iter(GOOD[table]))
    other = {
        first: f"{GOOD[table][first]}-2",
        "aggregate_id": "a2",
        "account_id": "a2",
        "cause": "c2",
        "file_sha256": "0b" * 32,
        "code": "fees:mdr",
        "payment_id": ATT.replace("att", "pay")[:-1] + "c",
        "month": pd.Timestamp("2026-10-01"),
    }
    if first == "currency":
        other["currency"] = "USD"
    return {column: value for column, value in other.items() if column in GOOD[table]}


@pytest.mark.parametrize("table", SUITES)
def test_good_rows_pass(table):
    result = validate(suite(table), rows(table), partition="2026-11-16")
    assert result.passed, [outcome for outcome in result.outcomes if not outcome.held]
    assert result.rows == 2


@pytest.mark.parametrize(("table", "column", "value", "rule"), BAD)
def test_a_planted_row_is_rejected_by_its_rule(table, column, value, rule):
    result = validate(suite(table), rows(table, **{column: value}), partition="p")
    broken = [outcome for outcome in result.outcomes if not outcome.held]
    assert any(column in outcome.means and rule in outcome.means for outcome in broken), broken


@pytest.mark.parametrize(("table", "row", "column", "value"), OF_A_KIND)
def test_a_rule_for_one_kind_of_row(table, row, column, value):
    assert validate(suite(table), rows(table, **row), partition="p").passed
    bad = rows(table, **{**row, column: value})
    broken = [o for o in validate(suite(table), bad, partition="p").outcomes if not o.held]
    assert [column in outcome.means for outcome in broken] == [True]


@pytest.mark.parametrize("table", SUITES)
def test_a_row_that_is_there_twice_is_rejected(table):
    frame = pd.DataFrame([GOOD[table], GOOD[table]])
    assert not validate(suite(table), frame, partition="p").passed


@pytest.mark.parametrize("table", SUITES)
def test_a_column_that_is_gone_is_no_silence(table):
    column = next(iter(GOOD[table]))
    assert not validate(suite(table), rows(table).drop(columns=column), partition="p").passed


@pytest.mark.parametrize("table", SUITES)
def test_a_day_without_rows_passes(table):
    assert validate(suite(table), rows(table).head(0), partition="p").passed


def test_suites_import_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys; from expectations.run import SUITES, suite; [suite(t) for t in SUITES];"
        "print('great_expectations' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_module_of_suites_is_listed():
    for table in SUITES:
        assert importlib.import_module(f"expectations.suites.{table}").SUITE.table == table


def test_the_page_needs_nothing_from_outside_and_shows_what_broke(tmp_path):
    bad = rows("stg_rail_rows", status="<script>")
    result = validate(suite("stg_rail_rows"), bad, partition="2026-11-16")
    written = write_page(result, tmp_path).read_text()
    assert written == page(result)
    assert not re.search(r"https?:|src=|href=", written)
    assert "&lt;script&gt;" in written
    assert "<script>" not in written
    assert "BROKEN" in written
