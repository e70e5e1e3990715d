"""Replay gives a decision exactly what it saw: all of it, in every window, and nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.fraud import parity
from models.fraud.features import (
    FEATURES,
    epoch_us,
    feature_set_hash,
)
from models.fraud.parity_replay import replay
from online.kernel import ids
from tests.unit.models import oracle
from tests.unit.models.decided import Log, Open, a_month, open_lake, written
from tests.unit.models.strategies import histories
from tests.unit.models.synthetic import START, Label, Payment
from warehouse.connection import Lake

NAMES = [feature.name for feature in FEATURES]


@dataclass(frozen=True)
class Snapshot:
    """What a decision could see: transactions below `xmax` but for those in flight."""

    xmin: int
    xmax: int
    xip: tuple[int, ...]

    def sees(self, xid: int) -> bool:
        return xid < self.xmax and xid not in self.xip

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.xip))}"


@pytest.fixture(scope="module")
def lake() -> Iterator[Open]:
    with duckdb.connect() as connection:
        yield open_lake(connection)


def asked(lake: Lake, payments: Sequence[Payment], snapshots: Sequence[Snapshot]) -> None:
    """Decisions about all payments, as `parity_replay.decisions` makes them of a day."""
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE parity_compared (number BIGINT, payment_id UUID,"
        " at_us BIGINT, xmin BIGINT, xmax BIGINT, xip BIGINT[])"
    )
    rows = [
        (number, payment.id, epoch_us(payment.at), seen.xmin, seen.xmax, list(seen.xip))
        for number, (payment, seen) in enumerate(zip(payments, snapshots, strict=True))
    ]
    lake.connection.executemany("INSERT INTO parity_compared VALUES (?, ?, ?, ?, ?, ?)", rows)


def replayed(lake: Lake) -> dict[int, dict[str, Any]]:
    replay(lake, livemode=False)
    rows = lake.rows(f"SELECT number, {', '.join(NAMES)} FROM parity_replayed")
    return {number: dict(zip(NAMES, values, strict=True)) for number, *values in rows}


@st.composite
def crowds(draw) -> tuple[list[Payment], list[Label]]:
    """One merchant and a few others within microseconds: what is not seen lies among what is."""
    moments = st.integers(0, 6).map(lambda offset: START + timedelta(days=100, microseconds=offset))
    sometimes = st.sampled_from(["a", "b", None])
    payments = [
        Payment(
            *(ids.derived("payment", str(number)), at, customer, instrument, device),
            *(ids.derived("shop"), amount, method, ip),
        )
        for number, (at, customer, instrument, device, amount, method, ip) in enumerate(
            draw(
                st.lists(
                    st.tuples(
                        *(moments, sometimes, st.sampled_from(["a", "b"]), sometimes),
                        *(st.integers(1, 9), st.sampled_from(["upi", "card"]), sometimes),
                    ),
                    min_size=2,
                    max_size=14,
                )
            )
        )
    ]
    said = st.lists(st.tuples(st.sampled_from(payments), moments, st.booleans()), max_size=12)
    return payments, [Label(*each) for each in draw(said)]


@st.composite
def seen_histories(draw):
    """A history, the transactions that wrote it in any order, and what each payment's read saw."""
    payments, labels = draw(st.one_of(histories(), crowds()))
    xids = draw(st.lists(st.integers(1, 9), min_size=26, max_size=26))
    snapshots = []
    for _ in payments:
        xmin = draw(st.integers(1, 10))
        xmax = draw(st.integers(xmin, 10))
        flying = draw(st.sets(st.integers(xmin, max(xmin, xmax - 1)), max_size=3))
        xip = tuple(sorted(flying)) if xmax > xmin else ()
        snapshots.append(Snapshot(xmin, xmax, xip))
    return payments, labels, xids[: len(payments) + len(labels)], snapshots


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(seen_histories())
def test_replay_equals_the_oracle_over_what_was_visible(lake, made):
    payments, labels, xids, snapshots = made
    written(lake, payments, labels, xids)
    asked(lake, payments, snapshots)
    found = replayed(lake)
    for number, (payment, seen) in enumerate(zip(payments, snapshots, strict=True)):
        visible = [p for p, xid in zip(payments, xids, strict=False) if seen.sees(xid)]
        known = [
            label
            for label, xid in zip(labels, xids[len(payments) :], strict=True)
            if seen.sees(xid)
        ]
        assert found[number] == oracle.raw_features(payment, visible, known)


# ── what a record says, against its replay ───────────────────────────────────────────────


@pytest.fixture
def log(lake: Lake) -> Log:
    return a_month(lake)


def test_a_day_that_was_served_right(log):
    log.write()
    found = log.verdict()
    assert (found.compared, found.mismatches, found.left_out) == (len(log.of_day), 0, 0)
    assert found.compared > 30
    assert max(log.record(log.of_day[-1])["features"]["merchant_sum_squares_30d"], 0) > 2**64


