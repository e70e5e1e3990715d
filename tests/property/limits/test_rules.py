"""Limits by chance: nothing passes a cap, everything comes back, and a restriction only lowers."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from online.kernel.errors import Refused
from online.ledger.change import LimitMove
from online.limits.domain import (
    Category,
    Decided,
    LimitFacts,
    Rules,
    UserLimits,
    returned,
    taken,
)
from online.limits.rulebook import load_limits
from online.limits.windows import window
from online.platform.settings import ROOT

RULES: Rules = load_limits(
    ROOT / "config" / "limits.yaml",
    UserLimits(transactions_per_day=50, amount_per_day_minor=1_00_000_00),
)
BEGIN, END = datetime(2023, 1, 1), datetime(2027, 1, 1)  # noqa: DTZ001 - Hypothesis adds the zone
moments = st.datetimes(BEGIN, END, timezones=st.just(UTC))
MCCS = sorted({mcc for rule in RULES._table.limits for mcc in rule.mcc})
DEVICES = ["absent", "unlinked", "pending", "cooling", "active", "suspended", "revoked"]


@st.composite
def facts(draw: st.DrawFn, at: datetime | None = None) -> LimitFacts:
    when = at or draw(moments)
    category = Category(
        kind=draw(st.sampled_from(["p2m", "p2p", "topup"])),
        method=draw(st.sampled_from(["upi", "card", "lite"])),
        day=when.date(),
        user_type=draw(st.sampled_from(["mini", "max", "untyped"])),
        mcc=draw(st.sampled_from([*MCCS, "5814", None])),
        purpose=draw(st.sampled_from([None, "00", "BF"])),
        verified=draw(st.booleans()),
    )
    return LimitFacts(
        category=category,
        subject=draw(st.sampled_from(["customer:a", "customer:b"])),
        amount_minor=draw(st.integers(1, 6_00_000_00)),
        at=when,
        livemode=False,
        since=draw(st.none() | st.timedeltas(timedelta(), timedelta(hours=48)).map(when.__sub__)),
        device=draw(st.sampled_from(DEVICES)),
        trust=draw(st.integers(0, 1000)),
        factor=draw(st.booleans()),
    )


def decided(asked: LimitFacts) -> Decided | None:
    try:
        return RULES.decide(asked)
    except Refused:
        return None


class Counters:
    """What the writer does with moves, in a few lines."""

    def __init__(self) -> None:
        self.used: Counter[Any] = Counter()

    def take(self, moves: tuple[LimitMove, ...]) -> bool:
        sums = Counter(self.used)
        for move in moves:
            key = (move.subject, move.rule, move.window_start)
            sums[key] += move.delta
            if move.delta > 0 and sums[key] > move.cap:
                return False
        self.used = sums
        return True


@settings(max_examples=200, deadline=None)
@given(moments.flatmap(lambda at: st.lists(st.tuples(facts(at), st.booleans()), max_size=25)))
def test_no_counter_passes_its_cap_and_what_fails_comes_back(
    asked: list[tuple[LimitFacts, bool]],
) -> None:
    counters, kept = Counters(), Counter[Any]()
    for each, fails in asked:
        found = decided(each)
        if found is None or not counters.take(found.moves):
            continue
        for move in found.moves:
            assert counters.used[move.subject, move.rule, move.window_start] <= move.cap
        if fails:
            counters.take(returned(taken(found.moves), livemode=False))
            continue
        for move in found.moves:
            kept[move.subject, move.rule, move.window_start] += move.delta
    assert +counters.used == +kept


@settings(max_examples=300, deadline=None)
@given(facts(), st.sampled_from(DEVICES), st.integers(0, 1000))
def test_no_device_and_no_trust_raises_anything(asked: LimitFacts, device: str, trust: int) -> None:
    """Whatever passes by some device passes without one, under every cap of before."""
    by_device = replace(asked, device=device, trust=trust)  # type: ignore[arg-type]
    without = replace(asked, device="absent", trust=1000)
    found, plain = decided(by_device), decided(without)
    assume(found is not None)
    assert found is not None
    assert plain is not None
    caps = {move.rule: move.cap for move in found.moves}
    assert {move.rule: move.cap for move in plain.moves}.items() <= caps.items()


@settings(max_examples=300, deadline=None)
@given(moments, st.sampled_from(["day", "month", "financial_year"]))
def test_every_moment_is_in_one_window_and_windows_touch(at: datetime, per: Any) -> None:
    found = window(per, at)
    assert found.until is not None
    assert at < found.until
    assert window(per, found.until - timedelta(microseconds=1)) == found
    following = window(per, found.until)
    assert following.start > found.start
    assert window(per, following.until - timedelta(microseconds=1)) == following  # type: ignore[operator]


@settings(max_examples=300, deadline=None)
@given(facts())
def test_a_decision_is_the_same_each_time_and_of_the_rows_of_its_day(asked: LimitFacts) -> None:
    found = decided(asked)
    assert found == decided(asked)
    for rule in RULES.applying(asked):
        assert rule.valid_from <= asked.category.day
        assert rule.valid_to is None or asked.category.day <= rule.valid_to
