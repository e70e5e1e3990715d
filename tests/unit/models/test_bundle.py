"""A bundle scores as its model does, and anything wrong with the file refuses it."""

import hashlib
import zipfile

import msgspec
import pytest

from models.fraud.bundle import BundleRefused, Probe, publish, read_bundle, write_bundle
from models.fraud.contributions import Exported, Linear, Link
from models.fraud.features import feature_names, feature_set_hash
from tests.unit.models.bundles import (
    logistic,
    tiny_bundle,
    tiny_explainer,
    tiny_manifest,
    tiny_model,
)


def read(path):
    return read_bundle(path, feature_names(), feature_set_hash())


@pytest.fixture
def good(tmp_path):
    return tiny_bundle(tmp_path / "fraud-1.bundle", bias=-1.0)


def test_scores_as_the_model(good):
    bundle = read(good)
    for first in (-3.0, 0.0, 0.5, 4.0):
        vector = [first] + [1.0] * (len(feature_names()) - 1)
        assert bundle.score(vector) == pytest.approx(logistic(vector, -1.0), abs=1e-6)
        assert bundle.explained(vector) == pytest.approx(bundle.score(vector), abs=1e-6)
        assert bundle.judge(vector)[1][0] == first
    assert bundle.version == "1"


def test_same_content_gives_the_same_bytes(good, tmp_path):
    assert tiny_bundle(tmp_path / "again.bundle", bias=-1.0).read_bytes() == good.read_bytes()


def test_publishing_replaces_whole_files(good, tmp_path):
    target = tmp_path / "models" / "champion.bundle"
    publish(good, target)
    publish(tiny_bundle(tmp_path / "fraud-2.bundle", "2"), target)
    assert read(target).version == "2"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.9, -1])
def test_truncated_files_are_refused(good, kept):
    content = good.read_bytes()
    length = int(len(content) * kept) if isinstance(kept, float) else kept
    good.write_bytes(content[:length])
    with pytest.raises(BundleRefused, match="not a whole zip file"):
        read(good)


def test_every_flipped_byte_of_the_model_is_refused(good):
    content = bytearray(good.read_bytes())
    start = content.index(b"tiny")
    for place in range(start, start + 40):
        damaged = content.copy()
        damaged[place] ^= 0x40
        good.write_bytes(damaged)
        with pytest.raises(BundleRefused):
            read(good)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x80\x04\x95pickle" * 50])
def test_what_is_not_a_zip_is_refused(tmp_path, content):
    path = tmp_path / "x.bundle"
    path.write_bytes(content)
    with pytest.raises(BundleRefused, match="not a whole zip file"):
        read(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.bundle", tmp_path):
        with pytest.raises(BundleRefused, match="cannot be read"):
            read(path)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"format": 1}, "format 1 is not 2"),
        ({"format": 3}, "format 3 is not 2"),
        ({"model_sha256": "0" * 64}, "the model's hash is not the manifest's"),
        ({"explainer_sha256": "0" * 64}, "the explainer's hash is not the manifest's"),
        ({"features": list(reversed(feature_names()))}, "the order differs"),
        ({"features": list(feature_names()[1:])}, "missing ['amount_log']"),
        ({"features": [*feature_names(), "more"]}, "unknown ['more']"),
        ({"feature_set": "0123456789abcdef"}, "feature set 0123456789abcdef is not"),
        ({"probes": []}, "no probe vectors"),
        ({"probes": [Probe([1.0], 0.5)]}, "another length"),
        ({"probes": [Probe([0.0] * len(feature_names()), 0.6)]}, "to a probe instead of 0.6"),
    ],
)
def test_manifests_that_are_refused(tmp_path, changed, complaint):
    model = tiny_model()
    path = tmp_path / "x.bundle"
    write_bundle(path, tiny_manifest(model, **changed), model, tiny_explainer())
    with pytest.raises(BundleRefused) as refused:
        read(path)
    assert complaint in refused.value.reason


@pytest.mark.parametrize("model", [b"", b"not onnx", tiny_model()[:200], tiny_model(width=3)])
def test_models_that_are_refused(tmp_path, model):
    path = tmp_path / "x.bundle"
    write_bundle(path, tiny_manifest(model), model, tiny_explainer())
    with pytest.raises(BundleRefused, match=r"can be loaded|does not take one row"):
        read(path)


@pytest.mark.parametrize(
    ("explainer", "complaint"),
    [
        (b"", "cannot be read"),
        (b"\x80\x04\x95pickle", "cannot be read"),
        (tiny_explainer()[:-1], "cannot be read"),
        (tiny_explainer(width=3), "an explainer of 3 numbers"),
        (tiny_explainer(bias=0.01), "its explainer explains"),
        (tiny_explainer(bias=float("nan")), "not finite"),
    ],
)
def test_explainers_that_are_refused(tmp_path, explainer, complaint):
    """Whole, with the right hash, and still not what explains the model."""
    model, path = tiny_model(), tmp_path / "x.bundle"
    said = hashlib.sha256(explainer).hexdigest()
    write_bundle(path, tiny_manifest(model, explainer_sha256=said), model, explainer)
    with pytest.raises(BundleRefused, match=complaint):
        read(path)


def test_an_explainer_that_is_right_only_on_the_probes_is_refused(tmp_path):
    """The model is asked about other rows too, mixed from the probes."""
    names = feature_names()
    one, other = [0.0] * len(names), [0.0] * len(names)
    one[0], other[1] = 1.0, 1.0
    model, path = tiny_model(), tmp_path / "x.bundle"
    linear = Linear(
        len(names), 0.0, [2.0, 1.0, *[0.0] * (len(names) - 2)], [0.5, *[0.0] * (len(names) - 1)]
    )
    explainer = msgspec.msgpack.encode(Exported(Link("logit"), linear))
    said = hashlib.sha256(explainer).hexdigest()
    probes = [Probe(row, logistic(row)) for row in (one, other)]
    write_bundle(path, tiny_manifest(model, explainer_sha256=said, probes=probes), model, explainer)
    with pytest.raises(BundleRefused, match="its explainer explains"):
        read(path)


@pytest.mark.parametrize(
    "members",
    [
        {"manifest.json": b"{}"},
        {"manifest.json": b'{"format": 2}', "model.onnx": b"", "../evil": b""},
        {"manifest.json": b'{"format": 2}', "model.onnx": b"", "explainer.msgpack": b""},
        {"manifest.json": b"[", "model.onnx": b"", "explainer.msgpack": b""},
        {"manifest.json": b"\xff\xfe", "model.onnx": b"", "explainer.msgpack": b""},
        {"manifest.json": b"x" * 1000, "model.pkl": b""},
        {"manifest.json": b" " * 5_000_000, "model.onnx": b"", "explainer.msgpack": b""},
        {"model.onnx": b""},
    ],
)
def test_other_zip_files_are_refused(tmp_path, members):
    path = tmp_path / "x.bundle"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(BundleRefused):
        read(path)


@pytest.mark.parametrize(
    ("size", "complaint"), [(257 * 1024 * 1024, "larger than"), (9_999, "something compressed")]
)
def test_a_zip_bomb_is_refused_unread(tmp_path, size, complaint):
    path = tmp_path / "x.bundle"
    manifest = msgspec.json.encode(tiny_manifest(b""))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", manifest)
        archive.writestr("model.onnx", b"\0" * size)
    with pytest.raises(BundleRefused, match=complaint):
        read(path)
