"""The rules file of the project, and files that are refused."""

from pathlib import Path

import pytest

from models.fraud.features import PaymentFacts, empty_raw
from models.fraud.rules import RulesRefused, evaluate, load_rules

RULES = Path(__file__).parents[3] / "config" / "rules.yaml"
MIDNIGHT_US = 1_763_317_800_000_000  # 2025-11-17 00:00 in India
NOON_US = MIDNIGHT_US + 12 * 3_600_000_000


def facts(amount: int, at_us: int = NOON_US) -> PaymentFacts:
    return PaymentFacts(at_us, amount, "upi", "INR", True, True)


def usual(**raw):
    """A known instrument and customer who pay 1,000 rupees a time."""
    known = {"customer_count_30d": 10, "customer_sum_30d": 10_000_00, "instrument_count_30d": 10}
    return empty_raw() | known | raw


@pytest.mark.parametrize(
    ("raw", "payment", "codes"),
    [
        (usual(), facts(1_000_00), []),
        (usual(), facts(5_000_00), []),
        (usual(), facts(5_001_00), ["amount_far_above_usual"]),
        (usual(customer_count_30d=2, customer_sum_30d=2_000_00), facts(9_000_00), []),
        (usual(instrument_count_1h=5), facts(1_000_00), []),
        (usual(instrument_count_1h=6), facts(1_000_00), ["many_attempts_in_an_hour"]),
        (empty_raw(), facts(19_999_99), []),
        (empty_raw(), facts(20_000_00), ["new_instrument_high_amount"]),
        (empty_raw(), facts(10_000_00, MIDNIGHT_US), ["night_high_amount"]),
        (empty_raw(), facts(10_000_00, MIDNIGHT_US - 1_000_000), []),
        (empty_raw(), facts(10_000_00, MIDNIGHT_US + 5 * 3_600_000_000), []),
        (usual(device_customers_7d=4), facts(1_000_00), ["device_with_many_customers"]),
        (usual(instrument_fraud_90d=1), facts(1_000_00), ["instrument_with_known_fraud"]),
    ],
)
def test_which_rules_hold(raw, payment, codes):
    assert [rule.code for rule in evaluate(load_rules(RULES), raw, payment)] == codes


RULE = "{code: c, description: d, when: new_pair, score: 5}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("version: 1\nrules: [{code: a, description: d, when: amuont > 1, score: 5}]", "rule a: "),
        (f"version: 1\nrules: [{RULE}, {RULE}]", "rule c: the code is already taken"),
        (f"version: 1\nrules: [{RULE.replace('c,', 'capped,')}]", "already taken"),
        (f"version: 1\nrules: [{RULE.replace('5', '101')}]", "rules[0].score"),
        (f"version: 1\nrules: [{RULE.replace('5', '0')}]", "rules[0].score"),
        (f"version: 1\nrules: [{RULE.replace('c,', 'No Code,')}]", "rules[0].code"),
        (f"version: 1\nrules: [{RULE.replace('}', ', action: block}')}]", "unknown field"),
        ("version: 1\nrules: {", "rules.yaml"),
        ("rules: []", "version"),
        ("!!python/object/apply:os.getcwd []", "rules.yaml"),
    ],
)
def test_files_that_are_refused(tmp_path, text, complaint):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(RulesRefused) as refused:
        load_rules(path)
    assert complaint in str(refused.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RulesRefused, match="cannot be read"):
        load_rules(tmp_path / "rules.yaml")
