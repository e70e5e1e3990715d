"""Pictures of a model for people who did not make it: what it finds, and what it looks at.

Belongs here: drawing. Does not: the numbers, which come from `metrics` and `explanation`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from models.fraud.metrics import Week, reliability
from models.fraud.watching import Interval

_BLUE: Final = "#1f4e79"
_RED: Final = "#b5442e"
_GREY: Final = "#999999"
_LEAST: Final = 1e-5
_MOST_BARS: Final = 20
_MEASURES: Final = (("ap", "Average precision"), ("cp100", "Fraud in the day's top 100 cards"))


def precision_recall(path: Path, targets: Any, scores: Any, ap: Interval) -> None:
    """The precision-recall curve, against what guessing reaches."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(targets, scores)
    base_rate = float(sum(targets)) / len(targets)
    axes = _axes(
        title="Of what the model alerts, how much is fraud?",
        xlabel="Recall: share of all fraud that is found",
        ylabel="Precision: share of alerts that are fraud",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    label = f"model (average precision {ap.value:.3f}, 95 % {ap.low:.3f} to {ap.high:.3f})"
    axes.step(recall, precision, where="post", color=_BLUE, label=label)
    axes.axhline(base_rate, color=_GREY, linestyle="--", label=f"guessing ({base_rate:.4f})")
    axes.legend(loc="upper right", fontsize=8)
    _save(axes, path)


def calibration(path: Path, targets: Any, scores: Any) -> None:
    """Predicted against observed fraud rate: on the diagonal, a score is a probability."""
    points = reliability(targets, scores)
    axes = _axes(
        title="Is a score of 5 % fraud in 5 of 100 payments?",
        xlabel="Predicted fraud rate (log scale)",
        ylabel="Observed fraud rate (log scale)",
        xscale="log",
        yscale="log",
    )
    axes.plot([_LEAST, 1], [_LEAST, 1], color=_GREY, linestyle="--", label="perfect")
    axes.plot(
        [max(point[0], _LEAST) for point in points],
        [max(point[1], _LEAST) for point in points],
        "o-", color=_BLUE, label="tenths of the test payments, by score",
    )  # fmt: skip
    axes.legend(loc="upper left", fontsize=8)
    _save(axes, path)


def gain(path: Path, targets: Any, scores: Any) -> None:
    """How much of the fraud is found by looking at the riskiest payments first."""
    import numpy as np

    order = np.argsort(-np.asarray(scores), kind="stable")
    found = np.cumsum(np.asarray(targets)[order]) / max(1, int(np.sum(targets)))
    looked = np.arange(1, len(order) + 1) / len(order)
    axes = _axes(
        title="How many payments must be looked at to find the fraud?",
        xlabel="Share of payments looked at, riskiest first (log scale)",
        ylabel="Share of all fraud that is found",
        xscale="log",
        xlim=(1 / len(order), 1),
        ylim=(0, 1.02),
    )
    axes.plot(looked, found, color=_BLUE, label="model")
    axes.plot(looked, looked, color=_GREY, linestyle="--", label="guessing")
    axes.legend(loc="upper left", fontsize=8)
    _save(axes, path)


def score_distribution(path: Path, targets: Any, scores: Any) -> None:
    """Where good and fraudulent payments lie on the scale of the score."""
    import numpy as np

    targets, scores = np.asarray(targets), np.asarray(scores)
    edges = np.linspace(0, 100, 41)
    axes = _axes(
        title="Scores of good and of fraudulent payments",
        xlabel="Score: probability of fraud in percent",
        ylabel="Share of its kind in the bin (log scale)",
        yscale="log",
    )
    for kind, name, colour in ((0, "good", _BLUE), (1, "fraud", _RED)):
        of_kind = scores[targets == kind] * 100
        shares = np.full(len(of_kind), 1 / max(1, len(of_kind)))
        label = f"{name} ({len(of_kind):,} payments)"
        axes.hist(of_kind, edges, weights=shares, color=colour, alpha=0.55, label=label)
    axes.legend(loc="upper right", fontsize=8)
    _save(axes, path)


def importance(path: Path, ranked: Sequence[tuple[str, float]]) -> None:
    """(input in plain words, loss of average precision when it is shuffled), largest first."""
    shown = list(ranked)[:_MOST_BARS]
    axes = _axes(
        title="What the model needs: loss of average precision\nwhen one input is shuffled",
        xlabel="Loss of average precision on the test payments",
        size=(9, 1.2 + 0.3 * len(shown)),
    )
    axes.barh([name for name, _ in shown], [loss for _, loss in shown], color=_BLUE)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=8)
    _save(axes, path)


def weeks(path: Path, found: Sequence[Week]) -> None:
    """Measures by week with their intervals; weeks of one kind of payment only have none."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    names = [f"{week.week}\n{week.frauds} of {week.rows:,}" for week in found]
    for axes, (measure, title) in zip(figure.subplots(1, 2), _MEASURES, strict=True):
        for place, week in enumerate(found):
            if measure in week.measures:
                at = week.measures[measure]
                spread = [[max(0.0, at.value - at.low)], [max(0.0, at.high - at.value)]]
                axes.errorbar(place, at.value, spread, fmt="o", color=_BLUE, capsize=4)
        axes.set_xticks(range(len(found)), names, fontsize=8)
        axes.set(xlim=(-0.6, len(found) - 0.4), ylim=(0, None))
        axes.set_title(title, fontsize=10)
    figure.suptitle("Test payments by ISO week (frauds of payments below), 95 % intervals", size=9)
    figure.savefig(path, dpi=110)


def _axes(*, size: tuple[float, float] = (6.4, 4.8), **settings: Any) -> Any:
    from matplotlib.figure import Figure  # without pyplot: no display, nothing global

    axes: Any = Figure(figsize=size, layout="constrained").subplots()
    axes.set(**settings)
    axes.title.set_fontsize(11)
    return axes


def _save(axes: Any, path: Path) -> None:
    axes.figure.savefig(path, dpi=110)
