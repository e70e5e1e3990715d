"""Transition tables of wallets and top-ups, and what a balance is given back of."""

import online.wallets.top_up as top_ups
from online.kernel import events as ev
from online.kernel import ids
from online.wallets import domain
from online.wallets.top_up import TopUp, parts
from tests.builders import an, occurred, uid
from tests.unit.machines import as_rows


def test_a_wallet():
    # online.wallets.domain.TRANSITIONS
    assert as_rows(domain.TRANSITIONS) == {
        "nothing": {"opened": "open"},
        "open": {"closed": "closed"},
        "closed": {"reopened": "open", "sweep_due": "closed", "swept": "closed"},
    }


def test_a_top_up():
    # online.wallets.top_up.TRANSITIONS
    waiting = {
        "requires_action": "requires_action", "unknown": "unknown", "succeeded": "succeeded",
        "failed": "failed",
    }  # fmt: skip
    assert as_rows(top_ups.TRANSITIONS) == {
        "nothing": {"created": "processing"},
        "processing": waiting,
        "requires_action": waiting,
        "unknown": waiting,
        "failed": {"succeeded": "succeeded"},
        "succeeded": {
            "return_requested": "succeeded", "return_failed": "succeeded",
            "partly_returned": "succeeded", "returned": "returned", "unplaced_money": "succeeded",
        },
        "returned": {"unplaced_money": "returned"},
    }  # fmt: skip


def top_up(amount: int, *events: ev.Event) -> TopUp:
    state = top_ups.apply(None, occurred(an(ev.TopUpCreated, amount=amount)))
    came = an(ev.TopUpSucceeded, amount=amount, credited=True)
    for version, event in enumerate((came, *events), start=2):
        state = top_ups.apply(state, occurred(event, version=version))
    return state


def amounts(state: TopUp) -> tuple[int, int, int, int]:
    return (
        state.returning_minor,
        state.return_due_minor,
        state.returned_minor,
        state.returnable_minor,
    )


def test_what_goes_back_of_one_is_counted_once():
    asked = an(ev.TopUpReturnRequested, amount=30)
    assert amounts(top_up(100)) == (0, 0, 0, 100)
    assert amounts(top_up(100, asked)) == (30, 0, 0, 70)
    refused = an(ev.TopUpReturnFailed, amount=30)
    waiting = top_up(100, asked, refused)
    assert (amounts(waiting), waiting.return_tries) == ((0, 30, 0, 70), 1)
    again = an(ev.TopUpReturnRequested, amount=30, again=True)
    tried = top_up(100, asked, refused, again)
    assert (amounts(tried), tried.return_due_at) == ((30, 0, 0, 70), None)
    gone = an(ev.TopUpPartlyReturned, amount=30)
    assert amounts(top_up(100, asked, refused, again, gone)) == (0, 0, 30, 70)
    late = an(ev.TopUpPartlyReturned, amount=30, after_failing=True)
    done = top_up(100, asked, refused, late)
    assert (amounts(done), done.return_due_at) == ((0, 0, 30, 70), None)


def test_a_sweep_is_due_until_it_was_done_or_the_wallet_is_open_again():
    opened = an(ev.WalletOpened, customer_id=ids.encode("cus", uid("c")))
    wallet = domain.apply(None, occurred(opened))
    closed = domain.apply(wallet, occurred(an(ev.WalletClosed), version=2))
    due = domain.apply(closed, occurred(an(ev.WalletSweepDue), version=3))
    assert due.sweep_at is not None
    assert domain.apply(due, occurred(ev.WalletSwept(amount=0), version=4)).sweep_at is None
    again = domain.apply(due, occurred(an(ev.WalletReopened, kind="ppi"), version=4))
    assert (again.sweep_at, again.kind, again.is_open) == (None, "ppi", True)


def test_a_balance_goes_back_by_the_newest_top_ups_first():
    asked = an(ev.TopUpReturnRequested, amount=30)
    newest, middle, oldest = top_up(50), top_up(40, asked), top_up(100)
    found = parts(75, [newest, middle, oldest])
    assert [(part.top_up, part.amount_minor) for part in found] == [
        (newest, 50), (middle, 10), (oldest, 15),
    ]  # fmt: skip
    assert parts(0, [newest]) == []
