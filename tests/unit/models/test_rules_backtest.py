"""Back-tests of rules: what is counted, against counting by hand, and where history comes from."""

import csv
import json
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest

from models.__main__ import main
from models.fraud import rules_history
from models.fraud.features import PaymentFacts, empty_raw, epoch_us, values
from models.fraud.rules import RuleData, RulesData, compile_rules, rule_values
from models.fraud.rules_backtest import Thresholds, backtest_rules
from models.fraud.rules_history import Days, Past, history_of_lake, history_of_log
from models.fraud.rules_report import page
from tests.unit.models import oracle
from tests.unit.models.synthetic import START, Label, event_log, history
from warehouse import macros

AT_US = epoch_us(datetime(2026, 9, 20, 6, tzinfo=UTC))
DAYS = Days(date(2026, 9, 11), date(2026, 9, 30))


def rule(code, when, score, mode="live"):
    return RuleData(code, code, when, score, mode)


def rules(*each, version=1):
    return compile_rules(RulesData(version, list(each)))


def past(number, amount, fraud, **named):
    """A payment that is nothing but what is named."""
    facts = PaymentFacts(AT_US, amount, "upi", "INR", False, False)
    known = rule_values(values(empty_raw(), facts), facts) | named
    return Past(f"pay_{number}", AT_US, amount, "INR", fraud, 0, known)


SET = rules(
    rule("high", "amount_minor >= 1000", 50),
    rule("listed", "any_watched", 40),
    rule("trusted", "any_allowed", -100),
    rule("idea", "amount_minor >= 500", 60, "shadow"),
)
PAYMENTS = [
    past(1, 2000, True),
    past(2, 2000, True, any_watched=True),
    past(3, 1000, False, any_watched=True, any_allowed=True),
    past(4, 600, True),
    past(5, 600, None),
    past(6, 100, False, any_watched=True),
    past(7, 100, False),
]


def judged(payments=PAYMENTS, ruleset=SET, **more):
    return backtest_rules(payments, ruleset, days=("a", "b"), **more)


def counted(tally):
    return tally.fraud, tally.good, tally.undecided


def test_what_a_set_decides():
    """By hand: 50 → challenge, 90 → block, −10, 0, 0, 40 → challenge, 0."""
    found = judged()
    decisions = {name: counted(tally) for name, tally in found.rules.decisions.items()}
    assert decisions == {
        "allow": (1, 2, 1),
        "challenge": (1, 1, 0),
        "review": (0, 0, 0),
        "block": (1, 0, 0),
    }
    assert counted(found.payments) == (3, 3, 1)
    assert found.payments.fraud_minor == 4600
    reaching = {name: counted(tally) for name, tally in found.rules.reaching.items()}
    assert reaching == {"challenge": (2, 1, 0), "review": (1, 0, 0), "block": (1, 0, 0)}
    blocked = found.rules.measures["block"]
    assert blocked.precision.value == 1
    assert blocked.recall.value == pytest.approx(1 / 3)
    assert blocked.alert_rate.value == pytest.approx(1 / 7)
    assert blocked.fraud_money_caught == pytest.approx(2000 / 4600)
    assert found.rules.measures["review"].precision.low < 0.3, "one of one proves little"


def test_what_each_rule_does():
    found = {each.code: each for each in judged().rules.rules}
    assert counted(found["high"].hits) == (2, 1, 0)
    assert found["high"].measures.precision.value == pytest.approx(2 / 3)
    assert found["high"].hits.good_minor == 1000
    # Alone it was on the first payment; without it, the first two would be milder.
    assert counted(found["high"].alone) == (1, 0, 0)
    assert counted(found["high"].turns) == (2, 0, 0)
    assert counted(found["listed"].turns) == (1, 1, 0)
    # What speaks for a payment is alone where nothing speaks against it: here it never is.
    assert counted(found["trusted"].alone) == (0, 0, 0)
    assert counted(found["trusted"].turns) == (0, 1, 0)
    assert found["high"].overlaps == {"listed": 2, "idea": 3, "trusted": 1}
    # 60 more would block the first, challenge the third, send the fourth and fifth to review.
    idea = found["idea"]
    assert (idea.mode, counted(idea.hits)) == ("shadow", (3, 1, 1))
    assert counted(idea.alone) == (1, 0, 1)
    assert counted(idea.turns) == (2, 1, 1)


