"""What Prometheus is told of work under way in the background.

Belongs here: gauges that a worker sets from what the database says. Does not: who asks it, and
when. Several workers say the same, each a few seconds old: `max without (instance)`.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Protocol

from prometheus_client import Gauge

# `sent` is not among them: its call is on the line, or recovery has not come to it yet.
_TROUBLE: Final = "unknown"

_oldest: Final = Gauge(
    "payments_unknown_oldest_seconds",
    "Age of the oldest operation at a rail whose outcome is unknown; 0 when there is none.",
    ("livemode",),
    multiprocess_mode="livemostrecent",
)
_open: Final = Gauge(
    "payments_open_attempts",
    "Operations at rails without an outcome.",
    ("livemode", "rail", "status"),
    multiprocess_mode="livemostrecent",
)
_overdue: Final = Gauge(
    "payments_overdue_attempts",
    "Those of them that the rail's own number of enquiries did not settle.",
    ("livemode", "rail", "status"),
    multiprocess_mode="livemostrecent",
)
_waiting: Final = Gauge(
    "jobs_waiting",
    "Jobs that nobody has begun, by lane; `outbox_rows` are not in the queue yet.",
    ("lane",),
    multiprocess_mode="livemostrecent",
)
_job_age: Final = Gauge(
    "jobs_oldest_seconds",
    "How long the first of them has waited.",
    ("lane",),
    multiprocess_mode="livemostrecent",
)
_swept_at: Final = Gauge(
    "recovery_swept_timestamp_seconds",
    "When a worker last looked at what is open: old when no worker runs or none has a database.",
    multiprocess_mode="livemostrecent",
)


class Standing(Protocol):
    """Open attempts of one mode, rail and status."""

    @property
    def livemode(self) -> bool: ...
    @property
    def rail(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def overdue(self) -> int: ...
    @property
    def oldest_sent_at(self) -> datetime: ...


class Depth(Protocol):
    """Jobs of one lane."""

    @property
    def lane(self) -> str: ...
    @property
    def waiting(self) -> int: ...
    @property
    def oldest_s(self) -> float: ...


_seen: Final[set[tuple[str, str, str]]] = set()
_lanes: Final[set[str]] = set()


def attempts_are_open(standing: Iterable[Standing], now: datetime) -> None:
    """All that there are; what was there before and is not named is none now."""
    oldest = {"true": 0.0, "false": 0.0}
    counts: dict[tuple[str, str, str], tuple[int, int]] = dict.fromkeys(_seen, (0, 0))
    for each in standing:
        mode = str(each.livemode).lower()
        counts[mode, each.rail, each.status] = (each.attempts, each.overdue)
        if each.status == _TROUBLE:
            age_s = max(0.0, (now - each.oldest_sent_at).total_seconds())
            oldest[mode] = max(oldest[mode], age_s)
    for labels, (attempts, overdue) in counts.items():
        _open.labels(*labels).set(attempts)
        _overdue.labels(*labels).set(overdue)
    for mode, age_s in oldest.items():
        _oldest.labels(mode).set(age_s)
    _seen.update(counts)
    _swept_at.set_to_current_time()


def jobs_wait(depths: Iterable[Depth]) -> None:
    """All lanes that have jobs; the others have none now."""
    found = {depth.lane: depth for depth in depths}
    for lane in _lanes | found.keys():
        _waiting.labels(lane).set(found[lane].waiting if lane in found else 0)
        _job_age.labels(lane).set(found[lane].oldest_s if lane in found else 0)
    _lanes.update(found)
