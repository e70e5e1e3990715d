"""A label is recorded where it changes what is known, after the one before it."""

from datetime import timedelta

import msgspec
import pytest

from online.kernel.events import Metadata
from online.risk.labels import Subject, Word, told
from tests.builders import AT, MERCHANT, uid

SUBJECT = Subject(
    payment_id=uid("payment"),
    merchant_id=MERCHANT,
    card_key="card",
    vpa_key=None,
    customer_key="cus_1",
    device_key="phone",
    ip_key="ip",
    amount_minor=600_00,
    livemode=False,
)
LATER = AT + timedelta(days=3)


def known(*, fraud: bool, at: object = AT) -> Subject:
    return msgspec.structs.replace(SUBJECT, fraud=fraud, source="dispute", known_at=at, version=4)


def word(*, fraud: bool) -> Word:
    return Word(fraud=fraud, source="report", at=LATER, metadata=Metadata(), reason="said so")


@pytest.mark.parametrize("fraud", [True, False])
def test_the_first_word_is_news(fraud):
    recorded = told(SUBJECT, word(fraud=fraud))
    (event,), (row,), (append,) = recorded.events, recorded.rows, recorded.appends
    assert (event.at, event.event.known_at, event.event.fraud) == (LATER, LATER, fraud)
    assert (event.event.source, event.event.reason) == ("report", "said so")
    assert (row.id, row.expected_version, row.row.version) == (SUBJECT.payment_id, 0, 1)
    assert recorded.verdict == row.row
    stored = dict(zip(append.table.columns, append.rows[0], strict=True))
    assert stored["known_at"] == LATER
    for name in ("payment_id", "card_key", "vpa_key", "customer_key", "device_key", "ip_key"):
        assert stored[name] == getattr(SUBJECT, name)
    assert (stored["fraud"], stored["amount_minor"]) == (fraud, 600_00)


@pytest.mark.parametrize("fraud", [True, False])
def test_the_same_again_is_no_news_but_holds_the_lock(fraud):
    recorded = told(known(fraud=fraud), word(fraud=fraud))
    assert (recorded.events, recorded.appends) == ((), ())
    assert (recorded.verdict.source, recorded.verdict.known_at) == ("dispute", AT)
    (row,) = recorded.rows
    assert (row.expected_version, row.row.version) == (4, 5)


@pytest.mark.parametrize("fraud", [True, False])
def test_another_word_counts_from_then_on(fraud):
    recorded = told(known(fraud=not fraud), word(fraud=fraud))
    assert recorded.verdict.fraud is fraud
    assert recorded.events[0].event.fraud is fraud
    assert (recorded.verdict.source, recorded.verdict.known_at) == ("report", LATER)


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(seconds=2)])
def test_a_clock_that_is_behind_cannot_put_a_word_before_the_one_it_answers(ahead):
    before = known(fraud=True, at=LATER + ahead)
    recorded = told(before, word(fraud=False))
    assert recorded.verdict.known_at == before.known_at + timedelta(microseconds=1)
    assert recorded.events[0].at == recorded.verdict.known_at