def test_precision_is_of_what_is_known():
    """Undecided payments stand beside it: they are neither right nor wrong."""
    known = [past(1, 2000, True), past(2, 2000, False)]
    open_ = [past(n, 2000, None) for n in range(3, 100)]
    high = judged([*known, *open_]).rules.rules[0]
    assert high.measures.precision == judged(known).rules.rules[0].measures.precision
    assert high.hits.undecided == 97
    nothing = judged(open_).rules.rules[0]
    assert nothing.measures.precision is nothing.measures.recall is None
    assert nothing.measures.fraud_money_caught is None


def test_the_models_points_count():
    payments = [
        Past("p", AT_US, 100, "INR", True, points, past(1, 100, True).known)
        for points in (0, 39, 40, 75)
    ]
    found = judged(payments).rules.decisions
    assert [found[name].fraud for name in ("allow", "challenge", "review", "block")] == [2, 1, 0, 1]


def test_two_sets_against_each_other():
    new = rules(
        rule("high", "amount_minor >= 1000", 80),
        rule("listed", "any_watched", 40),
        rule("other", "amount_minor == 100", 45),
        version=2,
    )
    found = judged(ruleset=new, against=SET)
    assert found.comparison.added == ["other"]
    assert found.comparison.removed == ["trusted", "idea"]
    assert found.comparison.changed == ["high"]
    assert {move: counted(tally) for move, tally in found.comparison.moves.items()} == {
        "challenge → block": (1, 1, 0),
        "allow → block": (0, 1, 0),
        "allow → challenge": (0, 1, 0),
    }
    largest = found.comparison.examples[0]
    assert (largest.payment_id, largest.before, largest.after) == ("pay_1", "challenge", "block")
    assert (largest.outcome, largest.rules) == ("fraud", ["high"])
    assert found.comparison.examples[1].rules == ["high", "trusted"]
    assert found.against.version == 1
    same = judged(against=SET).comparison
    assert (same.moves, same.examples) == ({}, [])


def test_only_the_largest_examples_are_kept():
    loud = rules(rule("all", "amount_minor > 0", 80))
    payments = [past(n, n, False) for n in range(1, 1_000)]
    examples = judged(payments, loud, against=SET).comparison.examples
    assert [each.amount_minor for each in examples] == list(range(999, 979, -1))


def test_thresholds_rise():
    with pytest.raises(ValueError, match="does not hold"):
        Thresholds(60, 40, 75)
    strict = judged(thresholds=Thresholds(10, 20, 30)).rules.decisions
    assert counted(strict["block"]) == (2, 1, 0)


def test_the_page_says_what_the_report_says():
    new = rules(rule("other", "amount_minor == 100", 45), version=2)
    text = page(judged(ruleset=new, against=SET))
    assert "7 payments: 3 known as fraud (46), 3 as good, 1 undecided" in text
    assert "new: other; gone: high, listed, trusted, idea" in text
    assert "idea (shadow)" in text
    assert "pay_2" in text
    assert page(judged([])).count("–") > 10, "nothing to measure by"


# ── history ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def duck():
    with duckdb.connect() as connection:
        for statement in ("SET TimeZone = 'UTC'", *macros.statements()):
            connection.execute(statement)
        yield connection


def test_history_is_what_the_service_would_have_seen(duck):
    payments, labels = history(800, 45, seed=11)
    event_log(duck, payments, labels)
    found = list(history_of_lake(duck, DAYS, livemode=False).payments())
    inside = [p for p in payments if DAYS.from_us <= epoch_us(p.at) < DAYS.until_us]
    assert [each.at_us for each in found] == [epoch_us(p.at) for p in inside]
    fraud = {label.payment.id for label in labels}
    for each, payment in zip(found, inside, strict=True):
        facts = PaymentFacts(
            epoch_us(payment.at),
            payment.amount,
            payment.method,
            "INR",
            payment.customer is not None,
            payment.device is not None,
        )
        expected = values(oracle.raw_features(payment, payments, labels), facts)
        assert {name: each.known[name] for name in expected} == expected
        assert each.fraud is (True if payment.id in fraud else None)
        assert each.known["device_state"] == ("unlinked" if payment.device else "absent")


def test_parts_of_history_are_the_same_history(duck, monkeypatch):
    payments, labels = history(800, 45, seed=20)
    event_log(duck, payments, labels)
    whole = list(history_of_lake(duck, DAYS, livemode=False).payments())
    monkeypatch.setattr(rules_history, "_AT_ONCE", 40)
    found = history_of_lake(duck, DAYS, livemode=False)
    assert len(list(found._parts())) > 5
    assert list(found.payments()) == whole


