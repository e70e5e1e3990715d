"""What a rail's code means: the table, and how status and code are read together."""

import re
from collections import Counter
from datetime import date, timedelta
from importlib import resources
from itertools import pairwise

import pytest

from online.rails.codes import Dialect, meaning, own_outcome, read_outcome, table
from online.rails.domain import OutcomeKind

APPROVED, DECLINED, FAILED, PENDING, UNKNOWN, DEEMED = (
    OutcomeKind.APPROVED,
    OutcomeKind.DECLINED,
    OutcomeKind.FAILED,
    OutcomeKind.PENDING,
    OutcomeKind.UNKNOWN,
    OutcomeKind.DEEMED,
)


@pytest.mark.parametrize(
    ("dialect", "status", "code", "kind", "decline_code"),
    [
        ("upi", APPROVED, "00", APPROVED, None),
        ("upi", DECLINED, "Z9", DECLINED, "insufficient_funds"),
        ("upi", DECLINED, "ZA", DECLINED, "declined_by_payer"),
        ("upi", DECLINED, "ZM", DECLINED, "incorrect_pin"),
        ("upi", FAILED, "UP", FAILED, "psp_timeout"),
        ("upi", PENDING, "01", PENDING, None),
        # A debit or a credit that timed out may have happened, whatever the status says.
        ("upi", FAILED, "U67", UNKNOWN, "debit_timeout"),
        ("upi", DECLINED, "U68", UNKNOWN, "credit_timeout"),
        ("upi", FAILED, "RB", DEEMED, "credit_unconfirmed"),
        ("upi", PENDING, "RB", DEEMED, "credit_unconfirmed"),
        # How a deemed one ends.
        ("upi", APPROVED, "TCC", APPROVED, None),
        ("upi", FAILED, "RET", DECLINED, "returned_by_bank"),
        ("upi", FAILED, "BT", UNKNOWN, "bank_unavailable"),
        ("upi", APPROVED, "RB", APPROVED, None),
        # A business code never goes to another route, whatever the status says.
        ("upi", FAILED, "Z9", DECLINED, "insufficient_funds"),
        # A decline is final even for a technical code.
        ("upi", DECLINED, "U30", DECLINED, "debit_failed"),
        ("card", DECLINED, "51", DECLINED, "insufficient_funds"),
        ("card", DECLINED, "41", DECLINED, "lost_card"),
        ("card", FAILED, "96", FAILED, "system_malfunction"),
        ("card", FAILED, "68", UNKNOWN, "issuer_timeout"),
        ("card", DECLINED, "N7", DECLINED, "incorrect_cvc"),
        # Codes that nobody told us about.
        ("upi", DECLINED, "QQ9", DECLINED, "generic_decline"),
        ("upi", FAILED, "QQ9", FAILED, "processing_error"),
        ("upi", PENDING, "QQ9", PENDING, None),
        ("card", DECLINED, "Z9", DECLINED, "generic_decline"),
        ("payout", DECLINED, "51", DECLINED, "insufficient_funds"),
        # "Approved" as the code of something that was not.
        ("upi", DECLINED, "00", DECLINED, "generic_decline"),
        ("upi", FAILED, "00", FAILED, "processing_error"),
    ],
)
def test_status_and_code(
    dialect: Dialect,
    status: OutcomeKind,
    code: str,
    kind: OutcomeKind,
    decline_code: str | None,
):
    outcome = read_outcome(dialect, status, code)
    assert (outcome.kind, outcome.decline_code, outcome.code) == (kind, decline_code, code)
    assert outcome.message


def test_a_strange_code_is_cut_and_kept():
    assert read_outcome("upi", DECLINED, "x" * 300).code == "x" * 40


