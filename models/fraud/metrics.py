"""How good scores are: ranking, what an analyst would catch, and whether they are probabilities.

Belongs here: numbers and pictures from targets and scores. Does not: where scores come from.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.fraud.features import DAY


def evaluate(targets: Any, scores: Any, at_us: Any, cards: Any) -> dict[str, float]:
    """AUC, average precision, card precision at 100, Brier score and calibration error."""
    import numpy as np
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    if len(np.unique(targets)) < 2:
        raise ValueError("both fraud and good payments are needed to measure a model")
    return {
        "auc": float(roc_auc_score(targets, scores)),
        "ap": float(average_precision_score(targets, scores)),
        "cp100": card_precision(targets, scores, at_us, cards, 100),
        "brier": float(brier_score_loss(targets, scores)),
        "calibration_error": calibration_error(targets, scores),
        "rows": float(len(targets)),
        "frauds": float(np.sum(targets)),
        "fraud_rate": float(np.mean(targets)),
    }


def card_precision(targets: Any, scores: Any, at_us: Any, cards: Any, top: int) -> float:
    """Of the `top` cards with the highest score each day, the share that is fraudulent.

    A card found on one day is left out of the following ones. The mean over the days.
    """
    import numpy as np

    days = np.asarray(at_us) // (DAY * 1_000_000)
    found: set[Any] = set()
    shares = []
    for day in np.unique(days):
        best: dict[Any, float] = {}
        guilty: set[Any] = set()
        for index in np.nonzero(days == day)[0]:
            card = cards[index]
            if card in found:
                continue
            best[card] = max(best.get(card, 0.0), float(scores[index]))
            if targets[index]:
                guilty.add(card)
        alerted = sorted(best, key=lambda card: (-best[card], str(card)))[:top]
        caught = guilty.intersection(alerted)
        found |= caught
        shares.append(len(caught) / top)
    return float(np.mean(shares)) if shares else 0.0


def calibration_error(targets: Any, scores: Any, bins: int = 10) -> float:
    """Mean distance of predicted and observed fraud rate over bins of equal size."""
    return sum(
        weight * abs(predicted - observed)
        for predicted, observed, weight in reliability(targets, scores, bins)
    )


def reliability(targets: Any, scores: Any, bins: int = 10) -> Sequence[tuple[float, float, float]]:
    """(mean score, observed fraud rate, share of rows) of each bin, by ascending score."""
    import numpy as np

    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [
        (
            float(np.mean(np.asarray(scores)[part])),
            float(np.mean(np.asarray(targets)[part])),
            len(part) / len(order),
        )
        for part in parts
    ]


def draw_precision_recall(path: Path, targets: Any, scores: Any, ap: float) -> None:
    """The precision-recall curve, against what guessing reaches."""
    from matplotlib.figure import Figure  # without pyplot: no display, nothing global
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(targets, scores)
    base_rate = float(sum(targets)) / len(targets)
    axes = (figure := Figure(figsize=(6, 5), layout="constrained")).subplots()
    axes.plot(recall, precision, color="#1f4e79", label=f"model (AP {ap:.3f})")
    axes.axhline(base_rate, color="#999999", linestyle="--", label=f"guessing ({base_rate:.3f})")
    axes.set(
        title="Precision and recall on the test days",
        xlabel="Recall: share of all fraud that is found",
        ylabel="Precision: share of alerts that are fraud",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=110)


def draw_calibration(path: Path, targets: Any, scores: Any) -> None:
    """Predicted against observed fraud rate: on the diagonal, a score is a probability."""
    from matplotlib.figure import Figure

    points = reliability(targets, scores)
    predicted = [max(point[0], 1e-5) for point in points]
    observed = [max(point[1], 1e-5) for point in points]
    axes = (figure := Figure(figsize=(6, 5), layout="constrained")).subplots()
    axes.plot([1e-5, 1], [1e-5, 1], color="#999999", linestyle="--", label="perfect")
    axes.plot(predicted, observed, "o-", color="#1f4e79", label="tenths of the test rows")
    axes.set(
        title="Calibration on the test days",
        xlabel="Predicted fraud rate (log scale)",
        ylabel="Observed fraud rate (log scale)",
        xscale="log",
        yscale="log",
    )
    axes.legend(loc="upper left")
    figure.savefig(path, dpi=110)
