"""However a wallet is used, what goes back is what is in it: no unit lost, none twice."""

from hypothesis import given
from hypothesis import strategies as st

from online.kernel import events as ev
from online.wallets import top_up as top_ups
from online.wallets.top_up import Status, parts
from tests.builders import an, occurred, uid

AMOUNTS = st.integers(min_value=1, max_value=10**9)


def loaded(n, amount):
    created = an(ev.TopUpCreated, amount=amount)
    state = top_ups.apply(None, occurred(created, id_=uid("top", str(n))))
    return move(state, an(ev.TopUpSucceeded, amount=amount, credited=True))


def move(state, event):
    return top_ups.apply(state, occurred(event, id_=state.id, version=state.version + 1))


def begin(state, amount):
    return move(state, an(ev.TopUpReturnRequested, amount=amount))


def end(state, amount, *, done):
    if not done:
        return move(state, an(ev.TopUpReturnFailed, amount=amount))
    whole = state.returned_minor + amount == state.amount_minor
    event = ev.TopUpReturned if whole else ev.TopUpPartlyReturned
    return move(state, an(event, amount=amount))


@given(st.lists(AMOUNTS, max_size=12), st.data())
def test_a_balance_is_given_back_to_the_unit(amounts, data):
    states = [loaded(n, amount) for n, amount in enumerate(amounts)]
    balance = data.draw(st.integers(min_value=0, max_value=sum(amounts)))
    found = parts(balance, states)
    assert sum(part.amount_minor for part in found) == balance
    assert all(0 < part.amount_minor <= part.top_up.amount_minor for part in found)
    assert len({part.top_up.id for part in found}) == len(found)


@given(st.lists(AMOUNTS, min_size=1, max_size=6), st.data())
def test_paid_refunded_closed_and_closed_again_everything_is_somewhere(amounts, data):
    """The balance is always what was loaded and is neither spent nor given back nor owed."""
    states = [loaded(n, amount) for n, amount in enumerate(amounts)]
    balance, spent = sum(amounts), 0
    for _ in range(data.draw(st.integers(min_value=1, max_value=12))):
        match data.draw(st.sampled_from(["spend", "refund", "close", "answer", "again"])):
            case "spend":
                amount = data.draw(st.integers(min_value=0, max_value=balance))
                balance, spent = balance - amount, spent + amount
            case "refund":
                amount = data.draw(st.integers(min_value=0, max_value=spent))
                balance, spent = balance + amount, spent - amount
            case "close":
                for part in parts(balance, states):
                    n = next(n for n, s in enumerate(states) if s.id == part.top_up.id)
                    states[n] = begin(states[n], part.amount_minor)
                    balance -= part.amount_minor
                assert balance == 0  # its top-ups always hold at least what is in it
            case "answer":
                done = data.draw(st.booleans())
                states = [end(s, s.returning_minor, done=done) if s.returning_minor else s
                          for s in states]  # fmt: skip
            case "again":
                states = [
                    move(s, an(ev.TopUpReturnRequested, amount=s.return_due_minor, again=True))
                    if s.return_due_minor and s.return_due_at
                    else s
                    for s in states
                ]
        owed = sum(s.returning_minor + s.return_due_minor + s.returned_minor for s in states)
        assert balance + spent + owed == sum(amounts)
        assert all(s.returnable_minor >= 0 for s in states)
        assert all(
            (s.status is Status.RETURNED) == (s.returned_minor == s.amount_minor) for s in states
        )
