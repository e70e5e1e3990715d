"""How good scores are: ranking, what an analyst would catch, and whether they are probabilities.

Belongs here: measures of targets and scores, and how sure each is. Does not: where scores come
from, or pictures (`plots`).

Intervals are 95 % percentiles of a bootstrap over cards (Efron; the payments of one card come in
bursts and are not so many independent facts). Two models are compared on the same drawn cards, so
that what is hard about a draw is hard for both. Days begin at the midnight of `at_us`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from msgspec import Struct

from models.fraud.features import DAY, EPOCH
from models.fraud.watching import Interval

DRAWS: Final = 300
ALERTS: Final = 100  # cards that analysts look at in a day
_BINS: Final = 10
_DAY_US: Final = DAY * 1_000_000


class Week(Struct, frozen=True):
    """The measures of one ISO week; none where it holds only fraud or only good payments."""

    week: str  # 2026-W34
    rows: int
    frauds: int
    measures: Mapping[str, Interval]


def evaluate(targets: Any, scores: Any, at_us: Any, cards: Any) -> dict[str, float]:
    """AUC, average precision, card precision at 100, Brier score and calibration error."""
    import numpy as np

    sample = Sample(targets, scores, at_us, cards)
    return {
        **sample.measures(),
        "rows": float(len(sample.targets)),
        "frauds": float(np.sum(sample.targets)),
        "fraud_rate": float(np.mean(sample.targets)),
        "predicted_rate": float(np.mean(sample.scores)),
    }


def intervals(
    targets: Any, scores: Any, at_us: Any, cards: Any, *, seed: int = 7, draws: int = DRAWS
) -> dict[str, Interval]:
    """Each measure of `evaluate` that is one, with its interval."""
    sample = Sample(targets, scores, at_us, cards)
    drawn = [sample.measures(weights) for weights in sample.draws(seed, draws)]
    return {
        name: _interval(value, [measures[name] for measures in drawn])
        for name, value in sample.measures().items()
    }


def differences(
    targets: Any, ours: Any, theirs: Any, at_us: Any, cards: Any, *, seed: int = 7
) -> dict[str, Interval]:
    """By how much our average precision and card precision are above theirs, on the same draws."""
    first, second = Sample(targets, ours, at_us, cards), Sample(targets, theirs, at_us, cards)
    names = ("ap", "cp100")

    def gap(weights: Any = None) -> dict[str, float]:
        mine, other = first.measures(weights), second.measures(weights)
        return {name: mine[name] - other[name] for name in names}

    drawn = [gap(weights) for weights in first.draws(seed, DRAWS)]
    value = gap()
    return {name: _interval(value[name], [found[name] for found in drawn]) for name in names}


def by_week(targets: Any, scores: Any, at_us: Any, cards: Any, *, seed: int = 7) -> list[Week]:
    """The same measures for each ISO week."""
    import numpy as np

    weeks = np.array([_week(day) for day in np.asarray(at_us) // _DAY_US])
    found = []
    for week in np.unique(weeks):
        rows = weeks == week
        frauds = int(np.sum(np.asarray(targets)[rows]))
        both = 0 < frauds < int(rows.sum())
        part = [np.asarray(column)[rows] for column in (targets, scores, at_us, cards)]
        measures = intervals(*part, seed=seed) if both else {}
        found.append(Week(str(week), int(rows.sum()), frauds, measures))
    return found


def card_precision(targets: Any, scores: Any, at_us: Any, cards: Any, top: int = ALERTS) -> float:
    """Of the `top` cards with the highest score each day, the share that is fraudulent.

    A card found on one day is left out of the following ones. The mean over the days.
    """
    return Sample(targets, scores, at_us, cards).card_precision(top=top)


def reliability(targets: Any, scores: Any) -> Sequence[tuple[float, float, float]]:
    """(mean score, observed fraud rate, share of rows) of each bin, by ascending score."""
    import numpy as np

    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    return [
        (
            float(np.mean(np.asarray(scores)[part])),
            float(np.mean(np.asarray(targets)[part])),
            len(part) / len(order),
        )
        for part in parts
    ]


class Sample:
    """Targets and scores, ordered once, so that many weightings of the rows are measured fast."""

    def __init__(self, targets: Any, scores: Any, at_us: Any, cards: Any) -> None:
        import numpy as np

        scores = np.asarray(scores, dtype=np.float64)
        order = np.argsort(-scores, kind="stable")
        self.targets = np.asarray(targets, dtype=np.float64)[order]
        if not 0 < self.targets.sum() < len(self.targets):
            raise ValueError("both fraud and good payments are needed to measure a model")
        self.scores = scores[order]
        # Rows of equal score are one step of a curve: nobody can say which comes first.
        self._steps = np.append(np.nonzero(np.diff(self.scores))[0], len(scores) - 1)
        self._bins = np.arange(len(scores))[::-1] * _BINS // len(scores)
        self._names, self._cards = np.unique(np.asarray(cards, dtype=str), return_inverse=True)
        self._cards = self._cards[order]
        self._days = list(self._by_day(np.asarray(at_us)[order] // _DAY_US))

    def draws(self, seed: int, number: int) -> Iterator[Any]:
        """Weights of the rows: how often each one's card was drawn."""
        import numpy as np

        random = np.random.default_rng(seed)
        count = len(self._names)
        made = 0
        while made < number:
            weights = np.bincount(random.integers(0, count, count), minlength=count)
            frauds = float(weights[self._cards] @ self.targets)
            if 0 < frauds < float(weights[self._cards].sum()):
                made += 1
                yield weights

    def measures(self, card_weights: Any = None) -> dict[str, float]:
        """Every measure; `card_weights` says how often each card counts (once, if not given)."""
        import numpy as np

        cards = np.ones(len(self._names)) if card_weights is None else card_weights
        weights = cards[self._cards].astype(np.float64)
        fraud = weights * self.targets
        caught = np.cumsum(fraud)[self._steps]
        alerted = np.cumsum(weights)[self._steps]
        return {
            "auc": self._auc(caught, alerted),
            "ap": float(np.sum(np.diff(caught, prepend=0) * _share(caught, alerted)) / caught[-1]),
            "cp100": self.card_precision(cards),
            "brier": float(np.sum(weights * (self.scores - self.targets) ** 2) / weights.sum()),
            "calibration_error": self._calibration_error(weights, fraud),
        }

    def _auc(self, caught: Any, alerted: Any) -> float:
        import numpy as np

        wrong = alerted - caught
        before = np.concatenate([[0.0], caught[:-1]])
        area = np.sum(np.diff(wrong, prepend=0) * (before + caught) / 2)
        return float(area / (caught[-1] * wrong[-1]))

    def _calibration_error(self, weights: Any, fraud: Any) -> float:
        import numpy as np

        said = np.bincount(self._bins, weights * self.scores, _BINS)
        came = np.bincount(self._bins, fraud, _BINS)
        return float(np.abs(said - came).sum() / weights.sum())

    def card_precision(self, card_weights: Any = None, top: int = ALERTS) -> float:
        """See `card_precision` above; a card of weight two is two cards."""
        import numpy as np

        weights = np.ones(len(self._names)) if card_weights is None else card_weights
        open_ = np.ones(len(self._names), dtype=bool)
        shares = []
        for cards, guilty in self._days:
            weight = weights[cards] * open_[cards]
            room = np.clip(top - (np.cumsum(weight) - weight), 0, weight) * guilty
            open_[cards[room > 0]] = False
            shares.append(room.sum() / top)
        return float(np.mean(shares))

    def _by_day(self, days: Any) -> Iterator[tuple[Any, Any]]:
        """(cards by their best score of the day, whether each had a fraud on it), day by day."""
        import numpy as np

        for day in np.unique(days):
            rows = np.nonzero(days == day)[0]
            cards, first = np.unique(self._cards[rows], return_index=True)
            guilty = np.bincount(self._cards[rows], self.targets[rows], len(self._names))[cards] > 0
            # Rows are in order of score: a card's first row is its best; then by name.
            order = np.lexsort((cards, -self.scores[rows][first]))
            yield cards[order], guilty[order]


def _share(part: Any, whole: Any) -> Any:
    import numpy as np

    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _interval(value: float, drawn: Sequence[float]) -> Interval:
    import numpy as np

    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def _week(day: int) -> str:
    year, week, _ = (EPOCH + timedelta(days=int(day))).isocalendar()
    return f"{year}-W{week:02}"
