"""A fitted model as plain arrays, from which the service explains its scores.

Belongs here: taking scikit-learn's models apart. Does not: using the arrays (`contributions`).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import msgspec

from models.fraud.contributions import Exported, Linear, Link, Trees


class NotExportable(Exception):
    """A model whose margin the arrays cannot hold. Says what is not understood."""


def export(estimator: Any) -> bytes:
    """A fitted scikit-learn model of two classes as the bytes that `contributions.load` takes.

    Understood: HistGradientBoostingClassifier without categories, RandomForestClassifier,
    LogisticRegression alone or behind a StandardScaler; each of them alone or calibrated (with
    `estimator`, `slope` and `intercept`). Anything else is `NotExportable`.
    """
    calibration = None
    if hasattr(estimator, "slope"):
        calibration = float(estimator.slope), float(estimator.intercept)
        estimator = estimator.estimator
    name = type(estimator).__name__
    take_apart = _KINDS.get(name)
    if take_apart is None:
        raise NotExportable(f"a {name} is not understood")
    if list(estimator.classes_) != [0, 1]:
        raise NotExportable(f"classes {list(estimator.classes_)} are not [0, 1]")
    margin: Literal["logit", "probability"] = "logit"
    if name == "RandomForestClassifier":
        margin = "probability"
    return msgspec.msgpack.encode(Exported(Link(margin, calibration), take_apart(estimator)))


def _of_boosting(model: Any) -> Trees:
    import numpy as np

    parts = []
    for (predictor,) in model._predictors:  # one tree a round, as there are two classes
        nodes = predictor.nodes
        if nodes["is_categorical"].any():
            raise NotExportable("categories are not understood: encode them as numbers")
        leaf = nodes["is_leaf"].astype(bool)
        value = np.where(leaf, nodes["value"], 0.0)
        count = nodes["count"].astype(float)
        left, right = nodes["left"].astype(int), nodes["right"].astype(int)
        for at in range(len(nodes) - 1, -1, -1):  # children come after their parents
            if not leaf[at]:
                below = [left[at], right[at]]
                value[at] = np.average(value[below], weights=count[below])
        missing = nodes["missing_go_to_left"]
        parts.append(
            (leaf, nodes["feature_idx"], nodes["num_threshold"], left, right, missing, value)
        )
    return _joined(parts, model.n_features_in_, float(np.ravel(model._baseline_prediction)[0]))


def _of_forest(model: Any) -> Trees:
    parts = []
    for estimator in model.estimators_:
        tree = estimator.tree_
        leaf = tree.children_left < 0
        share = tree.value[:, 0, 1] / tree.value[:, 0, :].sum(axis=1) / len(model.estimators_)
        splits = (tree.feature, tree.threshold, tree.children_left, tree.children_right)
        parts.append((leaf, *splits, tree.missing_go_to_left, share))
    return _joined(parts, model.n_features_in_, 0.0)


def _joined(parts: Sequence[tuple[Any, ...]], width: int, base: float) -> Trees:
    """All trees one after the other."""
    import numpy as np

    sizes = [len(part[0]) for part in parts]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    offset = np.repeat(roots, sizes)
    leaf, feature, threshold, left, right, missing, value = map(
        np.concatenate, zip(*parts, strict=True)
    )
    at = np.arange(len(leaf))
    # The largest float32 that is not above: then float32 values go the way that they did.
    rounded = threshold.astype("<f4")
    down = np.nextafter(rounded, np.float32(-np.inf))
    rounded = np.where(rounded.astype(float) > threshold, down, rounded)
    return Trees(
        width=width,
        base=base,
        roots=roots.astype("<u4").tobytes(),
        feature=np.where(leaf, 0, feature).astype("<u2").tobytes(),
        threshold=np.where(leaf, np.float32(0), rounded).astype("<f4").tobytes(),
        left=np.where(leaf, at, left + offset).astype("<u4").tobytes(),
        right=np.where(leaf, at, right + offset).astype("<u4").tobytes(),
        missing_left=missing.astype("?").tobytes(),
        value=value.astype("<f8").tobytes(),
    )


def _of_regression(model: Any) -> Linear:
    import numpy as np

    *before, regression = [step for _, step in model.steps] if hasattr(model, "steps") else [model]
    names = [type(step).__name__ for step in (*before, regression)]
    if names not in (["LogisticRegression"], ["StandardScaler", "LogisticRegression"]):
        raise NotExportable(f"{' and '.join(names)} are not understood")
    width = model.n_features_in_
    mean, scale = np.zeros(width), np.ones(width)
    for scaler in before:
        mean = mean if scaler.mean_ is None else scaler.mean_
        scale = scale if scaler.scale_ is None else scaler.scale_
    weights = regression.coef_[0] / scale
    return Linear(width, float(regression.intercept_[0]), weights.tolist(), mean.tolist())


_KINDS: Final[dict[str, Callable[[Any], Trees | Linear]]] = {
    "HistGradientBoostingClassifier": _of_boosting,
    "RandomForestClassifier": _of_forest,
    "LogisticRegression": _of_regression,
    "Pipeline": _of_regression,
}
