"""The life of a version in a real MLflow: shadow, promotion, rollback, and what a crash leaves."""

import hashlib
import shutil
from datetime import UTC, datetime

import msgspec
import pytest

from models.fraud import registry
from models.fraud.bundle import read_bundle
from models.fraud.comparison import against_champion
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.promotion import REHEARSAL, Gates, Served
from models.fraud.recording import record
from models.fraud.registry import (
    CHALLENGER,
    CHAMPION,
    Change,
    NoWayBack,
    challenge,
    challenger_path,
    champion_version,
    promote_version,
    rollback,
    state,
    sync,
    versions,
)
from models.fraud.tracking import MODEL, Tracking, client_of
from models.fraud.training import TrainingParams, fit
from tests.unit.models.trained import made_dataset

pytestmark = pytest.mark.slow

EASY = msgspec.structs.replace(REHEARSAL, max_latency_us=1e6)  # the machine may be busy
CHANGE = Change(by="asha", why="a test", at=datetime(2026, 11, 16, tzinfo=UTC))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A registry with three versions, none in use; copied for each test."""
    folder = tmp_path_factory.mktemp("mlflow")
    tracking = Tracking(uri=f"sqlite:///{folder}/mlflow.db", artifacts=folder / "artifacts")
    dataset = made_dataset()
    for seed in (1, 2, 3):
        params = TrainingParams(algorithm="logistic_regression", seed=seed)
        trained = fit(dataset, params, ("logistic_regression",))
        record(trained, dataset, tracking, against_champion(trained, dataset, tracking))
    return folder


@pytest.fixture
def tracking(recorded, tmp_path):
    # Artifacts are found by the absolute addresses in the database: they are shared, and the
    # decisions that tests log into them are of their own versions.
    shutil.copy(recorded / "mlflow.db", tmp_path / "mlflow.db")
    return Tracking(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=recorded / "artifacts")


@pytest.fixture
def published(tmp_path):
    return tmp_path / "models" / "fraud.bundle"


def served_version(path):
    return read_bundle(path, feature_names(), feature_set_hash()).version


def crown(version, tracking, published, gates=EASY):
    """Promoted whatever it was compared with: these tests are of what follows."""
    loose = msgspec.structs.replace(gates, min_replayed=0)
    candidate = registry.candidate_of(version, tracking)
    champion = champion_version(tracking)
    if champion is not None:
        gap = {"value": 0.0, "low": -0.01, "high": 0.01}
        against = {
            "champion": champion,
            "evaluation": candidate.evaluation,
            "ap": gap,
            "cp100": gap,
        }
        raw = msgspec.to_builtins(candidate) | {"against": msgspec.to_builtins(against)}
        client_of(tracking).log_dict(candidate.run_id, raw, "candidate.json")
    decision = promote_version(version, tracking, published, CHANGE, gates=loose)
    assert decision.promote, decision.reasons
    return decision


def changes(tracking):
    tags = client_of(tracking).get_registered_model(MODEL).tags
    return [tags[name] for name in sorted(tags) if name.startswith("change_")]


def test_a_sound_model_scores_in_shadow_until_it_is_promoted(tracking, published):
    gates = challenge("1", tracking, published, CHANGE, EASY)
    assert all(gate.passed for gate in gates)
    assert not published.exists()
    assert served_version(challenger_path(published)) == "1"
    crown("1", tracking, published)
    assert served_version(published) == "1"
    assert not challenger_path(published).exists(), "nobody competes with himself"
    challenge("2", tracking, published, CHANGE, EASY)
    assert (served_version(published), served_version(challenger_path(published))) == ("1", "2")
    rows = {row["version"]: row["aliases"] for row in versions(tracking)}
    assert rows == {"1": [CHAMPION], "2": [CHALLENGER], "3": []}


def test_a_model_of_bad_form_is_no_challenger(tracking, published):
    gates = challenge("1", tracking, published, CHANGE, Gates(max_onnx_diff=0.0))
    assert [gate.name for gate in gates if not gate.passed] == ["onnx_equality"]
    assert not challenger_path(published).exists()
    assert changes(tracking) == []


def test_a_refused_model_changes_nothing_and_says_why(tracking, published):
    crown("1", tracking, published)
    before = published.read_bytes()
    wrong = Served(compared=10, mismatches=1, first="card_count_1h of pay_x was 2, replayed 3")
    decision = promote_version("2", tracking, published, CHANGE, served=wrong, gates=EASY)
    assert not decision.promote
    assert any("card_count_1h of pay_x was 2" in reason for reason in decision.reasons)
    assert published.read_bytes() == before
    assert champion_version(tracking) == "1"
    tags = client_of(tracking).get_model_version(MODEL, "2").tags
    assert tags["decision"] == "refused"
    assert "1 of 10 replayed decisions" in tags["refused_by_parity"]


def test_rollback_goes_back_one_champion_at_a_time(tracking, published):
    for version in ("1", "2", "3"):
        crown(version, tracking, published)
    why = Change(by="ravi", why="alerts doubled", at=CHANGE.at)
    assert rollback(tracking, published, why) == ("3", "2")
    assert (served_version(published), champion_version(tracking)) == ("2", "2")
    assert rollback(tracking, published, why) == ("2", "1")
    assert served_version(published) == "1"
    with pytest.raises(NoWayBack, match="version 1 is the first champion"):
        rollback(tracking, published, why)
    # And forth again: what was rolled back may be promoted, and rolled back once more.
    crown("3", tracking, published)
    assert rollback(tracking, published, why) == ("3", "1")
    said = changes(tracking)
    assert len(said) == 7
    assert said[3] == (
        "2026-11-16 00:00:00+0000 version 3 rolled back to version 2, by ravi: alerts doubled"
    )
    assert "alerts doubled" in client_of(tracking).get_model_version(MODEL, "3").tags["rolled_back"]


def test_without_a_champion_there_is_no_way_back(tracking, published):
    with pytest.raises(NoWayBack, match="no version is champion"):
        rollback(tracking, published, CHANGE)


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


@pytest.mark.parametrize("change", ["promote", "rollback"])
def test_killed_between_alias_and_file_the_next_command_puts_the_file_in_place(
    tracking, published, monkeypatch, change
):
    crown("1", tracking, published)
    crown("2", tracking, published)
    sent = {"promote": ("3", lambda: crown("3", tracking, published)),
            "rollback": ("1", lambda: rollback(tracking, published, CHANGE))}  # fmt: skip
    expected, command = sent[change]

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(registry, "publish", killed)
        with pytest.raises(Killed):
            command()
    assert champion_version(tracking) == expected, "the alias had moved"
    assert served_version(published) == "2", "the file had not"
    found = {file.alias: file for file in state(tracking, published)}
    assert not found[CHAMPION].agrees
    assert [file.alias for file in sync(tracking, published)] == [CHAMPION]
    assert served_version(published) == expected
    assert all(file.agrees for file in state(tracking, published))
    assert sync(tracking, published) == []


def test_killed_before_the_alias_moves_nothing_has_happened(tracking, published, monkeypatch):
    crown("1", tracking, published)

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(registry, "_note", killed)
        with pytest.raises(Killed):
            crown("2", tracking, published)
    assert champion_version(tracking) == "1"
    assert all(file.agrees for file in state(tracking, published))
    crown("2", tracking, published)
    assert rollback(tracking, published, CHANGE) == ("2", "1")


def test_a_promotion_that_is_asked_for_again_is_the_same(tracking, published):
    """As Dagster does with a step that was killed after its work was done."""
    crown("1", tracking, published)
    first = crown("2", tracking, published)
    loose = msgspec.structs.replace(EASY, min_replayed=0)
    assert promote_version("2", tracking, published, CHANGE, gates=loose) == first
    assert len(changes(tracking)) == 2
    assert rollback(tracking, published, CHANGE) == ("2", "1")


def test_a_file_that_somebody_changed_is_seen_and_put_right(tracking, published):
    crown("1", tracking, published)
    good = published.read_bytes()
    published.write_bytes(good[:-100])
    (champion, _) = state(tracking, published)
    assert champion.expected_sha256 == hashlib.sha256(good).hexdigest()
    assert champion.found_sha256 == hashlib.sha256(good[:-100]).hexdigest()
    sync(tracking, published)
    assert published.read_bytes() == good


def test_a_lost_registry_takes_no_champion_away(tracking, published, tmp_path):
    crown("1", tracking, published)
    challenge("2", tracking, published, CHANGE, EASY)
    empty = Tracking(uri=f"sqlite:///{tmp_path}/other.db", artifacts=tmp_path / "other")
    assert [file.alias for file in sync(empty, published)] == [CHALLENGER]
    assert served_version(published) == "1"
    assert not challenger_path(published).exists()
