"""A model small enough to write by hand: the logistic function of one input and a constant."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from onnx import TensorProto, helper

from models.fraud.bundle import Manifest, Parity, Probe, write_bundle
from models.fraud.contributions import Exported, Linear, Link
from models.fraud.features import feature_names, feature_set_hash


def tiny_model(bias: float = 0.0, width: int | None = None) -> bytes:
    """p = 1 / (1 + e^-(first input + bias)), as ONNX with the outputs that skl2onnx makes."""
    width = width or len(feature_names())
    weights = np.zeros((width, 2), np.float32)
    weights[0] = (-1, 1)
    numbers = helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.ravel())
    biases = helper.make_tensor("b", TensorProto.FLOAT, [2], [-bias, bias])
    halves = helper.make_tensor("half", TensorProto.FLOAT, [1], [0.5])
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["input", "w"], ["product"]),
            helper.make_node("Add", ["product", "b"], ["sum"]),
            helper.make_node("Mul", ["sum", "half"], ["halved"]),
            helper.make_node("Softmax", ["halved"], ["probabilities"], axis=1),
            helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
        ],
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, width])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
        [numbers, biases, halves],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def tiny_explainer(bias: float = 0.0, width: int | None = None) -> bytes:
    """The same model as arrays."""
    width = width or len(feature_names())
    weights = [1.0] + [0.0] * (width - 1)
    linear = Linear(width=width, base=bias, weights=weights, centers=[0.0] * width)
    return msgspec.msgpack.encode(Exported(Link("logit"), linear))


def tiny_manifest(model: bytes, version: str = "1", bias: float = 0.0, **changed) -> Manifest:
    vectors = [[0.0] * len(feature_names()), [2.0] * len(feature_names())]
    fields = {
        "version": version,
        "created_at": "2026-11-16T00:00:00+00:00",
        "feature_set": feature_set_hash(),
        "features": list(feature_names()),
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "explainer_sha256": hashlib.sha256(tiny_explainer(bias)).hexdigest(),
        "run_id": "run",
        "trained_from": "2026-09-01T00:00:00+00:00",
        "trained_to": "2026-11-01T00:00:00+00:00",
        "metrics": {"auc": 0.9, "ap": 0.5},
        "parity": Parity(100, 1e-7),
        "probes": [Probe(vector, logistic(vector, bias)) for vector in vectors],
    }
    return Manifest(**fields | changed)


def logistic(vector: Sequence[float], bias: float = 0.0) -> float:
    return 1 / (1 + math.exp(-(vector[0] + bias)))


def tiny_bundle(path: Path, version: str = "1", bias: float = 0.0) -> Path:
    """A good bundle of this feature set."""
    model = tiny_model(bias)
    write_bundle(path, tiny_manifest(model, version, bias), model, tiny_explainer(bias))
    return path
