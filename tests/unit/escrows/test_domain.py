"""An escrow's table, row by row; who may ask what of it, and what that does to its amounts."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from online.escrows import decisions
from online.escrows.decisions import (
    ConditionsNotMet,
    EscrowFrozen,
    Voice,
)
from online.escrows.domain import TERMINAL, TRANSITIONS, Status, apply
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import Forbidden, IllegalMove, InvalidRequest, OverRelease
from tests.builders import AT, MERCHANT, occurred, uid
from tests.unit.machines import as_rows, reachable, without_exit

SELLER, OTHER = (ids.encode("mrc", uid(who)) for who in ("seller", "other"))
DAY = timedelta(days=1)
MONEY = dict.fromkeys(["refund_requested", "refunded", "refund_failed"])
TABLE = {
    "nothing": {"proposed": "proposed"},
    "proposed": {
        "accepted": "proposed",
        "agreed": "agreed",
        "canceled": "canceled",
        "expired": "expired",
    },
    "agreed": {"funded": "funded", "canceled": "canceled", "expired": "expired"},
    "funded": {
        **dict.fromkeys(["condition_met", "released", "returned", "resolved"], "funded"),
        **dict.fromkeys(MONEY, "funded"),
        "frozen": "frozen",
        "charged_back": "frozen",
        "closed": "closed",
    },
    "frozen": {
        **dict.fromkeys(["resolution_proposed", "resolved", "chargeback_ended"], "frozen"),
        **dict.fromkeys(MONEY, "frozen"),
        "frozen": "frozen",
        "charged_back": "frozen",
        "thawed": "funded",
    },
}


def test_the_table_is_the_specified_one():
    assert as_rows(TRANSITIONS) == TABLE
    assert reachable(TRANSITIONS) == set(Status)
    assert without_exit(TRANSITIONS, Status) == TERMINAL


def folded(state, *events, at=AT):
    for event in events:
        version = state.version + 1 if state else 1
        state = apply(
            state,
            replace(
                occurred(event, id_=uid("escrow"), version=version), at=at, merchant_id=MERCHANT
            ),
        )
    return state


def proposal(**fields):
    known = {
        "merchant_id": ids.encode("mrc", MERCHANT),
        "amount": 1_000,
        "currency": "INR",
        "parties": (
            ev.EscrowParty(merchant_id=SELLER, role="seller", share=600, share_bps=6_000),
            ev.EscrowParty(merchant_id=OTHER, role="maker", share=400, share_bps=4_000),
        ),
        "conditions": {"all": [{"type": "approval", "by": "buyer"}], "any": []},
        "release": "manual",
        "on_expiry": "refund",
        "expires_at": AT + 30 * DAY,
    }
    return ev.EscrowProposed(**known | fields)


PROPOSED = folded(None, proposal())
AGREED = folded(
    PROPOSED,
    ev.EscrowAccepted(merchant_id=SELLER),
    ev.EscrowAccepted(merchant_id=OTHER),
    ev.EscrowAgreed(),
)
FUNDED = folded(AGREED, ev.EscrowFunded(amount=1_000))
SAID = ev.EscrowConditionMet(kind="approval", role="buyer", by="x")
RIPE = folded(FUNDED, SAID)
FROZEN = folded(FUNDED, ev.EscrowFrozen(by=SELLER, reason="x"))


def voice(merchant_id):
    return Voice(merchant_id=merchant_id, actor=merchant_id or "admin")


ME, HOUSE = voice(PROPOSED.owner), voice(None)


def test_all_parties_accept_before_it_is_agreed():
    first = decisions.accept(PROPOSED, voice(SELLER))
    assert first == [ev.EscrowAccepted(merchant_id=SELLER)]
    second = decisions.accept(folded(PROPOSED, *first), voice(OTHER))
    assert second == [ev.EscrowAccepted(merchant_id=OTHER), ev.EscrowAgreed()]
    assert decisions.accept(AGREED, voice(SELLER)) == []
    with pytest.raises(Forbidden):
        decisions.accept(PROPOSED, ME)


def test_an_owner_that_is_a_party_has_accepted_by_proposing():
    own = ev.EscrowParty(merchant_id=PROPOSED.owner, role="platform", share=1_000, share_bps=10_000)
    alone = decisions.propose(proposal(parties=(own,)))
    assert [type(e) for e in alone] == [ev.EscrowProposed, ev.EscrowAccepted, ev.EscrowAgreed]


@pytest.mark.parametrize(
    ("ask", "state", "refusal"),
    [
        (lambda e: decisions.fund(e, voice(SELLER), AT), AGREED, Forbidden),
        (lambda e: decisions.fund(e, ME, AT), PROPOSED, IllegalMove),
        (lambda e: decisions.fund(e, ME, AT + 30 * DAY), AGREED, IllegalMove),
        (lambda e: decisions.cancel(e, ME), FUNDED, IllegalMove),
        (lambda e: decisions.release(e, "r", None, AT), FUNDED, ConditionsNotMet),
        (lambda e: decisions.release(e, "r", 1_001, AT), RIPE, OverRelease),
        (lambda e: decisions.release(e, "r", None, AT), FROZEN, EscrowFrozen),
        (lambda e: decisions.say(e, voice(SELLER), "approval", None), FUNDED, Forbidden),
        (lambda e: decisions.say(e, ME, "delivery", None), FUNDED, Forbidden),
        (lambda e: decisions.say(e, ME, "approval", None), FROZEN, EscrowFrozen),
        (lambda e: decisions.refund(e, voice(SELLER), 1, AT), FUNDED, Forbidden),
        (lambda e: decisions.refund(e, ME, 1, AT), RIPE, IllegalMove),
        (lambda e: decisions.refund(e, ME, 1, AT), FROZEN, EscrowFrozen),
        (lambda e: decisions.refund(e, ME, 1_001, AT), FUNDED, OverRelease),
        (lambda e: decisions.freeze(e, ME, "x"), AGREED, IllegalMove),
        (lambda e: decisions.resolve(e, ME, None), FUNDED, IllegalMove),
        (lambda e: decisions.resolve(e, ME, {"buyer": 999}), FROZEN, InvalidRequest),
        (lambda e: decisions.resolve(e, ME, {"mrc_x": 1_000}), FROZEN, InvalidRequest),
    ],
)
def test_what_is_refused(ask, state, refusal):
    with pytest.raises(refusal):
        ask(state)


def test_parts_of_a_release_and_of_what_goes_back():
    (part,) = decisions.release(RIPE, "r", 333, AT)
    assert part.parts == {SELLER: 200, OTHER: 133}
    state = folded(RIPE, part)
    assert [(p.due_minor, p.paid_minor) for p in state.parties] == [(400, 200), (267, 133)]
    assert decisions.refund(FUNDED, ME, 1, AT) == (1, {SELLER: 1})
    assert (state.held_minor, state.released_minor) == (667, 333)


def test_a_refund_that_fails_is_due_to_the_same_again():
    asked = ev.EscrowRefundRequested(refund_id="rfd_1", amount=100, parts={SELLER: 60, OTHER: 40})
    away = folded(FUNDED, asked)
    assert (away.held_minor, away.refund_open_minor) == (900, 100)
    back = folded(
        away,
        ev.EscrowRefundFailed(refund_id="rfd_1", amount=100, parts={SELLER: 60, OTHER: 40}),
    )
    assert replace(back, version=0, due_at=None) == replace(FUNDED, version=0, due_at=None)


def test_the_house_decides_alone_and_everybody_else_together():
    split = {"buyer": 500, SELLER: 500}
    assert [type(e) for e in decisions.resolve(FROZEN, HOUSE, split)] == [
        ev.EscrowResolved,
        ev.EscrowThawed,
    ]
    state = FROZEN
    for who in (PROPOSED.owner, SELLER):
        (said,) = decisions.resolve(state, voice(who), split)
        state = folded(state, said)
    assert len(decisions.resolve(state, voice(OTHER), {"buyer": 1_000})) == 1
    assert len(decisions.resolve(state, voice(OTHER), split)) == 3


def test_a_chargeback_takes_what_is_the_buyer_s_first():
    resolved = folded(
        FROZEN, ev.EscrowResolved(by="x", resolution={"parts": {"buyer": 300, SELLER: 700}})
    )
    event = decisions.charged_back(resolved, "dsp_1", 400)
    assert event.parts == {"buyer": 300, SELLER: 100}
    assert decisions.charged_back(resolved, "dsp_1", 5_000).amount == 1_000


def test_it_stays_frozen_while_anything_keeps_it_so():
    opened = decisions.charged_back(FUNDED, "dsp_1", 400)
    state = folded(FUNDED, opened)
    assert state.status is Status.FROZEN
    (ended, thawed) = decisions.chargeback_ended(state, "dsp_1", won=True)
    assert folded(state, ended, thawed).held_minor == 1_000
    both = folded(FROZEN, decisions.charged_back(FROZEN, "dsp_1", 400))
    (only,) = decisions.chargeback_ended(both, "dsp_1", won=False)
    after = folded(both, only)
    assert (after.status, after.held_minor, after.charged_back_minor) == (Status.FROZEN, 600, 400)
    assert decisions.chargeback_ended(FUNDED, "dsp_2", won=True) == []


@pytest.mark.parametrize(
    ("state", "at", "types"),
    [
        (PROPOSED, AT + 29 * DAY, []),
        (PROPOSED, AT + 30 * DAY, [ev.EscrowExpired]),
        (FUNDED, AT + 29 * DAY, []),
        (FUNDED, AT + 30 * DAY, [ev.EscrowResolved]),
        (replace(FUNDED, on_expiry="release"), AT + 30 * DAY, [ev.EscrowReleased]),
        (RIPE, AT + DAY, []),  # by hand
        (folded(replace(FUNDED, release="automatic"), SAID), AT + DAY, [ev.EscrowReleased]),
        (FROZEN, AT + 31 * DAY, []),
    ],
)
def test_what_its_time_brings(state, at, types):
    assert [type(e) for e in decisions.expire(state, "r", at)] == types
