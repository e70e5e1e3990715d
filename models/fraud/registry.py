"""Which model is in use: MLflow's aliases `champion` and `challenger`, and their bundle files.

Belongs here: promoting, challenging, rolling back, and keeping files and aliases the same. Does
not: recording a training (`recording`) or the decision itself (`promotion`).

The alias is the truth, the file follows it: whatever is killed half-way, the next command or the
next look (`sync`) puts the file of the alias in place. A version says in its tag `follows` which
champion it took over from; that is the way back. Changes are serialised by a lock beside the files
and listed in tags `change_…` of the registered model.
"""

import contextlib
import fcntl
import hashlib
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from models.fraud import report
from models.fraud.bundle import BundleRefused, Manifest, publish, read_bundle, read_manifest
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.promotion import (
    Candidate,
    Champion,
    Decision,
    Gate,
    Gates,
    Served,
    form,
    promote,
)
from models.fraud.tracking import MODEL, Tracking, client_of

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
_FOLLOWS: Final = "follows"
_NONE: Final = "none"


class NoWayBack(Exception):
    """There is no earlier champion, or it cannot be served."""


class Change(Struct, frozen=True, kw_only=True):
    """Who changes what is in use, when and why."""

    by: str
    why: str
    at: datetime


class Published(Struct, frozen=True, kw_only=True):
    """An alias, and whether the file beside the service is its version's, byte by byte."""

    alias: str
    version: str | None
    path: Path
    expected_sha256: str | None
    found_sha256: str | None

    @property
    def agrees(self) -> bool:
        return self.expected_sha256 == self.found_sha256


def challenger_path(published: Path) -> Path:
    """Beside the champion's file."""
    return published.with_name(f"{published.stem}-challenger{published.suffix}")


def challenge(
    version: str, tracking: Tracking, published: Path, change: Change, gates: Gates | None = None
) -> tuple[Gate, ...]:
    """Let a version score in shadow if its form is right; the gates of form, passed or failed."""
    candidate = candidate_of(version, tracking)
    with _changing(tracking, published) as client:
        found = form(candidate, gates or Gates(), _refusal(client, version))
        if all(gate.passed for gate in found) and version != _aliased(client, CHAMPION):
            _note(client, f"version {version} became challenger", change)
            client.set_registered_model_alias(MODEL, CHALLENGER, version)
    return found


def promote_version(
    version: str,
    tracking: Tracking,
    published: Path,
    change: Change,
    *,
    served: Served | None = None,
    gates: Gates | None = None,
) -> Decision:
    """Hold a version against the gates; if it passes, make it champion and publish its bundle."""
    candidate = candidate_of(version, tracking)
    with _changing(tracking, published) as client:
        current = _aliased(client, CHAMPION)
        # Asked again after it was promoted, it is held to what it took over from.
        before = current if current != version else _predecessor(client, version)
        decision = promote(
            candidate,
            _champion(client, before),
            served or Served(),
            gates or Gates(),
            _refusal(client, version),
        )
        _log_decision(client, candidate.run_id, decision)
        if decision.promote and current != version:
            client.set_model_version_tag(MODEL, version, _FOLLOWS, before or _NONE)
            over = f"over version {before}" if before else "as the first"
            _note(client, f"version {version} promoted {over}", change)
            client.set_registered_model_alias(MODEL, CHAMPION, version)
    return decision


def rollback(tracking: Tracking, published: Path, change: Change) -> tuple[str, str]:
    """Put the champion's predecessor back in use: (the version that goes, the one that comes)."""
    with _changing(tracking, published) as client:
        champion = _aliased(client, CHAMPION)
        if champion is None:
            raise NoWayBack("no version is champion")
        before = _predecessor(client, champion)
        if before is None:
            raise NoWayBack(f"version {champion} is the first champion: nothing was before it")
        refusal = _refusal(client, before)
        if refusal is not None:
            raise NoWayBack(f"version {before} cannot be served: {refusal}")
        client.set_model_version_tag(
            MODEL, champion, "rolled_back", f"by {change.by}: {change.why}"
        )
        _note(client, f"version {champion} rolled back to version {before}", change)
        client.set_registered_model_alias(MODEL, CHAMPION, before)
    return champion, before


def sync(tracking: Tracking, published: Path) -> list[Published]:
    """Put the files of the aliases in place where they are not; what was in the way."""
    with _lock(published):
        return _sync(client_of(tracking), published)


def state(tracking: Tracking, published: Path) -> list[Published]:
    """What the aliases say and what lies in the files."""
    client = client_of(tracking)
    return [_published(client, alias, path) for alias, path in _places(published)]


def champion_version(tracking: Tracking) -> str | None:
    """The version that the alias names, or None before the first promotion."""
    return _aliased(client_of(tracking), CHAMPION)


def candidate_of(version: str, tracking: Tracking) -> Candidate:
    """The evidence that a version's training left."""
    client = client_of(tracking)
    run_id = str(client.get_model_version(MODEL, version).run_id)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(client.download_artifacts(run_id, "candidate.json", folder))
        return msgspec.json.decode(kept.read_bytes(), type=Candidate)


def bundle_of(version: str, tracking: Tracking) -> bytes:
    """The bundle that was logged with a version."""
    return _bundle(client_of(tracking), version)


