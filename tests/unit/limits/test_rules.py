"""What a user may pay on which day, row by row of `config/limits.yaml`."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from online.kernel.clock import IST
from online.kernel.errors import LimitExceeded
from online.limits.domain import (
    Category,
    FactorRequired,
    LimitFacts,
    Rules,
    UserLimits,
    before_rules,
    returned,
    taken,
)
from online.limits.rulebook import load_limits
from online.limits.windows import window
from online.platform.settings import ROOT

LAKH = 1_00_000_00
SETTINGS = UserLimits(transactions_per_day=50, amount_per_day_minor=LAKH)
FOREVER_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_limits(ROOT / "config" / "limits.yaml", SETTINGS)


def facts(day: str, amount: int = 1, **known: Any) -> LimitFacts:
    at = datetime.fromisoformat(day).replace(hour=12, tzinfo=IST)
    outside = {
        name: known.pop(name) for name in ("since", "device", "trust", "factor") if name in known
    }
    category = Category(
        **{"kind": "p2m", "method": "upi", "user_type": "max", "kyc": "full"} | known,
        day=at.date(),
    )
    return LimitFacts(
        category=category,
        subject="customer:c",
        amount_minor=amount,
        at=at,
        livemode=False,
        **{"since": FOREVER_AGO} | outside,
    )


def caps(rules: Rules, asked: LimitFacts) -> dict[str, int]:
    """Every cap of the payment by its counter's name; the settings' count is always one."""
    found = {
        f"{rule.id}.per_payment": rule.per_payment_minor
        for rule in rules.applying(asked)
        if rule.per_payment_minor is not None
    }
    found |= {move.rule: move.cap for move in rules.decide(asked).moves}
    assert found.pop("transactions_per_day", 50) == 50
    return found


VERIFIED = {"verified": True}


@pytest.mark.parametrize(
    ("day", "known", "expected"),
    [
        # whom nothing special covers: the settings
        ("2026-02-01", {"user_type": "untyped"}, {"amount_per_day": LAKH}),
        ("2026-02-01", {"method": "card"}, {"amount_per_day": LAKH}),
        (
            "2026-02-01",
            {},
            {"upi_default.per_payment": LAKH, "upi_default.amount_per_day": LAKH},
        ),
        # capital market: two lakh until 14 September 2025, five and ten from the 15th
        (
            "2025-09-14",
            {"mcc": "6211", **VERIFIED},
            {"capital_market.per_payment": 2 * LAKH, "capital_market.amount_per_day": 2 * LAKH},
        ),
        (
            "2025-09-15",
            {"mcc": "6211", **VERIFIED},
            {"capital_market.per_payment": 5 * LAKH, "capital_market.amount_per_day": 10 * LAKH},
        ),
        (
            "2025-09-15",
            {"mcc": "6211", "user_type": "untyped", **VERIFIED},
            {"capital_market.per_payment": 5 * LAKH, "capital_market.amount_per_day": 10 * LAKH},
        ),
        # a payee whose business nobody checked has no category
        (
            "2025-09-15",
            {"mcc": "6211"},
            {"upi_default.per_payment": LAKH, "upi_default.amount_per_day": LAKH},
        ),
        (
            "2025-09-14",
            {"mcc": "6300", **VERIFIED},
            {"insurance.per_payment": 2 * LAKH, "insurance.amount_per_day": 2 * LAKH},
        ),
        (
            "2025-09-15",
            {"mcc": "6529", **VERIFIED},
            {"insurance.per_payment": 5 * LAKH, "insurance.amount_per_day": 10 * LAKH},
        ),
        (
            "2025-09-14",
            {"mcc": "7322", **VERIFIED},
            {"collections.per_payment": 2 * LAKH, "collections.amount_per_day": 2 * LAKH},
        ),
        (
            "2025-09-15",
            {"mcc": "7322", **VERIFIED},
            {"collections.per_payment": 5 * LAKH, "collections.amount_per_day": 10 * LAKH},
        ),
        # government: taxes from 16 September 2024, with no limit of the day for a year
        (
            "2024-09-15",
            {"mcc": "9311", **VERIFIED},
            {"upi_default.per_payment": LAKH, "upi_default.amount_per_day": LAKH},
        ),
        ("2024-09-16", {"mcc": "9311", **VERIFIED}, {"government.per_payment": 5 * LAKH}),
        ("2025-09-14", {"mcc": "9311", **VERIFIED}, {"government.per_payment": 5 * LAKH}),
        (
            "2025-09-15",
            {"mcc": "9311", **VERIFIED},
            {"government.per_payment": 5 * LAKH, "government.amount_per_day": 10 * LAKH},
        ),
        *(
            row
            for mcc, name, payment, of_day in [
                ("4722", "travel", 5, 10),
                ("5413", "card_bill", 5, 6),
                ("5944", "jewellery", 2, 6),
                ("7410", "deposit_account", 5, 5),
                ("7409", "deposit_funding", 2, 2),
            ]
            for row in [
                (
                    "2025-09-14",
                    {"mcc": mcc, **VERIFIED},
                    {"upi_default.per_payment": LAKH, "upi_default.amount_per_day": LAKH},
                ),
                (
                    "2025-09-15",
                    {"mcc": mcc, **VERIFIED},
                    {
                        f"{name}.per_payment": payment * LAKH,
                        f"{name}.amount_per_day": of_day * LAKH,
                    },
                ),
            ]
        ),
        # purpose: foreign exchange is one only by its purpose
        (
            "2025-09-15",
            {"mcc": "6012", "purpose": "BF", **VERIFIED},
            {
                "foreign_exchange.per_payment": 5 * LAKH,
                "foreign_exchange.amount_per_day": 5 * LAKH,
            },
        ),
        (
            "2025-09-14",
            {"mcc": "6012", "purpose": "BF", **VERIFIED},
            {"upi_default.per_payment": LAKH, "upi_default.amount_per_day": LAKH},
        ),
        (
            "2025-09-15",
            {"mcc": "6012", "purpose": "00", **VERIFIED},
            {"upi_default.per_payment": LAKH, "upi_default.amount_per_day": LAKH},
        ),
        (
            "2024-01-09",
            {"mcc": "8062", **VERIFIED},
            {"upi_default.per_payment": LAKH, "upi_default.amount_per_day": LAKH},
        ),
        (
            "2024-01-10",
            {"mcc": "8062", **VERIFIED},
            {
                "hospital_education.per_payment": 5 * LAKH,
                "hospital_education.amount_per_day": 10 * LAKH,
            },
        ),
        # between persons: amount and count
        (
            "2026-02-01",
            {"kind": "p2p"},
            {
                "p2p.per_payment": LAKH,
                "p2p.amount_per_day": LAKH,
                "p2p.transactions_per_day": 20,
            },
        ),
        # MINI: its own small values besides whatever else counts, and never a category's
        (
            "2024-12-03",
            {"user_type": "mini", "method": "lite"},
            {
                "amount_per_day": LAKH,
                "small_value.per_payment": 500_00,
                "small_value.amount_per_day": 4_000_00,
            },
        ),
        (
            "2024-12-04",
            {"user_type": "mini", "method": "lite", "mcc": "6211", **VERIFIED},
            {
                "amount_per_day": LAKH,
                "small_value.per_payment": 1_000_00,
                "small_value.amount_per_day": 10_000_00,
            },
        ),
        (
            "2026-02-01",
            {"kind": "topup", "user_type": "mini"},
            {
                "small_ppi_load.amount_per_month": 10_000_00,
                "small_ppi_load.amount_per_financial_year": 1_20_000_00,
            },
        ),
        ("2021-08-26", {"kind": "topup", "user_type": "mini"}, {}),
        (
            "2026-02-01",
            {"kind": "payout", "user_type": "untyped"},
            {"payout.amount_per_day": 50_00_00_000_00, "payout.transactions_per_day": 1_00_000},
        ),
    ],
)
def test_what_limits_a_payment_on_a_day(
    rules: Rules, day: str, known: dict[str, Any], expected: dict[str, int]
) -> None:
    assert caps(rules, facts(day, **known)) == expected


def test_every_row_of_the_file_counts_somewhere_in_the_table_above(rules: Rules) -> None:
    """A row that the table does not know would be a row nobody has looked at."""
    table = rules._table
    known = {
        rule.split(".")[0]
        for mark in test_what_limits_a_payment_on_a_day.pytestmark  # type: ignore[attr-defined]
        for _, _, expected in mark.args[1]
        for rule in expected
    }
    elsewhere = {"new_user", "cooling_device", "unproved_device", "doubtful_device"}
    assert {rule.id for rule in (*table.limits, *table.restrictions)} == (
        {name for name in known if name != "amount_per_day"} | elsewhere
    )


@pytest.mark.parametrize(
    ("amount", "passes"), [(LAKH, True), (LAKH + 1, False)], ids=["the cap", "one paisa more"]
)
def test_one_payment_alone_may_be_too_much(rules: Rules, amount: int, passes: bool) -> None:
    asked = facts("2026-02-01", amount)
    if passes:
        assert rules.decide(asked).rules == ("per_user@2020-01-01", "upi_default@2021-01-01")
        return
    with pytest.raises(LimitExceeded) as refused:
        rules.decide(asked)
    assert refused.value.param == "upi_default.per_payment"
    assert refused.value.limit is not None
    assert (refused.value.limit.cap, refused.value.limit.headroom) == (LAKH, LAKH)


@pytest.mark.parametrize(
    ("hours", "restricted"), [(0, True), (23.99, True), (24, False), (48, False)]
)
def test_the_first_day_of_a_user_is_one_window(
    rules: Rules, hours: float, restricted: bool
) -> None:
    now = datetime(2026, 2, 1, 12, tzinfo=IST)
    since = now - timedelta(hours=hours)
    moves = {m.rule: m for m in rules.decide(facts("2026-02-01", since=since)).moves}
    first = moves.get("new_user.amount_per_first_hours")
    assert (first is not None) == restricted
    if first is not None:
        assert (first.cap, first.window_start) == (5_000_00, since.astimezone(IST).date())
        assert first.until == since + timedelta(hours=24)


def test_the_first_day_counts_payments_and_transfers_together(rules: Rules) -> None:
    since = datetime(2026, 2, 1, 11, tzinfo=IST)
    names = [
        {m.rule for m in rules.decide(facts("2026-02-01", since=since, kind=kind)).moves}
        for kind in ("p2m", "p2p")
    ]
    assert names[0] & names[1] == {"new_user.amount_per_first_hours"}


def test_of_customers_without_a_type_nothing_new_is_known(rules: Rules) -> None:
    asked = facts("2026-02-01", since=datetime(2026, 2, 1, 11, tzinfo=IST), user_type="untyped")
    assert caps(rules, asked) == {"amount_per_day": LAKH}


@pytest.mark.parametrize(
    ("device", "trust", "extra"),
    [
        ("absent", 0, {}),
        ("unlinked", 0, {}),
        ("cooling", 300, {"cooling_device.amount_per_day": 5_000_00}),
        ("active", 399, {"doubtful_device.amount_per_day": 25_000_00}),
        ("active", 400, {}),
        ("active", 1000, {}),
    ],
)
def test_a_device_lowers_and_never_raises(
    rules: Rules, device: str, trust: int, extra: dict[str, int]
) -> None:
    plain = caps(rules, facts("2026-02-01", mcc="6211", **VERIFIED))
    found = caps(rules, facts("2026-02-01", mcc="6211", device=device, trust=trust, **VERIFIED))
    assert found == plain | extra


@pytest.mark.parametrize(("device", "trust"), [("pending", 0), ("active", 399)])
def test_a_device_that_is_no_factor_asks_for_another(rules: Rules, device: str, trust: int) -> None:
    rules.decide(facts("2026-02-01", device=device, trust=trust, factor=True))
    with pytest.raises(FactorRequired):
        rules.decide(facts("2026-02-01", device=device, trust=trust, factor=False))


def test_the_special_row_wins_whatever_its_place(rules: Rules) -> None:
    """Purpose before MCC before payee before type before method."""
    weights = {rule.id: rule.weight for rule in rules._table.limits}
    assert weights["foreign_exchange"] > weights["capital_market"] > weights["upi_default"]
    assert weights["upi_default"] > weights["p2p"]


# ── windows ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("per", "at", "start", "until"),
    [
        ("day", "2026-02-01T18:29:59Z", date(2026, 2, 1), "2026-02-01T18:30:00Z"),
        ("day", "2026-02-01T18:30:00Z", date(2026, 2, 2), "2026-02-02T18:30:00Z"),
        ("month", "2026-01-31T18:29:59Z", date(2026, 1, 1), "2026-01-31T18:30:00Z"),
        ("month", "2026-12-31T18:30:00Z", date(2027, 1, 1), "2027-01-31T18:30:00Z"),
        ("financial_year", "2026-03-31T18:29:59Z", date(2025, 4, 1), "2026-03-31T18:30:00Z"),
        ("financial_year", "2026-03-31T18:30:00Z", date(2026, 4, 1), "2027-03-31T18:30:00Z"),
    ],
)
def test_windows_are_indias(per: Any, at: str, start: date, until: str) -> None:
    found = window(per, datetime.fromisoformat(at))
    assert found.start == start
    assert found.until == datetime.fromisoformat(until)


# ── what a payment keeps ─────────────────────────────────────────────────────────────────


def test_what_is_taken_is_given_back_where_it_was_taken(rules: Rules) -> None:
    moves = rules.decide(facts("2026-02-01", 700)).moves
    back = returned(taken(moves), livemode=False)
    assert [(m.subject, m.rule, m.window_start, -m.delta) for m in back] == [
        (m.subject, m.rule, m.window_start, m.delta) for m in moves
    ]


def test_payments_that_kept_nothing_return_what_was_usual() -> None:
    at = datetime(2026, 2, 1, 20, tzinfo=UTC)  # the second in India
    back = returned(before_rules(SETTINGS, "customer:c", 700, at), livemode=False)
    assert [(m.rule, m.window_start, m.delta) for m in back] == [
        ("transactions_per_day", date(2026, 2, 2), -1),
        ("amount_per_day", date(2026, 2, 2), -700),
    ]
