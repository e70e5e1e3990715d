"""What a callback is worth: the whole table of attempts and outcomes, and bodies of any kind."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.attempts.domain import Attempt, Status
from online.callbacks.domain import Move, callback_id, judge, read
from online.rails import answers
from online.rails.domain import Outcome, OutcomeKind

ENDED = {Status.SUCCEEDED, Status.DECLINED, Status.FAILED}
NO = {OutcomeKind.DECLINED, OutcomeKind.FAILED}


def attempt(status: Status) -> Attempt:
    return Attempt(
        id=UUID(int=1),
        payment_id=UUID(int=2),
        refund_id=None,
        settlement_id=None,
        merchant_id=UUID(int=3),
        operation="authorize",
        status=status,
        amount_minor=1,
        currency="INR",
        route="upi_hdfc",
        rail="upi_hdfc",
        rail_reference=None,
        original_id=None,
        code=None,
        enquiries=0,
        next_enquiry_at=None,
        sent_at=datetime(2026, 1, 5, tzinfo=UTC),
        version=1,
        livemode=False,
    )


@pytest.mark.parametrize("kind", OutcomeKind)
@pytest.mark.parametrize("status", Status)
def test_every_outcome_for_every_attempt(status: Status, kind: OutcomeKind):
    found = judge(attempt(status), Outcome(kind=kind, code="x"))
    if kind is OutcomeKind.DEEMED and status not in ENDED | {Status.DEEMED}:
        assert found is Move.BELIEVE  # it is told as a success
    elif kind not in NO | {OutcomeKind.APPROVED}:
        assert found is Move.LEAVE_OPEN
    elif status not in ENDED:
        assert found is Move.BELIEVE
    elif (status is Status.SUCCEEDED) == (kind is OutcomeKind.APPROVED):
        assert found is Move.LEAVE_ENDED
    else:
        assert found is Move.ENQUIRE


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
members = st.fixed_dictionaries(
    {},
    optional={
        "id": json | st.from_regex(r"[A-Za-z0-9_.:-]{1,90}", fullmatch=True),
        "type": json | st.sampled_from(["operation", "dispute"]),
        "reference": json | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_]{0,40}", fullmatch=True),
        "sequence": json | st.integers(-2, 2**64),
        "occurred_at": json | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
        "status": json | st.sampled_from(["approved", "declined", "pending", "failed"]),
        "code": json | st.text(max_size=300),
    },
)


@given(members.map(msgspec.json.encode) | st.binary(max_size=200))
def test_any_body_has_an_id_that_can_be_stored_and_is_read_or_not(body: bytes):
    named = callback_id(body)
    assert 1 <= len(named) <= 100
    assert named.isascii()
    assert "\x00" not in named
    notice = read(body)
    if notice is not None:
        assert notice.id == named
        assert 0 <= notice.sequence < 2**63
        assert 2000 <= notice.occurred_at.year < 3000
    try:
        told = answers.read(body, "upi")
    except answers.NO_SENSE:
        return
    assert "\x00" not in told.code


def test_the_same_bytes_without_an_id_are_the_same_callback():
    assert callback_id(b"[]") == callback_id(b"[]") != callback_id(b"[ ]")