def test_labels_count_until_a_day(duck):
    payments, labels = history(800, 45, seed=15)
    withdrawn = [Label(each.payment, each.known_at + timedelta(days=90), False) for each in labels]
    event_log(duck, payments, [*labels, *withdrawn])
    past_days = history_of_lake(duck, DAYS, livemode=False)
    outcomes = {each.fraud for each in past_days.payments()}
    assert outcomes == {False, None}
    early = epoch_us(START + timedelta(days=60))
    assert {each.fraud for each in past_days.payments(early)} == {True, None}


def test_lists_and_points_are_those_of_the_decision(duck):
    payments, labels = history(300, 45, seed=14)
    event_log(duck, payments, labels)
    inside = [p for p in payments if DAYS.from_us <= epoch_us(p.at) < DAYS.until_us]
    decided = inside[0]
    risk = {
        "lists": ["vpa_watched", "any_watched"],
        "probability": 0.299,
        "device_trust": {"device_id": "dev_x", "state": "active", "score": 700, "level": "high"},
    }
    duck.execute(
        "INSERT INTO raw_events BY NAME SELECT * REPLACE (2 AS version,"
        " 'payment.processing' AS event_type, $data AS data)"
        " FROM raw_events WHERE aggregate_id = $id AND event_type = 'payment.created'",
        {"id": decided.id, "data": json.dumps({"risk": risk})},
    )
    found = {p.payment_id: p for p in history_of_lake(duck, DAYS, livemode=False).payments()}
    seen = found.pop(str(decided.id))
    assert (seen.model_points, seen.known["any_watched"], seen.known["vpa_blocked"]) == (
        29, True, False,
    )  # fmt: skip
    assert (seen.known["device_trust"], seen.known["device_state"]) == (700, "active")
    assert not any(each.known["any_watched"] or each.model_points for each in found.values())


def log_files(folder):
    """Ten transactions of one card an hour apart; the second is fraud, known two days later."""
    transactions, labels = folder / "t.csv", folder / "l.csv"
    start = datetime(2026, 9, 20, 6, tzinfo=UTC)
    rows = [
        (n, (start + timedelta(hours=n)).isoformat(), "c1", "m1", 100 * (n + 1)) for n in range(10)
    ]
    for path, head, lines in (
        (transactions, "transaction_id occurred_at customer_id terminal_id amount_minor", rows),
        (
            labels,
            "transaction_id known_at fraud",
            [(n, (start + timedelta(days=2)).isoformat(), int(n == 1)) for n in range(5)],
        ),
    ):
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([head.split(), *lines])
    return transactions, labels


def test_a_log_in_files(tmp_path):
    transactions, labels = log_files(tmp_path)
    days = Days(date(2026, 9, 20), date(2026, 9, 20))
    with history_of_log(transactions, labels, days) as found:
        payments = list(found.payments())
    assert [p.amount_minor for p in payments] == [100 * (n + 1) for n in range(10)]
    assert [p.fraud for p in payments] == [False, True, *[False] * 3, *[None] * 5]
    assert [p.known["instrument_count_24h"] for p in payments] == list(range(10))
    assert {p.known["method"] for p in payments} == {"card"}


RULES_FILE = "version: {}\nrules: [{{code: many, description: d, when: '{}', score: 80}}]\n"


def test_the_command(tmp_path, capsys):
    transactions, labels = log_files(tmp_path)
    for name, version, when in (("new", 2, "card_count_1h >= 1"), ("old", 1, "card_count_24h < 2")):
        (tmp_path / f"{name}.yaml").write_text(RULES_FILE.format(version, when))
    about = [
        "rules-backtest",
        *("--transactions", str(transactions), "--labels", str(labels)),
        *("--from", "2026-09-20", "--to", "2026-09-20"),
        *("--rules", str(tmp_path / "new.yaml"), "--against", str(tmp_path / "old.yaml")),
    ]
    assert main([*about, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rules"]["decisions"]["block"]["fraud"] == 1
    assert report["comparison"]["moves"]["allow → block"]["undecided"] == 5
    assert report["comparison"]["changed"] == ["many"]
    assert main(about) == 0
    assert "allow → block" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"--to": "2026-09-19"}, "ends before it begins"),
        ({"--rules": "nowhere.yaml"}, "cannot be read"),
        ({"--labels": "nowhere.csv"}, "no such file"),
        ({"--block-at": "50"}, "does not hold"),
        ({"--transactions": ""}, "a log is two files"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, capsys, change, complaint):
    transactions, labels = log_files(tmp_path)
    options = {
        "--transactions": str(transactions),
        "--labels": str(labels),
        "--from": "2026-09-20",
        "--to": "2026-09-20",
        **change,
    }
    arguments = [part for option in options.items() if option[1] for part in option]
    assert main(["rules-backtest", *arguments]) == 2
    assert complaint in capsys.readouterr().err
