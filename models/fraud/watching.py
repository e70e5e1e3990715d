"""What is said of a model in use: has what it sees changed, and are its alerts still right.

Belongs here: the arithmetic and its limits, pure. Does not: where counts come from (`drift`, and
`warehouse/sql/fraud_watch.sql`), or who is told (`assets.fraud_watch`).

The population stability index compares two distributions over the same bins:
PSI = Σ (found − expected) · ln(found / expected). It is never negative, zero only for equal ones.
"""

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from models.fraud.bundle import Binned

# Below the first nothing has happened, from the second on the population is another one: the bands
# of N. Siddiqi, Credit Risk Scorecards (Wiley, 2006), as model risk teams have used them since.
MOVED: Final = 0.10
DRIFTED: Final = 0.25
BINS: Final = 10

# An empty bin would make the index infinite.
_LEAST_SHARE: Final = 1e-4
# 99.9 % of a normal distribution lies below: dozens of inputs are looked at each day.
_Z_NOISE: Final = 3.0902
# 95 % lie between, on both sides together.
_Z_INTERVAL: Final = 1.9600
# Precision is compared on days of which so many paid alerts have a label: what comes first is
# disputes, and a day that knows only those looks better than it was. What was blocked is not waited
# for: nobody disputes what was never paid.
_MATURE: Final = 0.8
_RECENT_DAYS: Final = 7
_BEFORE_DAYS: Final = 28

Verdict = Literal["steady", "moved", "drifted", "too few"]


class Interval(Struct, frozen=True):
    """A share and the bounds that it lies within, as far as its sample tells."""

    value: float
    low: float
    high: float


class Alerts(Struct, frozen=True):
    """A day's alerts: of those that were paid, how many and how many of them have a label; of all,
    how many have a label and how many of those are fraud."""

    paid: int
    paid_known: int
    known: int
    fraud: int


class Fall(Struct, frozen=True):
    """Precision of the newest mature days against the days before them."""

    recent: Interval
    before: Interval

    @property
    def fell(self) -> bool:
        """Beyond what chance explains: the two intervals do not touch."""
        return self.recent.high < self.before.low


def psi(expected: Sequence[float], found: Sequence[float], *, least: float = _LEAST_SHARE) -> float:
    """The index of two lists of shares over the same bins; `least` stands for an empty bin."""
    if len(expected) != len(found):
        raise ValueError(f"{len(expected)} bins cannot be compared with {len(found)}")
    pairs = ((max(a, least), max(b, least)) for a, b in zip(expected, found, strict=True))
    return sum((b - a) * math.log(b / a) for a, b in pairs)


def psi_of_counts(reference: Binned, reference_rows: int, counts: Sequence[int]) -> float | None:
    """The index of rows found in bins, None where they are too few to tell a shift from chance."""
    rows = sum(counts)
    if not enough(len(counts), reference_rows, rows):
        return None
    # Half a row: what a bin that happens to be empty may hold.
    least = 0.5 / min(rows, reference_rows)
    return psi(reference.shares, [count / rows for count in counts], least=least)


def enough(bins: int, reference_rows: int, rows: int) -> bool:
    """Whether equal populations would hardly ever be told apart by samples of these sizes.

    Of equal populations the index is about χ² with `bins` − 1 degrees of freedom, times
    1/n + 1/m (B. Yurdakul, J. Naranjo: Statistical properties of the population stability index,
    Journal of Risk Model Validation 14(4), 2020).
    """
    if min(rows, reference_rows) <= 0:
        return False
    return noise(bins, reference_rows, rows) < MOVED


def noise(bins: int, reference_rows: int, rows: int) -> float:
    """The index that chance alone exceeds once in a thousand times."""
    return _chi_square(bins - 1) * (1 / rows + 1 / reference_rows)


def _chi_square(freedom: int) -> float:
    """Its 99.9 % quantile, by Wilson and Hilferty; within 2 % from one degree of freedom on."""
    if freedom < 1:
        return 0.0
    part = 2 / (9 * freedom)
    return freedom * (1 - part + _Z_NOISE * math.sqrt(part)) ** 3


def verdict(index: float | None) -> Verdict:
    """The band of an index."""
    if index is None:
        return "too few"
    if index >= DRIFTED:
        return "drifted"
    return "moved" if index >= MOVED else "steady"


def count_bins(edges: Sequence[float], values: Any) -> tuple[list[int], int]:
    """How many values lie in each bin, and how many are missing (NaN).

    Bin i holds edges[i−1] < x ≤ edges[i]; the first and the last are open to the outside.
    """
    import numpy as np

    column = np.asarray(values, dtype=np.float64)
    present = column[~np.isnan(column)]
    places = np.searchsorted(np.asarray(edges, dtype=np.float64), present, side="left")
    counts = np.bincount(places, minlength=len(edges) + 1)
    return [int(count) for count in counts], len(column) - len(present)


def binned(values: Any, *, bins: int = BINS) -> Binned:
    """The distribution of a column in bins of equal size, as a later day is compared with it.

    A value that many rows share is a bin of its own, so there may be fewer than `bins`. What
    never changed has empty bins on both sides, so that a change is seen.
    """
    import numpy as np

    column = np.asarray(values, dtype=np.float64)
    present = column[~np.isnan(column)]
    if not len(present):
        return Binned(edges=[], shares=[1.0], missing=1.0 if len(column) else 0.0)
    cuts = np.quantile(present, [place / bins for place in range(1, bins)], method="lower")
    highest = present.max()
    edges = [float(edge) for edge in np.unique(cuts) if edge < highest]
    if not edges:
        below = present[present < highest]
        edges = [float(below.max())] if len(below) else _around(float(highest))
    counts, missing = count_bins(edges, column)
    shares = [count / len(present) for count in counts]
    return Binned(edges=edges, shares=shares, missing=missing / len(column))


def _around(value: float) -> list[float]:
    return [math.nextafter(value, -math.inf), value]


def wilson(hits: int, of: int) -> Interval | None:
    """A share with its 95 % interval by Wilson, which holds for small samples too; None of none."""
    if of <= 0:
        return None
    share, square = hits / of, _Z_INTERVAL**2
    middle = (share + square / (2 * of)) / (1 + square / of)
    spread = (
        _Z_INTERVAL
        / (1 + square / of)
        * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    )
    return Interval(
        share, max(0.0, min(share, middle - spread)), min(1.0, max(share, middle + spread))
    )


def precision_fall(days: Sequence[Alerts]) -> Fall | None:
    """From a model's days, the oldest first; None while there are not two stretches to compare."""
    mature = [day for day in days if day.paid and day.paid_known >= _MATURE * day.paid]
    recent, before = mature[-_RECENT_DAYS:], mature[:-_RECENT_DAYS][-_BEFORE_DAYS:]
    now, earlier = _precision(recent), _precision(before)
    return Fall(now, earlier) if now and earlier else None


def _precision(days: Sequence[Alerts]) -> Interval | None:
    return wilson(sum(day.fraud for day in days), sum(day.known for day in days))
