"""What a worker tells of open attempts and waiting jobs."""

from datetime import UTC, datetime, timedelta
from time import time

from msgspec import Struct
from prometheus_client import REGISTRY

from online.platform.work_metrics import attempts_are_open, jobs_wait

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


class Standing(Struct, frozen=True, kw_only=True):
    livemode: bool = True
    rail: str = "upi_hdfc"
    status: str = "unknown"
    attempts: int = 1
    overdue: int = 0
    oldest_sent_at: datetime = NOW


class Depth(Struct, frozen=True):
    lane: str
    waiting: int
    oldest_s: float


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_the_oldest_unknown_counts_over_all_rails_and_in_its_own_mode():
    attempts_are_open(
        [
            Standing(oldest_sent_at=NOW - timedelta(seconds=30)),
            Standing(rail="card_a", oldest_sent_at=NOW - timedelta(minutes=7)),
            Standing(status="pending", oldest_sent_at=NOW - timedelta(days=2)),
            Standing(livemode=False, oldest_sent_at=NOW - timedelta(seconds=5)),
        ],
        NOW,
    )
    assert value("payments_unknown_oldest_seconds", livemode="true") == 420
    assert value("payments_unknown_oldest_seconds", livemode="false") == 5


def test_what_is_settled_goes_back_to_zero():
    labels = {"livemode": "true", "rail": "upi_hdfc", "status": "unknown"}
    attempts_are_open([Standing(attempts=4, overdue=3)], NOW)
    assert value("payments_open_attempts", **labels) == 4
    assert value("payments_overdue_attempts", **labels) == 3
    attempts_are_open([], NOW)
    assert value("payments_open_attempts", **labels) == 0
    assert value("payments_overdue_attempts", **labels) == 0
    assert value("payments_unknown_oldest_seconds", livemode="true") == 0
    swept = value("recovery_swept_timestamp_seconds")
    assert swept is not None
    assert abs(swept - time()) < 60


def test_a_lane_that_is_empty_again_says_so():
    jobs_wait([Depth("enquire.upi_hdfc", 7, 1.5), Depth("outbox", 1, 0.1)])
    assert value("jobs_waiting", lane="enquire.upi_hdfc") == 7
    assert value("jobs_oldest_seconds", lane="enquire.upi_hdfc") == 1.5
    jobs_wait([Depth("outbox", 2, 0.2)])
    assert value("jobs_waiting", lane="enquire.upi_hdfc") == 0
    assert value("jobs_oldest_seconds", lane="enquire.upi_hdfc") == 0
    assert value("jobs_waiting", lane="outbox") == 2
