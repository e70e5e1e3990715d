"""What a rail's code means: the table, and how status and code are read together."""

import pytest

from online.rails.codes import Dialect, own_outcome, read_outcome, table
from online.rails.domain import OutcomeKind

APPROVED, DECLINED, FAILED, PENDING, UNKNOWN = (
    OutcomeKind.APPROVED,
    OutcomeKind.DECLINED,
    OutcomeKind.FAILED,
    OutcomeKind.PENDING,
    OutcomeKind.UNKNOWN,
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
        ("upi", FAILED, "RB", UNKNOWN, "credit_unconfirmed"),
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


def test_the_table_is_whole():
    for dialect, codes in table().items():
        for code, meaning in codes.items():
            assert isinstance(code, str), f"quote {code!r} in {dialect}: YAML reads it as a number"
            assert meaning.decline_code.replace("_", "").isalpha()
            assert meaning.message[0].isupper()
            assert not (meaning.class_ == "unknown" and meaning.retryable)


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
