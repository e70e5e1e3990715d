"""A model as one file that the service can trust: written after promotion, verified before use.

Belongs here: the format, its checks and scoring one vector. Does not: training or choosing.

`fraud-<version>.bundle` is a zip of `manifest.json` and `model.onnx`, both stored uncompressed.
Nothing in it is executed but the ONNX graph; no pickle is ever read. A bundle is refused unless
its hash, its feature set, the names and order of its features and its own answers to the probe
vectors in its manifest are right.
"""

import hashlib
import importlib
import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

FORMAT: Final = 1
TOLERANCE: Final = 1e-5
_MANIFEST: Final = "manifest.json"
_MODEL: Final = "model.onnx"
_MAX_BYTES: Final = 64 * 1024 * 1024
_FIXED_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the same content gives the same bytes


class BundleRefused(Exception):
    """A file that must not be used as a model. `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Parity(Struct, frozen=True):
    """How far ONNX was from scikit-learn on the rows it was compared on."""

    rows: int
    max_abs_diff: float


class Probe(Struct, frozen=True):
    """A vector and what the model must answer to it, wherever it runs."""

    vector: list[float]
    probability: float


class Manifest(Struct, frozen=True, kw_only=True):
    """What the file says of itself."""

    format: int = FORMAT
    version: str
    created_at: str
    feature_set: str
    features: list[str]
    model_sha256: str
    run_id: str
    trained_from: str
    trained_to: str
    metrics: dict[str, float]
    parity: Parity
    probes: list[Probe]


class Bundle:
    """A verified model. `score` takes about ten microseconds and is not safe across threads."""

    def __init__(self, manifest: Manifest, model: bytes) -> None:
        import numpy as np

        self.manifest = manifest
        self.version = manifest.version
        self._session = _session(model)
        inputs = self._session.get_inputs()
        outputs = self._session.get_outputs()
        width = len(manifest.features)
        if len(inputs) != 1 or list(inputs[0].shape)[-1] != width or len(outputs) != 2:
            raise BundleRefused(f"the model does not take one row of {width} numbers")
        self._input = inputs[0].name
        self._outputs = [outputs[1].name]
        self._row = np.zeros((1, width), dtype=np.float32)
        self._feed = {self._input: self._row}

    def score(self, vector: Sequence[float]) -> float:
        """The probability of fraud of one payment."""
        self._row[0] = vector
        return float(self._session.run(self._outputs, self._feed)[0][0, 1])

    def scores(self, rows: Any) -> Any:
        """The probabilities of many rows, for offline comparisons."""
        import numpy as np

        matrix = np.ascontiguousarray(rows, dtype=np.float32)
        return self._session.run(self._outputs, {self._input: matrix})[0][:, 1]


def _session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One row is too little to share; a pool of spinning threads would take the other requests' CPU.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  its errors have no base class of their own
        raise BundleRefused(f"not a model that can be loaded: {error}") from None


def load_runtime() -> None:
    """Import what scoring needs, which takes a quarter of a second once."""
    for name in ("numpy", "onnxruntime"):
        importlib.import_module(name)


def write_bundle(path: Path, manifest: Manifest, model: bytes) -> None:
    """Write a bundle to `path`, whole or not at all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in ((_MANIFEST, msgspec.json.encode(manifest)), (_MODEL, model)):
            archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), content)
    _replace(path, buffer.getvalue())


def publish(source: Path, target: Path) -> None:
    """Put a bundle where the service reads it: a reader sees the old file or the new."""
    _replace(target, source.read_bytes())


def read_bundle(path: Path, expected_features: Sequence[str], expected_set: str) -> Bundle:
    """Read and verify a bundle; `BundleRefused` says what is wrong with it."""
    manifest, model = _unpack(path)
    if manifest.format != FORMAT:
        raise BundleRefused(f"format {manifest.format} is not {FORMAT}")
    if hashlib.sha256(model).hexdigest() != manifest.model_sha256:
        raise BundleRefused("the model's hash is not the manifest's")
    if list(manifest.features) != list(expected_features):
        raise BundleRefused(f"other features: {_difference(manifest.features, expected_features)}")
    if manifest.feature_set != expected_set:
        raise BundleRefused(f"feature set {manifest.feature_set} is not {expected_set}")
    if not manifest.probes:
        raise BundleRefused("no probe vectors to test the model with")
    bundle = Bundle(manifest, model)
    for probe in manifest.probes:
        if len(probe.vector) != len(manifest.features):
            raise BundleRefused("a probe vector has another length than the features")
        answer = bundle.score(probe.vector)
        if not abs(answer - probe.probability) <= TOLERANCE:  # also refuses NaN
            raise BundleRefused(f"answers {answer} to a probe instead of {probe.probability}")
    return bundle


def _unpack(path: Path) -> tuple[Manifest, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sorted(archive.namelist()) != [_MANIFEST, _MODEL]:
                raise BundleRefused(f"does not hold exactly {_MANIFEST} and {_MODEL}")
            if sum(info.file_size for info in archive.infolist()) > _MAX_BYTES:
                raise BundleRefused(f"larger than {_MAX_BYTES} bytes")
            manifest = msgspec.json.decode(archive.read(_MANIFEST), type=Manifest)
            return manifest, archive.read(_MODEL)
    except OSError as error:
        raise BundleRefused(f"cannot be read: {error.strerror or error}") from None
    except msgspec.DecodeError as error:
        raise BundleRefused(f"bad manifest: {error}") from None
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise BundleRefused(f"not a whole zip file: {error}") from None


def _difference(found: Sequence[str], expected: Sequence[str]) -> str:
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    if missing or extra:
        return f"missing {missing}, unknown {extra}"
    return "the order differs"


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    # The rename itself must survive a power cut too.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
