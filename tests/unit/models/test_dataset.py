"""The training set: who is in which part, and that nothing of the future is in it."""

from datetime import timedelta

import duckdb
import numpy as np
import pytest

from models.fraud.dataset import Split, build_dataset, latest_split, load_events
from models.fraud.features import PaymentFacts, epoch_us, feature_names, finish
from tests.unit.models import oracle
from tests.unit.models.synthetic import START, Label, event_log, history
from warehouse import macros

DELAY = timedelta(days=7)
SPLIT = Split(START + timedelta(days=25), START + timedelta(days=45), DELAY)


@pytest.fixture
def duck():
    with duckdb.connect() as connection:
        for statement in ("SET TimeZone = 'UTC'", *macros.statements()):
            connection.execute(statement)
        yield connection


def built(connection, payments, labels, split=SPLIT):
    event_log(connection, payments, labels)
    return build_dataset(connection, split)


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in a.__struct_fields__)


def test_parts_of_the_split(duck):
    payments, labels = history(2_000, 45, seed=3)
    dataset = built(duck, payments, labels)
    for part, start, end in (
        (dataset.train, START, SPLIT.train_until),
        (dataset.test, SPLIT.train_until, SPLIT.test_until),
    ):
        expected = [p for p in payments if start <= p.at < end - DELAY]
        fraud = {label.payment.id for label in labels if label.known_at < end}
        assert part.at_us.tolist() == [epoch_us(p.at) for p in expected]
        assert part.targets.tolist() == [p.id in fraud for p in expected]
        assert part.rows.dtype == np.float32
        assert part.rows.shape == (len(expected), len(feature_names()))
        assert part.targets.sum() > 0


def test_rows_are_the_vectors_that_are_served(duck):
    payments, labels = history(500, 45, seed=4)
    dataset = built(duck, payments, labels)
    by_time = {epoch_us(payment.at): payment for payment in payments}
    assert len(by_time) == len(payments)
    for at_us, row in zip(dataset.test.at_us, dataset.test.rows, strict=True):
        payment = by_time[int(at_us)]
        raw = oracle.raw_features(payment, payments, labels)
        known = (payment.customer is not None, payment.device is not None)
        facts = PaymentFacts(int(at_us), payment.amount, payment.method, "INR", *known)
        assert row.tolist() == np.array(finish(raw, facts), np.float32).tolist()


def test_labels_known_after_a_part_ends_do_not_change_it(duck):
    payments, labels = history(1_000, 45, seed=5)
    before = built(duck, payments, labels)
    late = [
        Label(payment, SPLIT.train_until + timedelta(microseconds=number), fraud=True)
        for number, payment in enumerate(payments[::3])
        if payment.at < SPLIT.train_until
    ]
    after = built(duck, payments, [*labels, *late])
    assert same(before.train, after.train)
    assert not same(before.test, after.test), "the same labels are seen by later payments"


def test_the_latest_label_counts(duck):
    payments, _ = history(300, 45, seed=6)
    early = [payment for payment in payments if payment.at < START + timedelta(days=10)]
    first = [Label(payment, payment.at + timedelta(days=1), fraud=True) for payment in early]
    withdrawn = [Label(payment, payment.at + timedelta(days=2), fraud=False) for payment in early]
    assert built(duck, payments, first).train.targets.sum() == len(early)
    assert built(duck, payments, [*first, *withdrawn]).train.targets.sum() == 0


def test_live_payments_are_another_world(duck):
    payments, labels = history(100, 45, seed=7)
    event_log(duck, payments, labels)
    duck.execute("UPDATE raw_events SET livemode = true WHERE epoch_us(timestamp) % 2 = 0")
    load_events(duck, livemode=True, from_us=0, until_us=epoch_us(SPLIT.test_until))
    (live,) = duck.execute("SELECT count(*) FROM feature_payments").fetchone()
    assert 0 < live < 100


def test_latest_split_ends_after_the_newest_payment(duck):
    payments, labels = history(100, 45, seed=8)
    event_log(duck, payments, labels)
    split = latest_split(duck)
    assert split.test_until == payments[-1].at + timedelta(microseconds=1)
    duck.execute("DELETE FROM raw_events")
    with pytest.raises(ValueError, match="no payment to learn from"):
        latest_split(duck)


def test_a_split_needs_time_for_its_test():
    with pytest.raises(ValueError, match="no time is left"):
        Split(START, START + DELAY, DELAY)
