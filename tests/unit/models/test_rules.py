"""The rules file of the project, and files that are refused."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from models.fraud.features import PaymentFacts, empty_raw, values
from models.fraud.rule_names import Circumstances, list_names, names, rule_values
from models.fraud.rules import (
    RuleData,
    RulesData,
    RulesRefused,
    compile_rules,
    evaluate,
    load_rules,
)

RULES = Path(__file__).parents[3] / "config" / "rules.yaml"
MIDNIGHT_US = 1_763_317_800_000_000  # 2025-11-17 00:00 in India
MONDAY, DAY = date(2025, 11, 17), timedelta(days=1)
NOON_US = MIDNIGHT_US + 12 * 3_600_000_000


def facts(amount: int, at_us: int = NOON_US) -> PaymentFacts:
    return PaymentFacts(at_us, amount, "upi", "INR", True, True)


def usual(**raw):
    """A known instrument and customer who pay 1,000 rupees a time."""
    known = {"customer_count_30d": 10, "customer_sum_30d": 10_000_00, "vpa_count_30d": 10}
    return empty_raw() | known | raw


@pytest.mark.parametrize(
    ("raw", "payment", "codes"),
    [
        (usual(), facts(1_000_00), []),
        (usual(), facts(5_000_00), []),
        (usual(), facts(5_001_00), ["amount_far_above_usual"]),
        (usual(customer_count_30d=2, customer_sum_30d=2_000_00), facts(9_000_00), []),
        (usual(vpa_count_1h=5), facts(1_000_00), []),
        (usual(vpa_count_1h=6), facts(1_000_00), ["many_attempts_in_an_hour"]),
        (empty_raw(), facts(19_999_99), []),
        (empty_raw(), facts(20_000_00), ["new_instrument_high_amount"]),
        (empty_raw(), facts(10_000_00, MIDNIGHT_US), ["night_high_amount"]),
        (empty_raw(), facts(10_000_00, MIDNIGHT_US - 1_000_000), []),
        (empty_raw(), facts(10_000_00, MIDNIGHT_US + 5 * 3_600_000_000), []),
        (usual(device_customers_7d=4), facts(1_000_00), ["device_with_many_customers"]),
        (usual(vpa_fraud_90d=1), facts(1_000_00), ["instrument_with_known_fraud"]),
        (
            usual(vpa_fraud_90d=1, customer_fraud_90d=1),
            facts(1_000_00),
            ["instrument_with_known_fraud"],
        ),
        (usual(customer_fraud_90d=1), facts(1_000_00), ["customer_with_known_fraud"]),
        (usual(ip_customers_1h=5), facts(1_000_00), ["address_with_many_customers"]),
        (usual(customer_sum_30d=10**9), facts(20_000_00), ["new_device_high_amount"]),
        (usual(customer_sum_30d=10**9, device_count_30d=1), facts(20_000_00), []),
    ],
)
def test_which_rules_hold(raw, payment, codes):
    assert [rule.code for rule in evaluate(load_rules(RULES), raw, payment)] == codes


@pytest.mark.parametrize(
    ("lists", "codes", "score"),
    [
        ({"vpa_blocked", "any_blocked"}, ["on_block_list"], 100),
        ({"vpa_allowed", "any_allowed"}, ["on_allow_list"], -1000),
        ({"vpa_watched", "any_watched"}, ["on_watch_list"], 60),
        ({"vpa_allowed", "any_allowed", "ip_watched", "any_watched"}, ["on_allow_list"], -1000),
        ({"vpa_allowed", "any_allowed", "ip_blocked", "any_blocked"}, ["on_block_list"], 100),
        ({"any_watched", "ip_watched", "any_blocked"}, ["on_block_list", "on_watch_list"], 160),
    ],
)
def test_what_people_decided_stands_above_what_is_computed(lists, codes, score):
    payment = facts(1_000_00)
    circumstances = Circumstances(lists=frozenset(lists))
    met = load_rules(RULES).met(rule_values(values(usual(), payment), payment, circumstances))
    assert [rule.code for rule in met] == codes
    assert sum(rule.score for rule in met) == score


RULE = "{code: c, description: d, when: new_pair, score: 5}"


def with_more(field):
    return RULE.replace("}", f", {field}}}")


def compiled(*rules):
    return compile_rules(RulesData(1, [RuleData("c", "d", **rule) for rule in rules]))


def is_met(when, amount=1_000_00, at_us=NOON_US, **circumstances):
    rules = compiled({"when": when, "score": 5})
    payment = facts(amount, at_us)
    known = values(usual(), payment)
    return bool(rules.met(rule_values(known, payment, Circumstances(**circumstances))))


VPA_BLOCKED = frozenset({"vpa_blocked", "any_blocked"})
SATURDAY_US = NOON_US + 5 * 86_400_000_000


@pytest.mark.parametrize(
    ("when", "circumstances"),
    [
        ("vpa_blocked and any_blocked and not card_blocked", {"lists": VPA_BLOCKED}),
        ("not any_blocked and not any_allowed and not any_watched", {}),
        ("card_network == 'visa'", {"card_network": "visa"}),
        ("card_country not in ('IN', '')", {"card_country": "US"}),
        ("funding in ('prepaid', 'rupay_credit')", {"funding": "prepaid"}),
        ("device_trust < 400 and device_state == 'cooling'", {"device_state": "cooling"}),
        ("device_state == 'absent' and device_trust == 0", {}),
        ("is_weekend and weekday in (5, 6)", {"at_us": SATURDAY_US}),
        ("not is_weekend and weekday == 0 and hour == 12", {}),
        ("is_night", {"at_us": MIDNIGHT_US}),
        ("not is_night", {"at_us": MIDNIGHT_US + 5 * 3_600_000_000}),
        ("day_number == 20409", {"at_us": MIDNIGHT_US}),
        ("method == 'upi' and currency == 'INR' and amount_minor == 1_000_00", {}),
    ],
)  # fmt: skip
def test_what_conditions_can_ask(when, circumstances):
    assert is_met(when, **circumstances)
    assert not is_met(f"not ({when})", **circumstances)


def test_a_list_is_named_by_whom_it_names_and_by_what_it_does():
    found = list_names(frozenset({("card", "watch"), ("ip", "block")}))
    assert found == {"card_watched", "any_watched", "ip_blocked", "any_blocked"}
    assert found <= set(names())


def test_every_name_has_a_value_of_its_type():
    payment = facts(1_000_00)
    known = rule_values(values(usual(), payment), payment)
    assert set(known) == set(names())
    types = {"number": (int, float), "text": str, "truth": (bool, float)}
    assert all(isinstance(known[name], types[kind]) for name, kind in names().items())


@pytest.mark.parametrize(
    ("days", "met"),
    [
        ({}, True),
        ({"first_day": MONDAY}, True),
        ({"last_day": MONDAY}, True),
        ({"first_day": MONDAY + DAY, "last_day": MONDAY + DAY}, False),
        ({"last_day": MONDAY - DAY}, False),
    ],
)
@pytest.mark.parametrize("second", [0, 86_399])
def test_a_rule_holds_on_its_days_in_india(days, met, second):
    """Both days included."""
    rules = compiled({"when": "new_pair", "score": 5, **days})
    payment = facts(1_000_00, MIDNIGHT_US + second * 1_000_000)
    assert bool(evaluate(rules, usual(), payment)) is met


def test_a_rule_in_shadow_does_not_count():
    live = RuleData("live", "d", "new_pair", 5)
    rules = compile_rules(RulesData(1, [live, RuleData("s", "d", "new_pair", 90, "shadow")]))
    payment = facts(1_000_00)
    known = rule_values(values(usual(), payment), payment)
    assert [rule.code for rule in rules.met(known)] == ["live"]
    assert [rule.code for rule in rules.shadow_met(known)] == ["s"]


def test_the_hash_is_of_what_the_rules_say(tmp_path):
    def hash_of(text):
        path = tmp_path / "rules.yaml"
        path.write_text(text)
        return load_rules(path).hash

    first = hash_of(f"version: 1\nrules: [{RULE}]")
    assert hash_of(f"# a comment\nversion: 2\nrules:\n  - {RULE}\n") == first
    others = [
        with_more("mode: shadow"),
        with_more("from: 2026-01-01"),
        with_more("until: 2026-01-01"),
        *(RULE.replace(*change) for change in (("5", "6"), (": d", ": e"), ("new_", "not new_"))),
    ]
    hashes = {hash_of(f"version: 1\nrules: [{other}]") for other in others}
    assert len(hashes | {first}) == len(others) + 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("version: 1\nrules: [{code: a, description: d, when: amuont > 1, score: 5}]", "rule a: "),
        (f"version: 1\nrules: [{RULE}, {RULE}]", "rule c: the code is already taken"),
        (f"version: 1\nrules: [{RULE.replace('c,', 'capped,')}]", "taken by another factor"),
        (f"version: 1\nrules: [{RULE.replace('c,', 'model_amount,')}]", "taken by another factor"),
        (f"version: 1\nrules: [{RULE.replace('5', '101')}]", "rules[0].score"),
        (f"version: 1\nrules: [{RULE.replace('5', '-1001')}]", "rules[0].score"),
        (f"version: 1\nrules: [{with_more('mode: asleep')}]", "rules[0].mode"),
        (f"version: 1\nrules: [{with_more('from: soon')}]", "rules[0].from"),
        (
            f"version: 1\nrules: [{with_more('from: 2026-02-01, until: 2026-01-31')}]",
            "rule c: its last day is before its first",
        ),
        (
            f"version: 1\nrules: [{RULE.replace('new_pair', 'new_pair and card_bloked')}]",
            "rule c: unknown name 'card_bloked'; did you mean 'card_blocked'? (at character 14)",
        ),
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
