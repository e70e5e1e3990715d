"""What each answer of a rail means for a top-up and for its return: events and postings."""

from collections import Counter

import pytest

from online.attempts.domain import Status as AttemptStatus
from online.kernel import events as ev
from online.kernel.events import LimitTaken
from online.rails.domain import Outcome, OutcomeKind
from online.wallets import outcomes
from online.wallets import top_up as top_ups
from online.wallets.top_up import Status
from tests.builders import AT, an, attempt, occurred, uid

APPROVED = Outcome(kind=OutcomeKind.APPROVED, code="00", rail_reference="1")
DECLINED = Outcome(kind=OutcomeKind.DECLINED, code="05", decline_code="do_not_honor")
FAILED = Outcome(kind=OutcomeKind.FAILED, code="96")
PENDING = Outcome(kind=OutcomeKind.PENDING, code="01")
UNKNOWN = Outcome(kind=OutcomeKind.UNKNOWN, code="no_answer")
TOOK = LimitTaken(
    rule="r", subject="s", window_start=AT.date(), amount=600, cap=1_000, source="x@1"
)
PROMISED, OVER = AttemptStatus.SENT, AttemptStatus.DECLINED


def top_up(*events):
    created = an(ev.TopUpCreated, amount=600, currency="INR", limits=(TOOK,))
    state = top_ups.apply(None, occurred(created, id_=uid("top")))
    for version, event in enumerate(events, start=2):
        state = top_ups.apply(state, occurred(event, id_=uid("top"), version=version))
    return state


def sums(effect):
    """What the journals of an effect move, by kind of account and layer."""
    total = Counter()
    for journal in effect.journals:
        for posting in journal.postings:
            name = posting.account.code.partition(":")[0]
            total[name, posting.layer] += posting.amount_minor
    return {key: amount for key, amount in total.items() if amount}


def of(state, outcome, status=PROMISED, credit=True, operation="authorize", amount=600):
    sent = attempt(operation=operation, status=status, amount_minor=amount, rail="upi_hdfc")
    return outcomes.effect(state, sent, outcome, credit=credit, at=AT)


FREED = {("rail", "pending"): 600, ("customer", "pending"): -600}
TABLE = [
    (APPROVED, PROMISED, True, ev.TopUpSucceeded, 0,
     FREED | {("rail", "posted"): -600, ("customer", "posted"): 600}),
    (APPROVED, PROMISED, False, ev.TopUpSucceeded, -600,
     FREED | {("rail", "posted"): -600, ("refunds", "posted"): 600}),
    (DECLINED, PROMISED, True, ev.TopUpFailed, -600, FREED),
    (FAILED, PROMISED, True, ev.TopUpFailed, -600, FREED),
    (PENDING, PROMISED, True, ev.TopUpRequiresAction, 0, {}),
    (UNKNOWN, PROMISED, True, ev.TopUpUnknown, 0, {}),
]  # fmt: skip


@pytest.mark.parametrize(("outcome", "status", "credit", "event", "limits", "moved"), TABLE)
def test_an_answer_to_a_top_up(outcome, status, credit, event, limits, moved):
    effect = of(top_up(), outcome, status, credit)
    assert [type(each) for each in effect.events] == [event]
    assert sum(move.delta for move in effect.limits) == limits
    assert sums(effect) == moved
    assert effect.owed == (event is ev.TopUpSucceeded and not credit)


@pytest.mark.parametrize("credit", [True, False])
def test_a_late_yes_takes_its_room_and_its_limits_again_or_is_owed(credit):
    failed = top_up(an(ev.TopUpFailed))
    effect = of(failed, APPROVED, OVER, credit)
    (posted,) = effect.journals
    assert posted.forced is False  # it has to find room, unlike what was promised
    to = "customer" if credit else "refunds"
    assert sums(effect) == {("rail", "posted"): -600, (to, "posted"): 600}
    assert sum(move.delta for move in effect.limits) == (600 if credit else 0)
    assert effect.owed is not credit


def test_what_was_promised_is_never_refused():
    (posted,) = of(top_up(), APPROVED).journals
    assert posted.forced is True


def test_a_second_yes_says_nothing_new():
    assert of(top_up(an(ev.TopUpSucceeded)), APPROVED, OVER) == outcomes.Effect()


def returning(amount=200):
    came = an(ev.TopUpSucceeded, amount=600)
    return top_up(came, an(ev.TopUpReturnRequested, amount=amount))


@pytest.mark.parametrize(
    ("amount", "event"), [(200, ev.TopUpPartlyReturned), (600, ev.TopUpReturned)]
)
def test_a_return_that_was_done(amount, event):
    effect = of(returning(amount), APPROVED, operation="refund", amount=amount)
    assert [type(each) for each in effect.events] == [event]
    assert sums(effect) == {("refunds", "posted"): -amount, ("rail", "posted"): amount}
    assert effect.journals[0].kind == "top_up_returned"


def test_a_return_that_was_refused_stays_owed_and_waits_twice_as_long_each_time():
    state, waits = returning(), []
    for tries in range(3):
        effect = of(state, DECLINED, operation="refund", amount=200)
        (refused,) = effect.events
        assert (type(refused), effect.journals) == (ev.TopUpReturnFailed, ())
        waits.append((refused.again_at - AT).total_seconds())
        again = an(ev.TopUpReturnRequested, amount=200, again=True)
        for event in (refused, again):
            state = top_ups.apply(state, occurred(event, version=state.version + 1))
        assert (state.status, state.return_tries) == (Status.SUCCEEDED, tries + 1)
    assert waits == [60, 120, 240]


def test_a_return_that_nobody_knows_of_changes_nothing_yet():
    for outcome in (UNKNOWN, PENDING):
        assert of(returning(), outcome, operation="refund", amount=200) == outcomes.Effect()


def test_a_refused_return_that_was_done_after_all():
    refused = an(ev.TopUpReturnFailed, amount=200)
    waiting = top_ups.apply(returning(), occurred(refused, version=4))
    done = of(waiting, APPROVED, OVER, operation="refund", amount=200)
    assert [type(each) for each in done.events] == [ev.TopUpPartlyReturned]
    assert done.events[0].after_failing
    # Another has taken its place: the money went back twice.
    again = an(ev.TopUpReturnRequested, amount=200, again=True)
    sent_again = top_ups.apply(waiting, occurred(again, version=5))
    twice = of(sent_again, APPROVED, OVER, operation="refund", amount=200)
    assert [type(each) for each in twice.events] == [ev.TopUpUnplacedMoney]
    assert sums(twice) == {("suspense", "posted"): -200, ("rail", "posted"): 200}
