"""A device's transition table, what a link and a proof mean, and what time does."""

from datetime import datetime, timedelta
from itertools import product

import msgspec
import pytest

from online.devices.domain import (
    TERMINAL,
    TRANSITIONS,
    BindingRule,
    ChallengeExpired,
    Claim,
    Device,
    DeviceBlocked,
    Status,
    apply,
    counters,
    on_link,
    on_proof,
    settled,
)
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import IllegalMove
from tests.builders import AT, MERCHANT, occurred, uid
from tests.unit.machines import leads_to, reachable, without_exit

RULE = BindingRule(
    challenge=timedelta(minutes=10),
    cooling=timedelta(hours=24),
    block=timedelta(hours=24),
    wrong_proofs=3,
    challenges=3,
)
CUSTOMER = uid("customer")
CLAIM = Claim(
    merchant_id=MERCHANT,
    customer_id=CUSTOMER,
    fingerprint="finger",
    platform="android",
    key_hash="key",
    sim_hash="sim",
)
LINKED = ev.DeviceLinked(
    merchant_id=ids.encode("mrc", MERCHANT),
    customer_id=ids.encode("cus", CUSTOMER),
    fingerprint="finger",
    platform="android",
    key_hash="key",
    sim_hash="sim",
    challenge_expires_at=AT + RULE.challenge,
)
EVENTS = (
    LINKED,
    ev.DeviceChallenged(challenge_expires_at=AT + timedelta(hours=1)),
    ev.DeviceRelinked(platform="ios", key_hash="other", challenge_expires_at=AT),
    ev.DeviceProofFailed(attempt=2),
    ev.DeviceBlocked(blocked_until=AT + RULE.block),
    ev.DeviceVerified(cooling_until=AT + RULE.cooling),
    ev.DeviceActivated(),
    ev.DeviceSuspended(reason="lost"),
    ev.DeviceResumed(cooling_until=AT + RULE.cooling),
    ev.DeviceRevoked(reason="stolen"),
)


def device(status: Status = Status.PENDING, **fields: object) -> Device:
    return msgspec.structs.replace(apply(None, occurred(LINKED)), status=status, **fields)


def bound(status: Status) -> Device:
    return device(status, verified_at=AT, cooling_until=AT + RULE.cooling)


def after(**by: int) -> datetime:
    return AT + timedelta(**by)


def test_every_event_of_a_device_is_tried_below():
    known = {event for event in ev.EVENTS.values() if event.TYPE.startswith("device.")}
    assert {type(event) for event in EVENTS} == known


@pytest.mark.parametrize(("status", "event"), list(product([None, *Status], EVENTS)))
def test_the_table_says_every_move_and_no_other(status, event):
    state = None if status is None else device(status)
    if (status, type(event)) in TRANSITIONS:
        moved = apply(state, occurred(event, version=2))
        assert moved.status is TRANSITIONS[status, type(event)]
        assert moved.version == 2
    else:
        with pytest.raises(IllegalMove):
            apply(state, occurred(event, version=2))


def test_every_status_is_reached_and_only_a_revoked_device_stays_as_it_is():
    assert reachable(TRANSITIONS) == set(Status)
    assert without_exit(TRANSITIONS, Status) == TERMINAL
    for status in set(Status) - TERMINAL:
        assert leads_to(TRANSITIONS, status, set(TERMINAL))


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUSPENDED])
def test_nothing_becomes_active_without_a_proof_or_a_new_cooling(status):
    """From here, every way to `active` leads through `cooling`."""
    ways = {to for (of, _), to in TRANSITIONS.items() if of is status}
    assert Status.ACTIVE not in ways
    into_cooling = {of for (of, _), to in TRANSITIONS.items() if to is Status.COOLING}
    assert into_cooling == {Status.PENDING, Status.SUSPENDED}
    assert {of for (of, _), to in TRANSITIONS.items() if to is Status.ACTIVE} == {Status.COOLING}


