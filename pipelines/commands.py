"""`dev`, `train` and `settle`: commands over a data folder that is kept.

Belongs here: what an operator types besides the demo. Does not: work; these start jobs and servers.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, TextIO

from assets.partitions import DAILY
from pipelines.processes import CommandFailed, OnlineDev, Program, environment
from pipelines.resources import ROOT, Site, tracking_of
from pipelines.runs import JobFailed, Runner, dagster_home, metadata_of

_DAGSTER_PORT: Final = 3000
_MLFLOW_PORT: Final = 5000
_LOOK_S: Final = 0.5


def dev(data: Path, *, port: int) -> int:
    """Everything together until Ctrl-C; ends when any part of it ends."""
    data.mkdir(parents=True, exist_ok=True)
    try:
        with _stopped_by_signals() as stopping, OnlineDev(data, port=port) as online:
            programs: list[Program] = []
            try:
                programs += [_dagster(data), _mlflow(data)]
                _say(_addresses(online.about))
                while not stopping():
                    online.require_running()
                    for program in programs:
                        program.require_running()
                    time.sleep(_LOOK_S)
            finally:
                for program in reversed(programs):
                    program.stop()
    except CommandFailed as error:
        _say(error, file=sys.stderr)
        return 1
    return 0


def train(data: Path, config: Mapping[str, Mapping[str, object]]) -> int:
    """Ingest, fit, judge, promote. `config` is that of the launchpad, by asset."""
    names = ("promoted", "version", "gates")
    given = {"ops": {asset: {"config": dict(found)} for asset, found in config.items()}}
    return _run(data, "train_job", shows="fraud_promotion", names=names, config=given)


def settle(data: Path, day: date) -> int:
    """Ingest, sum, hand over."""
    if not DAILY.has_partition_key(str(day)):
        _say(f"{day} is not a business day that has begun", file=sys.stderr)
        return 1
    names = ("lines", "paid_out", "settlements")
    return _run(data, "settle_job", day=str(day), shows="settlements_sent", names=names)


def _run(
    data: Path,
    job: str,
    *,
    shows: str,
    names: tuple[str, ...],
    day: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> int:
    if not (data / "dev.json").exists():
        _say(f"nothing runs in {data}: start it with `make dev`", file=sys.stderr)
        return 1
    runner = Runner(data)
    try:
        about = metadata_of(runner.run(job, day=day, config=config), shows)
    except JobFailed as error:
        _say(error, file=sys.stderr)
        return 1
    finally:
        runner.close()
    for name in names:
        value = str(about.get(name, ""))
        _say(f"{name}:\n{value}" if "\n" in value else f"{name}: {value}")
    return 0


def _dagster(data: Path) -> Program:
    """UI and daemon; the daemon runs schedules and sensors that someone switched on."""
    workspace = str(ROOT / "workspace.yaml")
    command = [_script("dagster"), "dev", "-w", workspace, "-h", "127.0.0.1"]
    return Program(
        "dagster dev",
        [*command, "-p", str(_DAGSTER_PORT)],
        log=data / "logs" / "dagster.log",
        env={**environment(data), "DAGSTER_HOME": str(dagster_home(data))},
    )


def _mlflow(data: Path) -> Program:
    tracking = tracking_of(Site.of(data))
    tracking.artifacts.mkdir(parents=True, exist_ok=True)
    command = [_script("mlflow"), "server", "--host", "127.0.0.1", "--port", str(_MLFLOW_PORT)]
    return Program(
        "mlflow server",
        [
            *(*command, "--workers", "1", "--backend-store-uri", tracking.uri),
            *("--default-artifact-root", tracking.artifacts.as_uri()),
        ],
        log=data / "logs" / "mlflow.log",
        env={
            **environment(data),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        },
    )


def _say(text: object, *, file: TextIO | None = None) -> None:
    print(text, file=file, flush=True)


def _script(name: str) -> str:
    """A console script of the same environment, whatever the PATH says."""
    return str(Path(sys.executable).with_name(name))


def _addresses(about: dict[str, str]) -> str:
    lines = {
        "service": about["base_url"],
        "API page": f"{about['base_url']}/schema",
        "sandbox": about["sandbox_url"],
        "Dagster": f"http://127.0.0.1:{_DAGSTER_PORT}",
        "MLflow": f"http://127.0.0.1:{_MLFLOW_PORT}",
        "keys": str(Path(about["data_dir"]) / "dev.json"),
    }
    shown = "\n".join(f"{name:10} {value}" for name, value in lines.items())
    return f"{shown}\nCtrl-C ends everything"


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator["_Stopping"]:
    stopping = _Stopping()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, stopping.stop)
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Stopping:
    """True once a signal came."""

    def __init__(self) -> None:
        self._set = False

    def stop(self, *_: object) -> None:
        self._set = True

    def __call__(self) -> bool:
        return self._set