# The codes of the published lists, by what they have to be to us.
LISTED = {
    "upi": {
        "business": "U02 U03 U16 U19 U66 U69 Z6 Z7 Z8 Z9 ZA ZM ZE ZG ZH ZX ZY YE YF XH XI XB XC"
        " B1 B3 B6 59 K1 CD1 CD2",
        "technical": "U01 U09 U17 U20 U30 UP UB 21",
        "unknown": "01 U67 U68 BT 96 32",
        "deemed": "RB",
    },
    "card": {
        "business": "04 05 07 12 13 14 15 36 39 41 43 46 51 52 53 54 55 57 58 59 61 62 63 64 65"
        " 70 75 76 78 82 85 93 1A 6P N7 R0 R1 R3 3DS-N 3DS-R 3DS-T",
        "technical": "06 19 91 92 96 N0 3DS-U",
        "unknown": "68 94",
    },
    "payout": {"business": "05 51 AM04 AC01 AC04", "technical": "91"},
}


@pytest.mark.parametrize(
    ("dialect", "code", "class_"),
    [
        (dialect, code, class_)
        for dialect, classes in LISTED.items()
        for class_, codes in classes.items()
        for code in codes.split()
    ],
)
def test_every_listed_code_has_its_class(dialect: Dialect, code: str, class_: str):
    found = meaning(dialect, code)
    assert found is not None
    assert found.class_ == class_


@pytest.mark.parametrize(
    ("code", "decline_code"),
    [
        ("04", "pick_up_card"),
        ("46", "closed_account"),
        ("63", "security_violation"),
        ("70", "pin_required"),
        ("82", "incorrect_cvc"),
        ("1A", "authentication_required"),
        ("6P", "identity_mismatch"),
        ("R0", "stop_payment_order"),
        ("R1", "authorization_revoked"),
        ("3DS-N", "authentication_failed"),
        ("3DS-T", "authentication_expired"),
    ],
)
def test_a_card_code_has_a_name_of_its_own(code: str, decline_code: str):
    assert read_outcome("card", DECLINED, code).decline_code == decline_code


@pytest.mark.parametrize(
    "code", ["04", "07", "12", "14", "15", "41", "43", "46", "57", "R0", "R1", "R3"]
)
def test_what_the_networks_forbid_to_retry_is_not_retryable(code: str):
    found = meaning("card", code)
    assert found is not None
    assert not found.retryable


def test_no_code_stands_twice():
    text = resources.files("online.rails").joinpath("codes.yaml").read_text(encoding="utf-8")
    for block in re.split(r"^(?=\w+:$)", text, flags=re.MULTILINE):
        keys = re.findall(r'^  "?([\w-]+)"?:$', block, flags=re.MULTILINE)
        assert [key for key, count in Counter(keys).items() if count > 1] == []


def test_the_table_is_whole():
    for dialect, codes in table().items():
        for code, rows in codes.items():
            assert isinstance(code, str), f"quote {code!r} in {dialect}: YAML reads it as a number"
            for row in rows:
                assert row.decline_code.replace("_", "").isalpha()
                assert row.message[0].isupper()
                assert row.terminal is (row.class_ in ("business", "technical"))
                assert not (row.retryable and not row.terminal)


def test_the_rows_of_a_code_follow_each_other_without_gap_or_overlap():
    for codes in table().values():
        for rows in codes.values():
            assert rows[0].valid_from == date.min
            assert rows[-1].valid_to == date.max
            for before, after in pairwise(rows):
                assert after.valid_from == before.valid_to + timedelta(days=1)


@pytest.mark.parametrize(
    ("on", "kind"), [(date(2025, 6, 29), UNKNOWN), (date(2025, 6, 30), DEEMED)]
)
def test_a_code_means_what_it_meant_on_its_day(on: date, kind: OutcomeKind):
    """From 30 June 2025 on a deemed approval is told to merchants as a success."""
    outcome = read_outcome("upi", FAILED, "RB", on=on)
    assert (outcome.kind, outcome.decline_code) == (kind, "credit_unconfirmed")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FAILED, "no_connection"),
        (FAILED, "rail_busy"),
        (FAILED, "rejected"),
        (FAILED, "unsupported"),
        (FAILED, "card_unavailable"),
        (UNKNOWN, "no_answer"),
        (UNKNOWN, "bad_answer"),
        (OutcomeKind.NOT_FOUND, "not_found"),
    ],
)
def test_our_own_codes_have_rows(kind: OutcomeKind, code: str):
    assert own_outcome(kind, code).message