@pytest.mark.parametrize(
    ("known", "claim", "at", "event"),
    [
        (None, {}, AT, ev.DeviceLinked),
        (device(), {}, AT, None),
        (device(), {}, after(minutes=9, seconds=59), None),
        (device(), {}, after(minutes=10), ev.DeviceChallenged),
        (device(), {"key_hash": "other"}, AT, ev.DeviceRelinked),
        (device(), {"sim_hash": "other"}, AT, ev.DeviceRelinked),
        (bound(Status.ACTIVE), {}, after(days=30), None),
        (bound(Status.ACTIVE), {"sim_hash": None}, AT, None),
        (bound(Status.ACTIVE), {"key_hash": "other"}, AT, ev.DeviceRelinked),
        (bound(Status.COOLING), {"sim_hash": "other"}, AT, ev.DeviceRelinked),
        (bound(Status.SUSPENDED), {}, AT, None),
        (device(Status.REVOKED), {}, AT, ev.DeviceLinked),
        (device(blocked_until=after(hours=1)), {}, AT, None),
        (device(blocked_until=after(hours=1)), {"key_hash": "other"}, AT, DeviceBlocked),
        (device(Status.REVOKED, blocked_until=after(hours=1)), {}, AT, DeviceBlocked),
        (device(blocked_until=AT), {"key_hash": "other"}, AT, ev.DeviceRelinked),
        (device(challenges=2), {}, after(minutes=10), ev.DeviceChallenged),
        (device(challenges=3), {}, AT, None),
        (device(challenges=3), {}, after(minutes=10), ev.DeviceBlocked),
        (device(challenges=3), {"key_hash": "other"}, AT, ev.DeviceBlocked),
    ],
)
def test_what_a_link_means(known, claim, at, event):
    claimed = msgspec.structs.replace(CLAIM, **claim)
    if event is DeviceBlocked:
        with pytest.raises(DeviceBlocked) as refused:
            on_link(known, claimed, RULE, at)
        assert refused.value.retry_after_s == 3600
        return
    found = on_link(known, claimed, RULE, at)
    assert (type(found) if found else None) is event
    if isinstance(found, ev.DeviceBlocked):
        assert found.blocked_until == at + RULE.block
    elif found is not None:
        assert found.challenge_expires_at == at + RULE.challenge


def test_a_suspended_device_does_not_get_free_by_another_key():
    event = on_link(bound(Status.SUSPENDED), msgspec.structs.replace(CLAIM, key_hash="x"), RULE, AT)
    with pytest.raises(IllegalMove):
        apply(bound(Status.SUSPENDED), occurred(event, version=2))


def test_a_new_key_undoes_the_proof():
    moved = apply(bound(Status.ACTIVE), occurred(EVENTS[2], version=2))
    assert (moved.key_hash, moved.verified_at, moved.cooling_until) == ("other", None, None)


def test_three_wrong_proofs_block_for_a_day_and_then_the_count_starts_again():
    state, now = device(), AT
    for attempt in (1, 2, 3):
        event = on_proof(state, holds=False, rule=RULE, now=now)
        assert event.attempt == attempt
        state = apply(state, occurred(event, version=state.version + 1))
    assert state.blocked_until == now + RULE.block
    with pytest.raises(DeviceBlocked):
        on_proof(state, holds=True, rule=RULE, now=now + RULE.block - timedelta(seconds=1))
    later = now + RULE.block
    state = apply(state, occurred(on_link(state, CLAIM, RULE, later), version=9))
    again = on_proof(state, holds=False, rule=RULE, now=later)
    assert (again.attempt, again.blocked_until) == (1, None)
    good = apply(state, occurred(on_proof(state, holds=True, rule=RULE, now=later), version=10))
    assert (good.status, good.wrong_proofs, good.blocked_until) == (Status.COOLING, 0, None)