def manifest_of(version: str, tracking: Tracking) -> Manifest | None:
    """What a version's bundle says of itself, for other features too; None if there is none."""
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        try:
            path.write_bytes(_bundle(client_of(tracking), version))
            return read_manifest(path)
        except (MlflowException, BundleRefused):
            return None


def versions(tracking: Tracking) -> list[dict[str, Any]]:
    """Every version with its metrics, aliases and decision, newest first."""
    client = client_of(tracking)
    aliases = {alias: _aliased(client, alias) for alias in (CHAMPION, CHALLENGER)}
    rows = []
    for found in client.search_model_versions(f"name = '{MODEL}'"):
        metrics = client.get_run(str(found.run_id)).data.metrics
        version = str(found.version)
        rows.append(
            {
                "version": version,
                "run_id": str(found.run_id),
                "aliases": [alias for alias, named in aliases.items() if named == version],
                "decision": found.tags.get("decision", "none yet"),
                **{name: round(metrics[name], 4) for name in ("auc", "ap", "cp100")},
            }
        )
    return sorted(rows, key=lambda row: -int(row["version"]))


@contextlib.contextmanager
def _changing(tracking: Tracking, published: Path) -> Iterator[Any]:
    """A client, alone with the aliases and the files; afterwards they are the same."""
    with _lock(published):
        client = client_of(tracking)
        _sync(client, published)
        yield client
        _sync(client, published)


@contextlib.contextmanager
def _lock(published: Path) -> Iterator[None]:
    published.parent.mkdir(parents=True, exist_ok=True)
    with (published.parent / ".registry.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file closes, or the process dies
        yield


def _predecessor(client: Any, version: str) -> str | None:
    follows = str(client.get_model_version(MODEL, version).tags.get(_FOLLOWS, _NONE))
    return None if follows == _NONE else follows


def _champion(client: Any, version: str | None) -> Champion | None:
    if version is None:
        return None
    with _file(_bundle(client, version)) as path:
        return Champion(version, read_manifest(path).feature_set)


def _sync(client: Any, published: Path) -> list[Published]:
    challenger = _aliased(client, CHALLENGER)
    if challenger is not None and challenger == _aliased(client, CHAMPION):
        client.delete_registered_model_alias(MODEL, CHALLENGER)  # it was promoted
    moved = []
    for alias, path in _places(published):
        found = _published(client, alias, path)
        # A registry that was lost must not take the model away that decides on payments.
        if found.agrees or (alias == CHAMPION and found.version is None):
            continue
        moved.append(found)
        if found.version is None:
            path.unlink(missing_ok=True)
            continue
        with _file(_bundle(client, found.version)) as source:
            publish(source, path)
    return moved


def _places(published: Path) -> tuple[tuple[str, Path], ...]:
    return (CHAMPION, published), (CHALLENGER, challenger_path(published))


def _published(client: Any, alias: str, path: Path) -> Published:
    version = _aliased(client, alias)
    return Published(
        alias=alias,
        version=version,
        path=path,
        expected_sha256=_sha256(_bundle(client, version)) if version else None,
        found_sha256=_sha256(path.read_bytes()) if path.exists() else None,
    )


def _refusal(client: Any, version: str) -> str | None:
    """Why the service would not take a version's bundle."""
    with _file(_bundle(client, version)) as path:
        try:
            read_bundle(path, feature_names(), feature_set_hash())
        except BundleRefused as refusal:
            return refusal.reason
    return None


def _bundle(client: Any, version: str) -> bytes:
    run_id = str(client.get_model_version(MODEL, version).run_id)
    with tempfile.TemporaryDirectory() as folder:
        name = f"bundle/fraud-{version}.bundle"
        return Path(client.download_artifacts(run_id, name, folder)).read_bytes()


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        path.write_bytes(content)
        yield path


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _aliased(client: Any, alias: str) -> str | None:
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(MODEL, alias).version)
    except MlflowException as error:
        # MLflow calls an alias that is not set an invalid parameter.
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None


def _log_decision(client: Any, run_id: str, decision: Decision) -> None:
    shown = msgspec.to_builtins(decision)
    for gate, row in zip(decision.gates, shown["gates"], strict=True):
        row["passed"] = gate.passed
    client.log_dict(run_id, shown, "decision.json")
    client.log_text(run_id, report.decision_note(decision), "decision.md")
    verdict = "promoted" if decision.promote else "refused"
    client.set_tag(run_id, "decision", verdict)
    client.set_model_version_tag(MODEL, decision.candidate, "decision", verdict)
    for tag in client.get_model_version(MODEL, decision.candidate).tags:
        if tag.startswith("refused_by_"):  # of an earlier decision
            client.delete_model_version_tag(MODEL, decision.candidate, tag)
    for gate in decision.gates:
        if not gate.passed:
            name = f"refused_by_{gate.name}"
            client.set_model_version_tag(MODEL, decision.candidate, name, gate.says)


def _note(client: Any, text: str, change: Change) -> None:
    """One more line of what was changed; nothing removes one."""
    tags = client.get_registered_model(MODEL).tags
    number = 1 + sum(1 for name in tags if name.startswith("change_"))
    said = f"{change.at:%Y-%m-%d %H:%M:%S%z} {text}, by {change.by}: {change.why}"
    client.set_registered_model_tag(MODEL, f"change_{number:04}", said)
