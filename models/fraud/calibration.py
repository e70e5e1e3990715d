"""Scores made probabilities: a sigmoid over the log-odds, fitted on later rows than the model.

Belongs here: the calibrated model and the fit of its two numbers (Platt scaling). Does not: which
rows it is fitted on (`training`), or its ONNX form (`onnx_export`).

A sigmoid keeps the order of scores and is exact in ONNX; isotonic calibration is neither.
"""

from typing import Any, Final

# Beyond one in a million a score says nothing more; and the log-odds of 0 and 1 are infinite.
CLIP: Final = 1e-6
# Calibration may flatten an order, never reverse it.
_LEAST_SLOPE: Final = 0.01
_STEPS: Final = 100


class Calibrated:
    """A fitted estimator with `p = sigmoid(slope · log-odds + intercept)` over its scores."""

    def __init__(self, estimator: Any, slope: float = 1.0, intercept: float = 0.0) -> None:
        self.estimator = estimator
        self.slope = slope
        self.intercept = intercept

    def predict_proba(self, rows: Any) -> Any:
        """The probabilities of good and fraud, as scikit-learn's: float64, shape (n, 2)."""
        import numpy as np

        # In float32 a regression would add up in float32 too, and lose the fifth digit.
        raw = self.estimator.predict_proba(np.asarray(rows, dtype=np.float64))[:, 1]
        fraud = calibrated(raw, self.slope, self.intercept)
        return np.column_stack([1 - fraud, fraud])

    def predict(self, rows: Any) -> Any:
        """1 where fraud is likelier than not."""
        return (self.predict_proba(rows)[:, 1] > 0.5).astype("int64")


def calibrated(scores: Any, slope: float, intercept: float) -> Any:
    """The probabilities that scores stand for."""
    import numpy as np

    return 1 / (1 + np.exp(-(slope * log_odds(scores) + intercept)))


def log_odds(scores: Any) -> Any:
    """ln(p / (1 - p)), with scores kept off 0 and 1."""
    import numpy as np

    kept = np.clip(np.asarray(scores, dtype=np.float64), CLIP, 1 - CLIP)
    return np.log(kept / (1 - kept))


def fit_sigmoid(scores: Any, targets: Any) -> tuple[float, float]:
    """(slope, intercept) of the likeliest sigmoid; with few frauds it stays off certainty.

    Platt's targets (n+1)/(n+2) and 1/(m+2) stand for 1 and 0 (Platt 1999; Lin, Lin and Weng 2007),
    Newton's method finds the maximum.
    """
    import numpy as np

    odds = log_odds(scores)
    frauds = float(np.sum(targets))
    goods = len(odds) - frauds
    aimed = np.where(np.asarray(targets) > 0, (frauds + 1) / (frauds + 2), 1 / (goods + 2))
    design = np.column_stack([odds, np.ones_like(odds)])
    weights = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        found = 1 / (1 + np.exp(-design @ weights))
        slope_of = design.T @ (found - aimed)
        bend = design.T @ (design * (found * (1 - found))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(bend, slope_of)
        weights -= step * min(1.0, 5.0 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    if weights[0] < _LEAST_SLOPE:
        share = float(aimed.mean())
        return _LEAST_SLOPE, float(np.log(share / (1 - share)) - _LEAST_SLOPE * odds.mean())
    return float(weights[0]), float(weights[1])
