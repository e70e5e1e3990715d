"""Whatever a rail says of a transfer, in whatever order: memo books and limits stay right."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from online.attempts.domain import Attempt, is_news
from online.attempts.domain import Status as AttemptStatus
from online.kernel import events as ev
from online.kernel.events import Occurred
from online.rails.domain import Outcome, OutcomeKind
from online.transfers import outcomes
from online.transfers.domain import OPEN, Status, Transfer, apply
from tests.unit.transfers.test_domain import AT, ATTEMPT, MERCHANT, transfer

_K = OutcomeKind
MOMENT = outcomes.Moment(at=AT, due_at=AT + timedelta(days=2))
CODES = {_K.APPROVED: "00", _K.DECLINED: "ZA", _K.FAILED: "UP", _K.DEEMED: "RB", _K.PENDING: "01"}
ENDS = {
    _K.APPROVED: AttemptStatus.SUCCEEDED,
    _K.DECLINED: AttemptStatus.DECLINED,
    _K.FAILED: AttemptStatus.FAILED,
    _K.DEEMED: AttemptStatus.DEEMED,
}
said = st.lists(
    st.tuples(
        st.sampled_from(["authorize", "void"]),
        st.sampled_from([_K.APPROVED, _K.DECLINED, _K.FAILED, _K.PENDING, _K.UNKNOWN, _K.DEEMED]),
    ),
    max_size=12,
)


def attempt(operation: str) -> Attempt:
    return Attempt(
        id=ATTEMPT if operation == "authorize" else UUID(int=9),
        payment_id=None,
        refund_id=None,
        settlement_id=None,
        merchant_id=MERCHANT,
        operation=operation,
        status=AttemptStatus.SENT,
        amount_minor=600,
        currency="INR",
        route="upi_hdfc",
        rail="upi_hdfc",
        rail_reference=None,
        original_id=None,
        code=None,
        enquiries=0,
        next_enquiry_at=None,
        sent_at=AT,
        version=1,
        livemode=False,
    )


def moved(known: Transfer, event: ev.Event) -> Transfer:
    return apply(
        known,
        Occurred(
            aggregate_id=known.id,
            version=known.version + 1,
            at=datetime(2026, 11, 16, 5, tzinfo=UTC),
            merchant_id=known.merchant_id,
            livemode=False,
            event=event,
        ),
    )


@given(said)
def test_books_and_limits_agree_with_the_state(answers: list[tuple[str, OutcomeKind]]) -> None:
    known, held, memo = transfer(), True, 0
    attempts = {name: attempt(name) for name in ("authorize", "void")}
    causes: set[tuple[UUID, str]] = set()
    for operation, kind in answers:
        about = attempts[operation]
        if operation == "void" and kind is _K.DEEMED:
            continue  # attempts make it unknown
        outcome = Outcome(kind=kind, code=CODES.get(kind, "no_answer"))
        if not is_news(about, outcome):
            continue
        effect = outcomes.effect(known, about, outcome, MOMENT)
        attempts[operation] = msgspec.structs.replace(
            about, status=ENDS.get(kind, AttemptStatus.UNKNOWN)
        )
        if effect.journal is not None:
            cause = (effect.journal.cause, effect.journal.kind)
            assert cause not in causes  # the database would refuse it
            causes.add(cause)
            memo += sum(
                p.amount_minor for p in effect.journal.postings if ":payee" in p.account.code
            )
        if effect.gives_back:
            assert held  # given back once
            held = False
        if effect.event is not None:
            known = moved(known, effect.event)
        assert memo == (600 if known.status in {Status.SUCCEEDED, Status.DEEMED} else 0)
        on_its_way = {*OPEN, Status.DEEMED, Status.SUCCEEDED}
        assert held == (known.status in on_its_way and not known.late)


def test_metadata_names_what_the_switch_will_name() -> None:
    outcome = Outcome(kind=_K.APPROVED, code="00", rail_reference="612345678901")
    effect = outcomes.effect(transfer(), attempt("authorize"), outcome, MOMENT)
    assert effect.journal is not None
    assert effect.journal.reference == attempt("authorize").reference
    assert effect.journal.metadata["rail_reference"] == "612345678901"
