"""A calibrated model as an ONNX graph, held against scikit-learn, and timed.

Belongs here: conversion, comparison, latency. Does not: fitting (`training`) or the file that the
service reads (`bundle`).

Only numbers in float32 go in: categories and isotonic calibration convert without an error and
answer wrongly. From the model's own sum on everything is counted in double precision: in single, a
score near 1 has lost what is left to 1, and a calibration that flattens it makes that visible.
"""

import math
import time
from typing import Any, Final, TypeAlias

from models.fraud.bundle import Parity, session
from models.fraud.calibration import CLIP, Calibrated

_INPUT: Final = "input"
_MARGIN: Final = "margin"
_ODDS: Final = "log_odds"
_OPSET: Final = 18
_OPSET_ML: Final = 3
_IR_VERSION: Final = 9
_BLOCK: Final = 65_536  # rows compared at a time
_WARM_UP: Final = 20

# Nodes of a graph, and its constants: name → (shape, numbers in double precision).
Part: TypeAlias = tuple[list[Any], dict[str, tuple[list[int], list[float]]]]


def to_onnx(model: Calibrated, width: int) -> bytes:
    """float32 rows in; labels and probabilities (n, 2) out. The same model gives the same bytes."""
    from onnx import TensorProto, helper

    linear = hasattr(model.estimator, "steps")
    nodes, constants = _linear(model.estimator) if linear else _trees(model.estimator, width)
    odds, more = _log_odds(model.estimator)
    sigmoid, most = _sigmoid(model)
    graph = helper.make_graph(
        [*nodes, *odds, *sigmoid],
        "khata_fraud",
        [helper.make_tensor_value_info(_INPUT, TensorProto.FLOAT, [None, width])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
        [
            helper.make_tensor(name, TensorProto.DOUBLE, shape, values)
            for name, (shape, values) in (constants | more | most).items()
        ],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _OPSET_ML)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    return bytes(made.SerializeToString(deterministic=True))


def _trees(estimator: Any, width: int) -> Part:
    """The sum of the trees: log-odds of boosting, the probability of a forest.

    The converter makes a classifier of them, whose float32 probability near 1 has lost what is left
    to 1. The same arrays as a regressor give the sum itself.
    """
    from onnx import TensorProto, helper
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    converted = convert_sklearn(
        estimator,
        initial_types=[(_INPUT, FloatTensorType([None, width]))],
        options={id(estimator): {"zipmap": False}},
    )
    (classifier,) = [
        node for node in converted.graph.node if node.op_type == "TreeEnsembleClassifier"
    ]
    found = {one.name: helper.get_attribute_value(one) for one in classifier.attribute}
    arrays = {
        name.replace("class_", "target_"): values
        for name, values in found.items()
        if name.startswith(("nodes_", "class_")) or name == "base_values"
    }
    trees = helper.make_node(
        "TreeEnsembleRegressor", [_INPUT], ["sum"], domain="ai.onnx.ml", n_targets=1, **arrays
    )
    cast = helper.make_node("Cast", ["sum"], [_MARGIN], to=TensorProto.DOUBLE)
    return [trees, cast], {}


def _linear(estimator: Any) -> Part:
    """Scaler and regression as one product, in double precision."""
    from onnx import TensorProto, helper

    scaler, regression = (step for _, step in estimator.steps)
    weights = regression.coef_[0] / scaler.scale_
    base = float(regression.intercept_[0] - weights @ scaler.mean_)
    nodes = [
        helper.make_node("Cast", [_INPUT], ["exact"], to=TensorProto.DOUBLE),
        helper.make_node("MatMul", ["exact", "weights"], ["product"]),
        helper.make_node("Add", ["product", "base"], [_MARGIN]),
    ]
    return nodes, {"weights": ([len(weights), 1], weights.tolist()), "base": ([], [base])}


def _log_odds(estimator: Any) -> Part:
    """The margin as log-odds, as far from certainty as `calibration.log_odds` keeps them."""
    from onnx import helper

    if not hasattr(estimator, "estimators_"):  # what is not a forest answers in log-odds
        far = math.log((1 - CLIP) / CLIP)
        clip = helper.make_node("Clip", [_MARGIN, "least", "most"], [_ODDS])
        return [clip], {"least": ([], [-far]), "most": ([], [far])}
    nodes = [
        helper.make_node("Clip", [_MARGIN, "least", "most"], ["kept"]),
        helper.make_node("Sub", ["one", "kept"], ["kept_good"]),
        helper.make_node("Div", ["kept", "kept_good"], ["odds"]),
        helper.make_node("Log", ["odds"], [_ODDS]),
    ]
    return nodes, {"least": ([], [CLIP]), "most": ([], [1 - CLIP])}


def _sigmoid(model: Calibrated) -> Part:
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Mul", [_ODDS, "slope"], ["sloped"]),
        helper.make_node("Add", ["sloped", "intercept"], ["shifted"]),
        helper.make_node("Sigmoid", ["shifted"], ["fraud"]),
        helper.make_node("Sub", ["one", "fraud"], ["good"]),
        helper.make_node("Concat", ["good", "fraud"], ["both"], axis=1),
        helper.make_node("Cast", ["both"], ["probabilities"], to=TensorProto.FLOAT),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    constants = {"one": 1.0, "slope": model.slope, "intercept": model.intercept}
    return nodes, {name: ([], [value]) for name, value in constants.items()}


class OnnxModel:
    """A graph with a session of one thread, as the service runs it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._session = session(content)
        self._probabilities = [self._session.get_outputs()[1].name]

    def scores(self, rows: Any) -> Any:
        """The probabilities of many rows, float64."""
        import numpy as np

        blocks = [self._run(rows[start : start + _BLOCK]) for start in range(0, len(rows), _BLOCK)]
        return np.concatenate(blocks).astype(np.float64) if blocks else np.empty(0)

    def score(self, vector: Any) -> float:
        """The probability of one row."""
        return float(self._run([vector])[0])

    def _run(self, rows: Any) -> Any:
        import numpy as np

        matrix = np.ascontiguousarray(rows, dtype=np.float32)
        return self._session.run(self._probabilities, {_INPUT: matrix})[0][:, 1]


def compare(model: Calibrated, scores: Any, rows: Any) -> Parity:
    """The largest distance of ONNX from scikit-learn; `scores(rows)` are ONNX's probabilities."""
    import numpy as np

    worst = 0.0
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        difference = np.abs(scores(block) - model.predict_proba(block)[:, 1])
        worst = max(worst, float(difference.max()))
    return Parity(len(rows), worst)


def latency_us(score: Any, rows: Any) -> float:
    """The 99th percentile of `score(vector)`, in microseconds of the processor: what the model
    costs, whatever else the machine does meanwhile. It runs on the calling thread alone."""
    import numpy as np

    vectors = [row.tolist() for row in rows]
    for vector in vectors[:_WARM_UP]:
        score(vector)
    taken = []
    for vector in vectors:
        started = time.thread_time_ns()
        score(vector)
        taken.append(time.thread_time_ns() - started)
    return float(np.percentile(taken, 99) / 1e3)
