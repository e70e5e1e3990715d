"""Payments, requests, failures and revocations in any order, decided by the writer's own batch and
held against a model that only adds up: no cap is passed, nothing held is lost."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from online.delegations.domain import Delegation, caps, guarded, linked, moves
from online.kernel.errors import KhataError
from online.ledger.batch import Batch
from online.ledger.change import Change, LimitMove, close, reopen
from online.limits.domain import returned, taken
from tests.builders import AT, uid
from tests.unit.delegations.test_domain import RULE, delegation

PAIRS = [
    replace(delegation(per_month=cap), id=uid(name), secondary_id=uid(f"person {name}"))
    for name, cap in (("first", None), ("second", 900_00), ("third", 1))
]
AMOUNTS = st.integers(1, 5_000_00)
HOURS = st.sampled_from([0, 23, 24, 24 * 20, 24 * 40])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "pay", "fail", "stop", "go on"]),
        st.sampled_from(PAIRS),
        AMOUNTS,
        HOURS,
    ),
    max_size=60,
)


class Counters:
    """The counters of a database that is one batch after another, without the database."""

    def __init__(self) -> None:
        self._counters: dict[Any, Any] = {}

    def takes(self, *limits: LimitMove) -> bool:
        batch = Batch([Change(limits=limits)], 0)
        batch._counters = self._counters
        batch.decide()
        (refusal,) = batch.refusals
        assert refusal is None or isinstance(refusal, KhataError)
        return refusal is None

    def used(self, subject: str, rule: str, window: object) -> int:
        counter = self._counters.get((subject, rule, window))
        return counter.used if counter else 0


@settings(max_examples=150)
@given(STEPS)
def test_no_cap_is_passed_and_what_fails_comes_back(steps):
    counters = Counters()
    spent: dict[Any, int] = {}
    closed: set[Any] = set()
    kept: dict[Any, list[tuple[LimitMove, ...]]] = {}
    for what, pair, amount, hours in steps:
        now = AT + timedelta(hours=hours)
        match what:
            case "pay":
                asked = moves(pair, RULE, amount, now)
                fits = pair.id not in closed and all(
                    spent.get(_key(cap), 0) + amount <= cap.cap for cap in caps(pair, RULE, now)
                )
                assert counters.takes(*asked) is fits
                if fits:
                    kept.setdefault(pair.id, []).append(asked)
                    for move in asked[1:]:
                        key = (move.subject, move.rule, move.window_start)
                        spent[key] = spent.get(key, 0) + amount
            case "fail" if kept.get(pair.id):
                came_to_nothing = kept[pair.id].pop()
                assert counters.takes(*returned(taken(came_to_nothing), livemode=False))
                for move in came_to_nothing[1:]:
                    spent[move.subject, move.rule, move.window_start] -= move.delta
            case "stop" if pair.id not in closed:
                assert counters.takes(close(pair.subject, livemode=False))
                closed.add(pair.id)
            case "go on" if pair.id in closed:
                assert counters.takes(reopen(pair.subject, livemode=False))
                closed.discard(pair.id)
    assert {key: counters.used(*key) for key in spent} == spent
    for pair in PAIRS:
        assert counters.takes(guarded(pair)) is (pair.id not in closed)


def _key(cap: Any) -> tuple[str, str, object]:
    return cap.subject, cap.rule, cap.window_start


people = st.integers(0, 7)


@settings(max_examples=150)
@given(st.lists(st.tuples(people, people, st.booleans()), max_size=60))
def test_five_secondaries_one_primary_whatever_comes_and_goes(steps):
    counters = Counters()
    circles: dict[int, int] = {}  # secondary → primary
    for primary, secondary, joins in steps:
        if primary == secondary:
            continue
        link = _link(primary, secondary)
        if joins:
            has_room = list(circles.values()).count(primary) < 5
            fits = has_room and secondary not in circles
            assert counters.takes(*linked(link, RULE)) is fits
            if fits:
                circles[secondary] = primary
        elif circles.get(secondary) == primary:
            assert counters.takes(*returned(taken(linked(link, RULE)), livemode=False))
            del circles[secondary]


def _link(primary: int, secondary: int) -> Delegation:
    return replace(
        delegation(), primary_id=uid(f"person {primary}"), secondary_id=uid(f"person {secondary}")
    )
