"""Running jobs from a command, in this very process, so that Dagster's UI shows them later.

Belongs here: a data folder's Dagster home, and one job run to its end. Does not: which job when.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import dagster as dg

from pipelines.definitions import build

_HOME: Final = """\
telemetry:
  enabled: false
nux:
  enabled: false
freshness:
  enabled: true
# One run after another: they write to one ledger, and late days are explained by newer ones.
concurrency:
  runs:
    max_concurrent_runs: 1
"""


class JobFailed(Exception):
    """A run that did not succeed: which steps and checks, and why."""


def dagster_home(data: Path) -> Path:
    """The folder of Dagster's records below a data folder, with its settings."""
    home = data / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(_HOME, encoding="utf-8")
    return home


class Runner:
    """Jobs over one data folder; keeps the instance open between runs."""

    def __init__(self, data: Path) -> None:
        os.environ["DAGSTER_HOME"] = str(dagster_home(data))
        self._repository = build(str(data)).get_repository_def()
        self.instance = dg.DagsterInstance.get()

    def close(self) -> None:
        self.instance.dispose()

    def run(
        self,
        job: str,
        *,
        day: str | None = None,
        config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        only: Sequence[str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """One run, quiet unless it fails; `JobFailed` tells what did. `only` names assets of the
        job that are to be made."""
        result = self._repository.get_job(job).execute_in_process(
            instance=self.instance,
            partition_key=day,
            run_config={**(config or {}), "loggers": _QUIET},
            tags=dict(tags or {}),
            asset_selection=[dg.AssetKey(name) for name in only] if only else None,
            raise_on_error=False,
        )
        if not result.success:
            raise JobFailed(f"{job}{f' of {day}' if day else ''} failed:\n{_why(result)}")
        return result


_QUIET: Final = {"console": {"config": {"log_level": "CRITICAL"}}}


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """What an asset said of itself in a run, as plain values."""
    found = [
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.materialization.asset_key == dg.AssetKey(asset)
    ]
    return {name: value.value for name, value in found[-1].items()} if found else {}


def _why(result: dg.ExecuteInProcessResult) -> str:
    lines = []
    for check in result.get_asset_check_evaluations():
        if not check.passed:
            shown = {name: value.value for name, value in check.metadata.items()}
            lines.append(f"check {check.check_name} of {check.asset_key.to_user_string()}: {shown}")
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            cause = error.cause if error and error.cause else error
            lines.append(f"step {event.step_key}: {cause.message.strip() if cause else ''}")
    return "\n".join(lines)
