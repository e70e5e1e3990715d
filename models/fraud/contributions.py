"""Why a model gave its score: what each input contributed to it, exactly.

Belongs here: a model as plain arrays, the contributions of one row, and their split into whole
points. Does not: making the arrays of a fitted model (`explainer`), what an input is called in
words (`features`), or what else makes up a score (`online.risk`).

A tree takes a row from its root to a leaf. Each step changes the mean of the training rows that
are still with it, and the change belongs to the input that was asked (Saabas, "Interpreting random
forests", 2014). So `base + sum(contributions)` is the model's own margin: the logit of boosting
and of regression, the mean probability of a forest. A link, with the calibration in it, makes the
margin a probability.
"""

import math
from collections.abc import Sequence
from typing import Any, Final, Literal, Protocol

import msgspec
from msgspec import Struct

SHOWN: Final = 8
BASE: Final = "model_base"
OTHER: Final = "model_other"

_DEEPEST: Final = 512
_TABLE_CELLS: Final = 4_000_000  # 32 MB of contributions by leaf; more is walked step by step
_FLAT: Final = 1e-6  # a sum of contributions too small to divide by
_CLIP: Final = 1e-6
_FURTHEST: Final = math.log((1 - _CLIP) / _CLIP)


class ExplainerRefused(Exception):
    """Bytes that are not an explainer. `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Link(Struct, frozen=True):
    """From a margin to a probability.

    A margin is a logit, or a mean probability. A calibrated model's probability is the sigmoid of
    a straight line over its own logit, kept away from 0 and 1 (`models.fraud.calibration`).
    """

    margin: Literal["logit", "probability"]
    calibration: tuple[float, float] | None = None  # slope and intercept

    def probability(self, margin: float) -> float:
        if self.calibration is None:
            return margin if self.margin == "probability" else _sigmoid(margin)
        logit = margin
        if self.margin == "probability":
            inside = min(max(margin, _CLIP), 1 - _CLIP)
            logit = math.log(inside / (1 - inside))
        slope, intercept = self.calibration
        return _sigmoid(slope * min(max(logit, -_FURTHEST), _FURTHEST) + intercept)


def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    e = math.exp(x)  # of less than -745 it is 0
    return e / (1 + e)


class Trees(Struct, frozen=True, tag="trees"):
    """Every node of every tree, one array a field, little-endian. A leaf has itself as children.

    A row goes left if its float32 value is not above the threshold. Children come after their
    parents. `value` is the mean of the leaves below, weighted by the rows that reached them.
    """

    width: int
    base: float  # what is there before any tree
    roots: bytes  # uint32
    feature: bytes  # uint16
    threshold: bytes  # float32
    left: bytes  # uint32
    right: bytes  # uint32
    missing_left: bytes  # bool
    value: bytes  # float64


class Linear(Struct, frozen=True, tag="linear"):
    """`base + sum(weight * (x - center))`."""

    width: int
    base: float
    weights: list[float]
    centers: list[float]


class Exported(Struct, frozen=True):
    """A model and its link, as a bundle holds them."""

    link: Link
    model: Trees | Linear


class Contributions(Protocol):
    """One number an input for a row of float32."""

    def __call__(self, row: Any, /) -> Any: ...


class Explainer(Struct, frozen=True):
    """`link.probability(base + of(row).sum())` is the model's probability for the row. Not safe
    across threads."""

    width: int
    link: Link
    base: float
    of: Contributions
    start: float  # the probability at the base


def load(content: bytes) -> Explainer:
    """The explainer in the bytes of an `Exported`; `ExplainerRefused` for anything else."""
    try:
        found = msgspec.msgpack.decode(content, type=Exported)
    except msgspec.DecodeError as error:
        raise ExplainerRefused(f"an explainer that cannot be read: {error}") from None
    link, model = found.link, found.model
    if not all(map(math.isfinite, (model.base, *(link.calibration or ())))):
        raise ExplainerRefused("an explainer with numbers that are not finite")
    if isinstance(model, Linear):
        return _explainer(model, link, model.base, _linear(model))
    nodes = _Nodes(model)
    table = len(nodes.value) * model.width <= _TABLE_CELLS
    of: Contributions = _LeafTable(nodes) if table else _Paths(nodes)
    return _explainer(model, link, model.base + float(nodes.value[nodes.roots].sum()), of)


def _explainer(model: Trees | Linear, link: Link, base: float, of: Contributions) -> Explainer:
    return Explainer(model.width, link, base, of, link.probability(base))


def _linear(model: Linear) -> Contributions:
    import numpy as np

    weights, centers = np.array(model.weights), np.array(model.centers)
    if not len(weights) == len(centers) == model.width:
        raise ExplainerRefused("an explainer with another number of weights than inputs")
    if not np.isfinite([weights, centers]).all():
        raise ExplainerRefused("an explainer with numbers that are not finite")
    return lambda row: (row - centers) * weights


class _Nodes:
    """The checked arrays of all trees."""

    def __init__(self, model: Trees) -> None:
        import numpy as np

        def array(content: bytes, kind: str) -> Any:
            try:
                return np.frombuffer(content, kind)
            except ValueError:
                raise ExplainerRefused("an explainer with a broken array") from None

        self.width = model.width
        self.roots = array(model.roots, "<u4").astype(np.intp)
        self.feature = array(model.feature, "<u2").astype(np.intp)
        self.threshold = array(model.threshold, "<f4")
        self.left = array(model.left, "<u4").astype(np.intp)
        self.right = array(model.right, "<u4").astype(np.intp)
        self.missing_left = array(model.missing_left, "?")
        self.value = array(model.value, "<f8")
        self._check()
        self.levels = self._levels()

    def _check(self) -> None:
        import numpy as np

        size = len(self.value)
        own = (self.feature, self.threshold, self.left, self.right, self.missing_left)
        if not len(self.roots) or not size or any(len(array) != size for array in own):
            raise ExplainerRefused("an explainer whose arrays differ in length")
        if not np.isfinite(self.value).all() or np.isnan(self.threshold).any():
            raise ExplainerRefused("an explainer with numbers that are not finite")
        if self.feature.max() >= self.width:
            raise ExplainerRefused("an explainer that asks for an input that is not there")
        at = np.arange(size)
        leaf = (self.left == at) & (self.right == at)
        after = (self.left > at) & (self.right > at) & (self.left != self.right)
        if max(self.roots.max(), self.left.max(), self.right.max()) >= size:
            raise ExplainerRefused("an explainer with a node that is not there")
        if not (leaf | after).all():
            raise ExplainerRefused("an explainer with a child before its parent")

    def _levels(self) -> list[Any]:
        """The inner nodes, by their distance from the root."""
        import numpy as np

        found, at = [], self.roots
        while len(at := at[self.left[at] != at]):
            found.append(at)
            if len(found) > _DEEPEST or sum(map(len, found)) > len(self.value):
                raise ExplainerRefused("an explainer whose trees are not trees")
            at = np.concatenate([self.left[at], self.right[at]])
        return found


class _LeafTable:
    """Small trees: ask every node at once, follow the answers, add up one line a leaf."""

    def __init__(self, nodes: _Nodes) -> None:
        import numpy as np

        self._where, self._isnan = np.where, np.isnan
        # Inner nodes first: those are the ones to ask, the others stay where they are.
        leaf = nodes.left == np.arange(len(nodes.value))
        order = np.argsort(leaf, kind="stable")
        place = np.argsort(order, kind="stable")
        self._inner = int((~leaf).sum())
        inner = order[: self._inner]
        self._feature, self._threshold = nodes.feature[inner], nodes.threshold[inner]
        self._missing_left = nodes.missing_left[inner]
        self._left, self._right = place[nodes.left[inner]], place[nodes.right[inner]]
        self._roots, self._steps = place[nodes.roots], len(nodes.levels)
        self._table = _changes(nodes)[order]
        self._onward = np.arange(len(order))
        self._each = np.ones(len(nodes.roots))

    def __call__(self, row: Any, /) -> Any:
        asked = row.take(self._feature)
        goes_left = asked <= self._threshold
        if math.isnan(row.dot(row)):  # only a missing value makes it so
            goes_left |= self._isnan(asked) & self._missing_left
        onward, at = self._onward, self._roots
        onward[: self._inner] = self._where(goes_left, self._left, self._right)
        for _ in range(self._steps):
            at = onward.take(at)
        return self._each @ self._table.take(at, axis=0)


def _changes(nodes: _Nodes) -> Any:
    """For each node what every input has contributed on the way to it: (nodes, inputs)."""
    import numpy as np

    table = np.zeros((len(nodes.value), nodes.width))
    for level in nodes.levels:
        for children in (nodes.left[level], nodes.right[level]):
            table[children] = table[level]
            table[children, nodes.feature[level]] += nodes.value[children] - nodes.value[level]
    return table


class _Paths:
    """Large trees: one step down in all of them at a time."""

    def __init__(self, nodes: _Nodes) -> None:
        import numpy as np

        self._nodes = nodes
        self._where, self._isnan = np.where, np.isnan
        self._bincount, self._empty = np.bincount, np.empty

    def __call__(self, row: Any, /) -> Any:
        nodes = self._nodes
        path = self._empty((len(nodes.levels) + 1, len(nodes.roots)), nodes.roots.dtype)
        path[0] = at = nodes.roots
        missing = math.isnan(row.dot(row))
        for step in range(1, len(path)):
            asked = row.take(nodes.feature.take(at))
            goes_left = asked <= nodes.threshold.take(at)
            if missing:
                goes_left |= self._isnan(asked) & nodes.missing_left.take(at)
            path[step] = at = self._where(goes_left, nodes.left.take(at), nodes.right.take(at))
        value = nodes.value.take(path)
        changes = (value[1:] - value[:-1]).ravel()
        return self._bincount(nodes.feature.take(path[:-1]).ravel(), changes, nodes.width)


# ── points ───────────────────────────────────────────────────────────────────────────────────


def points(
    explainer: Explainer, contributions: Any, probability: float
) -> list[tuple[int | None, int]]:
    """`floor(100 * probability)` split over the base (first, as None), the inputs that moved the
    score most, by their index, and all others (last, as None). Inputs without a point are left out.

    A contribution is to the margin; one straight line from the base to the answer makes it a
    probability. Largest remainders make the points whole; they always sum exactly.
    """
    total = min(max(math.floor(100 * probability), 0), 100)
    steps = contributions.tolist()
    moved = sum(steps)
    largest = abs(contributions).argsort()[: -SHOWN - 1 : -1].tolist()
    per_step = _per_step(explainer, moved, probability)
    shares = [steps[index] * per_step for index in largest]
    start = 100 * explainer.start
    base, *shown, other = _whole([start, *shares, moved * per_step - sum(shares)], total)
    kept = [(index, share) for index, share in zip(largest, shown, strict=True) if share]
    return [(None, base), *kept, (None, other)]


def _per_step(explainer: Explainer, moved: float, probability: float) -> float:
    """Points of one unit of margin, on the straight line from the base to the answer."""
    if abs(moved) > _FLAT:
        return 100 * (probability - explainer.start) / moved
    after = explainer.link.probability(explainer.base + _FLAT)
    return 100 * (after - explainer.start) / _FLAT


def _whole(shares: Sequence[float], total: int) -> list[int]:
    """Whole numbers next to `shares` that sum to `total`, by largest remainder."""
    floors = [math.floor(share) for share in shares]
    each, left = divmod(total - sum(floors), len(shares))
    if each:
        floors = [floor + each for floor in floors]
    if left:
        rests = [floor - share for floor, share in zip(floors, shares, strict=True)]
        for index in sorted(range(len(shares)), key=rests.__getitem__)[:left]:
            floors[index] += 1
    return floors
