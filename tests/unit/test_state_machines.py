"""What holds for every aggregate there is, whichever slice it belongs to: the whole product of its
states and all events, walked through its own `apply`.

The slices' own tests say which tables are meant; these say that none is left out.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from online.kernel.errors import IllegalMove
from online.kernel.events import EVENTS
from online.operations.verify import AGGREGATES
from tests.builders import an, occurred, uid
from tests.unit.machines import leads_to, reachable, without_exit

ROOT = Path(__file__).resolve().parents[2]
# A fact without a state.
FACTS = {"label"}


def domain_of(kind: str) -> Any:
    return sys.modules[AGGREGATES[kind].apply.__module__]


def statuses(kind: str) -> Any:
    """The enumeration behind a table."""
    return type(next(iter(domain_of(kind).TRANSITIONS.values())))


def status_of(state: Any) -> Any:
    return getattr(state, "status", None) or state.state


def in_status(kind: str, status: Any) -> Any:
    """A state of an aggregate, reached by its events alone; None for what is not there yet."""
    table, apply = domain_of(kind).TRANSITIONS, domain_of(kind).apply
    reached: dict[Any, Any] = {None: None}
    edge = [None]
    while edge and status not in reached:
        before = edge.pop(0)
        for (from_, event), to in table.items():
            if from_ == before and to not in reached:
                state = reached[before]
                version = state.version + 1 if state is not None else 1
                move = occurred(an(event), id_=uid(kind), version=version)
                reached[to] = apply(state, move)
                edge.append(to)
    return reached[status]


KINDS = pytest.mark.parametrize("kind", AGGREGATES)


def test_every_table_is_an_aggregate_s_and_is_verified_with_the_books():
    domains = {path.parent.name for path in ROOT.glob("online/*/domain.py")}
    with_table = {
        name
        for name in domains
        if hasattr(importlib.import_module(f"online.{name}.domain"), "TRANSITIONS")
    }
    assert with_table == {domain_of(kind).__name__.split(".")[1] for kind in AGGREGATES}


def test_every_event_is_some_aggregate_s():
    assert {name.partition(".")[0] for name in EVENTS} == AGGREGATES.keys() | FACTS


# Where a thing stays for good in the usual case, though it can still move.
RESTS = {"settlement": {"paid"}}  # a bank may send a payout back


@KINDS
def test_its_slice_has_a_table_test_of_its_own(kind):
    name = domain_of(kind).__name__
    folder = ROOT / "tests" / "unit" / name.split(".")[1]
    texts = [path.read_text("utf-8") for path in folder.glob("test_*.py")]
    assert any("TRANSITIONS" in text and name in text for text in texts), folder


@KINDS
def test_all_its_events_have_a_place_and_no_others(kind):
    used = {event.TYPE for _, event in domain_of(kind).TRANSITIONS}
    assert used == {name for name in EVENTS if name.partition(".")[0] == kind}


@KINDS
def test_every_status_is_reached_and_can_end(kind):
    table = domain_of(kind).TRANSITIONS
    assert reachable(table) == set(statuses(kind))
    ends = without_exit(table, statuses(kind))
    ends = {*ends, *RESTS.get(kind, ())}
    assert all(leads_to(table, status, ends) for status in statuses(kind)) or not ends


@KINDS
def test_nothing_leaves_what_is_final(kind):
    ends = without_exit(domain_of(kind).TRANSITIONS, statuses(kind))
    assert ends == getattr(domain_of(kind), "TERMINAL", ends)


@KINDS
def test_it_begins_in_one_way(kind):
    table = domain_of(kind).TRANSITIONS
    assert len([event for status, event in table if status is None]) == 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [(kind, status) for kind in AGGREGATES for status in (None, *statuses(kind))],
    ids=lambda value: str(value or "nothing"),
)
def test_every_status_takes_what_its_table_says_and_refuses_the_rest(kind, status):
    table, apply = domain_of(kind).TRANSITIONS, domain_of(kind).apply
    state = in_status(kind, status)
    version = state.version + 1 if state is not None else 1
    for event in EVENTS.values():
        move = occurred(an(event), id_=uid(kind), version=version)
        if (status, event) in table:
            after = apply(state, move)
            assert (status_of(after), after.version) == (table[status, event], version)
        else:
            with pytest.raises(IllegalMove):
                apply(state, move)
