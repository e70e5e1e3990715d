"""A model's life against the running service: trained, judged, promoted, swapped, taken back.

The commands are those that people type; MLflow is the real one, on a SQLite file. Meanwhile
clients ask for assessments without pause: every answer counts.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from models.fraud.bundle import read_bundle
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.tracking import MODEL, Tracking, client_of
from tests.architecture.source import ROOT
from tests.e2e.dev import Dev, eventually

pytestmark = pytest.mark.e2e

_HISTORY = 8_000
_DAYS = 60
_SWAP_S = 5.0
# Small and quick: what is tested here is the way, not the model.
_TRAIN = ("--rehearsal", "--test-days", "20", "--algorithm")


class Asking:
    """Clients that assess payments until they are told to stop."""

    def __init__(self, dev: Dev, clients: int = 3) -> None:
        self.answers: list[tuple[float, int, str | None]] = []  # when, status, model version
        self.trouble: list[str] = []
        self._over = threading.Event()
        self._url = f"{dev.base_url}/api/v1/risk/assess"
        self._headers = {"Authorization": f"Bearer {dev.token()}"}
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def __enter__(self) -> "Asking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        with httpx.Client(headers=self._headers, timeout=20) as client:
            sent = 0
            while not self._over.is_set():
                sent += 1
                body = {
                    "amount": 100_00 + sent,
                    "payment_method": {"type": "upi", "vpa": f"asha{number}@khata"},
                    "device_id": f"phone-{number}",
                }
                try:
                    answer = client.post(self._url, json=body)
                except httpx.TransportError as error:
                    self.trouble.append(repr(error))
                    continue
                version = answer.json().get("model_version")
                self.answers.append((time.monotonic(), answer.status_code, version))
                time.sleep(0.02)  # the training beside it needs the processors too

    def version(self) -> str | None:
        """What the newest answer was scored with."""
        return self.answers[-1][2] if self.answers else None

    def sequence(self) -> list[str | None]:
        """Versions in the order in which they came into use. Each of the service's workers looks at
        the file by itself: for some seconds one may still answer with the version before."""
        found: list[str | None] = []
        since = 0.0
        for at, _, version in sorted(self.answers, key=lambda answer: answer[0]):
            late = found[-2:-1] == [version] and at - since < _SWAP_S
            if not late and found[-1:] != [version]:
                found.append(version)
                since = at
        return found


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with Dev(tmp_path_factory.mktemp("models") / "data") as started:
        until = datetime.now(UTC).date() - timedelta(days=1)
        run(
            *("online", "seed-history", "--database", started.about["database_url"]),
            *("--data", started.data_dir, "--payments", _HISTORY, "--days", _DAYS),
            *("--until", until, "--seed", 7),
        )
        yield started


def run(*arguments: object, expect: int = 0) -> str:
    """`python -m …` to its end; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, f"{arguments}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def shown(dev: Dev, expect: int = 0) -> list[dict]:
    lines = run("models", "show", "--data", dev.data_dir, expect=expect).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_retrain_gate_promote_swap_and_roll_back(dev: Dev):
    data = dev.data_dir
    bundle = Path(dev.about["model_bundle_path"])
    with Asking(dev) as asking:
        eventually(lambda: asking.version() is None and asking.answers, within_s=60)

        said = run("pipelines", "train", "--data", data, *_TRAIN, "logistic_regression")
        assert "promoted: True" in said
        eventually(lambda: asking.version() == "1", within_s=60)

        said = run("pipelines", "train", "--data", data, *_TRAIN, "hist_gradient_boosting")
        assert "promoted: True" in said
        assert "was compared with version 1" in said
        eventually(lambda: asking.version() == "2", within_s=60)

        # Held to the real gates, a history as short as this one is not enough; nothing moves.
        said = run("models", "promote", "--data", data, "--version", "1", expect=1)
        assert json.loads(said)["promote"] is False
        assert asking.version() == "2"

        run("models", "rollback", "--data", data, "--by", "ravi", "--why", "alerts doubled")
        eventually(lambda: asking.version() == "1", within_s=60)
        run("models", "rollback", "--data", data, "--why", "once more", expect=1)

    assert asking.trouble == []
    assert {status for _, status, _ in asking.answers} == {200}
    assert asking.sequence() == [None, "1", "2", "1"]
    assert len(asking.answers) > 100
    assert read_bundle(bundle, feature_names(), feature_set_hash()).version == "1"


def test_what_is_recorded_is_what_happened(dev: Dev):
    *versions, champion, challenger = shown(dev)
    assert [(row["version"], row["aliases"]) for row in versions] == [
        ("2", []),
        ("1", ["champion"]),
    ]
    assert champion["agrees"]
    assert champion["version"] == "1"
    assert challenger["version"] is None
    tracking = Tracking(
        uri=f"sqlite:///{dev.data_dir}/mlflow/mlflow.db",
        artifacts=dev.data_dir / "mlflow" / "artifacts",
    )
    tags = client_of(tracking).get_registered_model(MODEL).tags
    changes = [tags[name].split(" ", 2)[2] for name in sorted(tags) if name.startswith("change_")]
    assert [change.partition(", by ")[0] for change in changes] == [
        "version 1 became challenger",
        "version 1 promoted as the first",
        "version 2 became challenger",
        "version 2 promoted over version 1",
        "version 2 rolled back to version 1",
    ]
    assert changes[-1].endswith("by ravi: alerts doubled")


def test_a_model_can_be_made_again_from_its_run(dev: Dev):
    """From the snapshot of its time, though another training has written to the lake since."""
    (run_id,) = [row["run_id"] for row in shown(dev)[:-2] if row["version"] == "1"]
    said = run("models", "retrain", "--data", dev.data_dir, "--run", run_id)
    assert "0 differ; it is the same model" in said


def test_a_file_that_was_spoilt_is_refused_seen_and_put_right(dev: Dev):
    bundle = Path(dev.about["model_bundle_path"])
    good = bundle.read_bytes()
    with Asking(dev, clients=1) as asking:
        eventually(lambda: asking.version() == "1", within_s=60)
        bundle.write_bytes(good[: len(good) // 2])
        champion = shown(dev, expect=1)[-2]
        assert not champion["agrees"]
        time.sleep(2)  # the service has looked at it by now
        assert asking.version() == "1", "the old one stays"
        run("models", "show", "--data", dev.data_dir, "--repair")
        assert bundle.read_bytes() == good
    assert {status for _, status, _ in asking.answers} == {200}
    assert set(asking.sequence()) == {"1"}