def test_another_key_does_not_reset_the_count():
    state = apply(device(), occurred(ev.DeviceProofFailed(attempt=2), version=2))
    state = apply(state, occurred(EVENTS[2], version=3))
    in_time = state.challenge_expires_at - timedelta(seconds=1)
    assert on_proof(state, holds=False, rule=RULE, now=in_time).blocked_until is not None


def test_a_fourth_challenge_blocks_and_then_the_count_starts_again():
    state, now = device(), AT
    for asked in (2, 3):
        now += RULE.challenge
        event = on_link(state, CLAIM, RULE, now)
        state = apply(state, occurred(event, version=asked))
        assert state.challenges == asked
    now += RULE.challenge
    state = apply(state, occurred(on_link(state, CLAIM, RULE, now), version=4))
    assert (state.challenges, state.blocked_until) == (0, now + RULE.block)
    assert on_link(state, CLAIM, RULE, now + RULE.block - timedelta(seconds=1)) is None
    again = on_link(state, CLAIM, RULE, now + RULE.block)
    assert apply(state, occurred(again, version=5)).challenges == 1


def test_a_proof_forgets_the_challenges_before_it():
    proved = apply(device(challenges=3), occurred(EVENTS[5], version=2))
    assert (proved.status, proved.challenges) == (Status.COOLING, 0)


def moved(before: Status | None, after: Status) -> dict[str, int]:
    known = None if before is None else device(before)
    sums: dict[str, int] = {}
    for move in counters(known, device(after), places=1):
        sums[move.rule] = sums.get(move.rule, 0) + move.delta
    return {rule: delta for rule, delta in sums.items() if delta}


@pytest.mark.parametrize(
    ("before", "event", "expected"),
    [
        (None, ev.DeviceLinked, {}),
        (Status.PENDING, ev.DeviceVerified, {"devices": 1}),
        (Status.COOLING, ev.DeviceActivated, {}),
        (Status.COOLING, ev.DeviceRelinked, {"devices": -1}),
        (Status.ACTIVE, ev.DeviceRelinked, {"devices": -1}),
        (Status.COOLING, ev.DeviceSuspended, {"closed": 1}),
        (Status.ACTIVE, ev.DeviceSuspended, {"closed": 1}),
        (Status.SUSPENDED, ev.DeviceResumed, {"closed": -1}),
        (Status.SUSPENDED, ev.DeviceRevoked, {"devices": -1}),
        (Status.ACTIVE, ev.DeviceRevoked, {"devices": -1, "closed": 1}),
        (Status.PENDING, ev.DeviceRevoked, {"closed": 1}),
    ],
)
def test_what_a_move_changes_beside_the_device(before, event, expected):
    assert moved(before, TRANSITIONS[before, event]) == expected


def test_however_a_device_moves_its_place_and_its_guard_follow_its_status():
    """What is summed over any walk is what the last status says."""
    for (before, _), to in TRANSITIONS.items():
        delta = moved(before, to)
        for rule, states in (
            ("devices", {Status.COOLING, Status.ACTIVE, Status.SUSPENDED}),
            ("closed", {Status.SUSPENDED, Status.REVOKED}),
        ):
            assert delta.get(rule, 0) == (to in states) - (before in states)


def test_a_challenge_runs_out():
    with pytest.raises(ChallengeExpired):
        on_proof(device(), holds=True, rule=RULE, now=AT + RULE.challenge)


def test_time_makes_a_cooling_device_active():
    cooling, over = bound(Status.COOLING), AT + RULE.cooling
    before = over - timedelta(microseconds=1)
    assert cooling.state_at(before) is Status.COOLING
    assert settled(cooling, before) == []
    assert cooling.state_at(over) is Status.ACTIVE
    assert settled(cooling, over) == [ev.DeviceActivated()]
    assert bound(Status.SUSPENDED).state_at(over) is Status.SUSPENDED