def test_each_false_value_is_found_and_named(log):
    first, second, third = log.of_day[3], log.of_day[5], log.of_day[7]
    served = log.record(first)["features"]
    squares = served["merchant_sum_squares_30d"]
    lacking = dict(log.record(second)["features"])
    del lacking["ip_count_1h"]
    log.write(
        {
            first.id: {"features": served | {"merchant_sum_squares_30d": squares + 1}},
            second.id: {"features": lacking},
            third.id: {"vector_hash": "0" * 16},
        }
    )
    found = log.verdict()
    assert (found.compared, found.mismatches) == (len(log.of_day), 3)
    assert found.first == (
        parity.Mismatch(first.id, "merchant_sum_squares_30d", str(squares + 1), str(squares)),
        parity.Mismatch(second.id, "ip_count_1h", None, "0"),
        parity.Mismatch(third.id, "vector", "0" * 16, log.record(third)["vector_hash"]),
    )


def test_a_null_is_not_a_zero(log):
    payment = next(p for p in log.of_day if log.record(p)["features"]["card_max_30d"] is None)
    features = log.record(payment)["features"]
    log.write({payment.id: {"features": features | {"card_max_30d": 0}}})
    assert log.verdict().first == (parity.Mismatch(payment.id, "card_max_30d", "0", "null"),)


def test_an_event_that_is_gone_or_was_not_there_is_found(log):
    log.write()
    gone = log.of_day[0]
    log.lake.execute(
        "DELETE FROM raw_events WHERE event_type = 'payment.created' AND aggregate_id = $gone",
        gone=gone.id,
    )
    found = log.verdict()
    assert found.first[0] == parity.Mismatch(gone.id, "payment.created", None, None)
    counts = [mismatch for mismatch in found.first[1:] if "_count_" in mismatch.feature]
    assert counts
    assert all(int(one.served) == int(one.replayed) + 1 for one in counts)


def test_a_label_that_moved_is_found(log):
    log.write()
    payment = log.of_day[-1]
    log.lake.execute(
        "UPDATE raw_events SET timestamp = $at WHERE event_type = 'label.recorded'"
        " AND merchant_id = $merchant AND timestamp < $at",
        at=payment.at,  # not before it any more
        merchant=payment.merchant,
    )
    found = log.verdict()
    assert found.mismatches > 0
    assert {m.feature for m in found.first} <= {f.name for f in FEATURES if f.kind == "label"}


def test_what_cannot_be_replayed_is_left_out_and_counted(log):
    old, failed, again = log.of_day[:3]
    log.write(
        {
            old.id: {"feature_set": "0" * 16, "features": {}},
            failed.id: {"failure": "late", "features": {}, "snapshot": None},
        }
    )
    log.lake.execute(
        "INSERT INTO raw_events BY NAME SELECT * REPLACE (3 AS version) FROM raw_events"
        " WHERE version = 2 AND aggregate_id = $again",
        again=again.id,
    )
    found = log.verdict()
    assert (found.compared, found.mismatches, found.left_out) == (len(log.of_day) - 2, 0, 3)
    assert found.reasons == {
        "another feature set than today's: 0000000000000000": 1,
        "the engine failed: late": 1,
        "a further decision about a payment that is compared": 1,
    }


@pytest.mark.parametrize("snapshot", [None, "", "7", "9:8:", "1:300:", "1:5:2,x", "a:b:c"])
def test_a_snapshot_that_cannot_be_is_a_mismatch(log, snapshot):
    payment = log.of_day[2]
    log.write({payment.id: {"snapshot": snapshot}})
    found = log.verdict()
    assert found.first == (parity.Mismatch(payment.id, "snapshot", snapshot, None),)
    assert (found.compared, found.mismatches) == (len(log.of_day), 1)


# ── keeping verdicts ─────────────────────────────────────────────────────────────────────


def test_a_verdict_replaces_that_of_its_day_and_the_newest_are_one(lake):
    kept = lake
    assert parity.newest(kept) is None
    mismatch = parity.Mismatch(ids.derived("payment"), "ip_count_1h", "3", "4")
    good = parity.Verdict(
        day=date(2026, 9, 20), feature_set=feature_set_hash(), compared=5, mismatches=0,
        left_out=1, reasons={"the engine failed: late": 1}, first=(),
    )  # fmt: skip
    bad = parity.Verdict(
        day=date(2026, 9, 19), feature_set=feature_set_hash(), compared=7, mismatches=2,
        left_out=2, reasons={"the engine failed: late": 2}, first=(mismatch,),
    )  # fmt: skip
    for verdict in (bad, good, good):
        parity.store(kept, verdict)
    found = parity.newest(kept)
    assert (found.compared, found.mismatches, found.left_out) == (12, 2, 3)
    assert (found.first, found.reasons) == ((mismatch,), {"the engine failed: late": 3})
    assert not found.holds
    assert "ip_count_1h" in str(found.first[0])
    parity.store(kept, parity.Verdict(**_but(good, day=date(2026, 9, 27))))
    assert parity.newest(kept).holds  # more than a week ago
    other = parity.Verdict(**_but(bad, day=date(2026, 9, 26), feature_set="0" * 16))
    parity.store(kept, other)
    assert parity.newest(kept).compared == 5  # of today's features alone


def _but(verdict: parity.Verdict, **other: Any) -> dict[str, Any]:
    return {name: getattr(verdict, name) for name in verdict.__struct_fields__} | other
