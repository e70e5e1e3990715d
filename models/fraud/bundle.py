"""A model as one file that the service can trust: written after promotion, verified before use.

Belongs here: the format, its checks, scoring one vector and saying why. Does not: training or
choosing.

`fraud-<version>.bundle` is a zip of `manifest.json`, `model.onnx` and `explainer.msgpack`, all
stored uncompressed. Nothing in it is executed but the ONNX graph; no pickle is ever read. A bundle
is refused unless its hashes, its feature set, the names and order of its features and its own
answers to the probe vectors in its manifest are right, and unless its explainer explains the
probabilities that the model gives.
"""

import hashlib
import importlib
import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from models.fraud.contributions import Explainer, ExplainerRefused, load

FORMAT: Final = 2
TOLERANCE: Final = 1e-5
_MANIFEST: Final = "manifest.json"
_MODEL: Final = "model.onnx"
_EXPLAINER: Final = "explainer.msgpack"
_MAX_BYTES: Final = 256 * 1024 * 1024
_MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024
_MIXED_ROWS: Final = 200
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


class Calibration(Struct, frozen=True, kw_only=True):
    """How scores were made probabilities, and on how many rows that was learned."""

    method: str
    slope: float
    intercept: float
    rows: int
    frauds: int


class Binned(Struct, frozen=True):
    """How values were distributed when the model was trained, to see later whether they moved.

    A value belongs to the bin `searchsorted(edges, value, side="left")`; `shares` is one longer
    than `edges` and sums to 1. Missing values are counted apart.
    """

    edges: list[float]
    shares: list[float]
    missing: float = 0.0


class Reference(Struct, frozen=True):
    """The distributions of the score and of every input."""

    rows: int
    score: Binned
    inputs: dict[str, Binned]


class Manifest(Struct, frozen=True, kw_only=True):
    """What the file says of itself."""

    format: int = FORMAT
    version: str
    created_at: str
    feature_set: str
    features: list[str]
    model_sha256: str
    explainer_sha256: str
    run_id: str
    trained_from: str
    trained_to: str
    metrics: dict[str, float]
    parity: Parity
    probes: list[Probe]
    calibration: Calibration | None = None
    reference: Reference | None = None


class _Format(Struct):
    """As much of a manifest as every format has."""

    format: int


class Bundle:
    """A model that scores and explains: tens of microseconds each. Not safe across threads."""

    def __init__(self, manifest: Manifest, model: bytes, explainer: bytes) -> None:
        import numpy as np

        self.manifest = manifest
        self.version = manifest.version
        self.explainer = _explainer(explainer, len(manifest.features))
        self._session = session(model)
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

    def judge(self, vector: Sequence[float]) -> tuple[float, Any]:
        """The probability of fraud, and what each input contributed to it; `contributions.points`
        makes points of them."""
        return self.score(vector), self.explainer.of(self._row[0])

    def explained(self, vector: Sequence[float]) -> float:
        """The probability that the explainer stands for: equal to `score`, or it is a bad one."""
        found = self.explainer
        self._row[0] = vector
        return found.link.probability(found.base + float(found.of(self._row[0]).sum()))

    def scores(self, rows: Any) -> Any:
        """The probabilities of many rows, for offline comparisons."""
        import numpy as np

        matrix = np.ascontiguousarray(rows, dtype=np.float32)
        return self._session.run(self._outputs, {self._input: matrix})[0][:, 1]


def _explainer(content: bytes, width: int) -> Explainer:
    try:
        explainer = load(content)
    except ExplainerRefused as refusal:
        raise BundleRefused(refusal.reason) from None
    if explainer.width != width:
        raise BundleRefused(f"an explainer of {explainer.width} numbers, not {width}")
    return explainer


def session(model: bytes) -> Any:
    """An ONNX graph ready to run, on one thread."""
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


def write_bundle(path: Path, manifest: Manifest, model: bytes, explainer: bytes) -> None:
    """Write a bundle to `path`, whole or not at all."""
    members = {_MANIFEST: msgspec.json.encode(manifest), _MODEL: model, _EXPLAINER: explainer}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), content)
    _replace(path, buffer.getvalue())


def publish(source: Path, target: Path) -> None:
    """Put a bundle where the service reads it: a reader sees the old file or the new."""
    _replace(target, source.read_bytes())


def read_bundle(path: Path, expected_features: Sequence[str], expected_set: str) -> Bundle:
    """Read and verify a bundle; `BundleRefused` says what is wrong with it."""
    manifest, model, explainer = _unpack(path)
    _check_manifest(manifest, expected_features, expected_set)
    for name, content, said in (
        ("model", model, manifest.model_sha256),
        ("explainer", explainer, manifest.explainer_sha256),
    ):
        if hashlib.sha256(content).hexdigest() != said:
            raise BundleRefused(f"the {name}'s hash is not the manifest's")
    bundle = Bundle(manifest, model, explainer)
    for probe in manifest.probes:
        answer = bundle.score(probe.vector)
        if not abs(answer - probe.probability) <= TOLERANCE:  # also refuses NaN
            raise BundleRefused(f"answers {answer} to a probe instead of {probe.probability}")
    for vector in _rows_like(manifest.probes):
        answer, explained = bundle.score(vector), bundle.explained(vector)
        if not abs(answer - explained) <= TOLERANCE:
            raise BundleRefused(f"its explainer explains {explained}, its model says {answer}")
    return bundle


def read_manifest(path: Path) -> Manifest:
    """What a bundle says of itself, also one that was made for other features than today's."""
    return _unpack(path)[0]


def _check_manifest(
    manifest: Manifest, expected_features: Sequence[str], expected_set: str
) -> None:
    if manifest.features != list(expected_features):
        raise BundleRefused(f"other features: {_difference(manifest.features, expected_features)}")
    if manifest.feature_set != expected_set:
        raise BundleRefused(f"feature set {manifest.feature_set} is not {expected_set}")
    if not manifest.probes:
        raise BundleRefused("no probe vectors to test the model with")
    if any(len(probe.vector) != len(manifest.features) for probe in manifest.probes):
        raise BundleRefused("a probe vector has another length than the features")


def _rows_like(probes: Sequence[Probe]) -> Iterator[list[float]]:
    """The probes, and rows mixed from their values, the same each time."""
    yield from (probe.vector for probe in probes)
    columns = list(zip(*(probe.vector for probe in probes), strict=True))
    for row in range(_MIXED_ROWS):
        yield [column[(row * 31 + at * at * 17) % len(column)] for at, column in enumerate(columns)]


def _unpack(path: Path) -> tuple[Manifest, bytes, bytes]:
    expected = sorted((_MANIFEST, _MODEL, _EXPLAINER))
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info.file_size for info in archive.infolist()}
            if sum(members.values()) > _MAX_BYTES:
                raise BundleRefused(f"larger than {_MAX_BYTES} bytes")
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise BundleRefused("holds something compressed")  # a bomb, or not ours
            if _MANIFEST not in members or members[_MANIFEST] > _MAX_MANIFEST_BYTES:
                raise BundleRefused(f"holds no {_MANIFEST} of a plausible size")
            text = archive.read(_MANIFEST)
            found = msgspec.json.decode(text, type=_Format).format
            if found != FORMAT:
                raise BundleRefused(f"format {found} is not {FORMAT}")
            if sorted(archive.namelist()) != expected:
                raise BundleRefused(f"does not hold exactly {', '.join(expected)}")
            manifest = msgspec.json.decode(text, type=Manifest)
            return manifest, archive.read(_MODEL), archive.read(_EXPLAINER)
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
