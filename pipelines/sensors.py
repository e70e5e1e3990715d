"""What starts jobs when something happens: a file arrives, a merchant asks, a model drifts.

Belongs here: noticing. Does not: the work itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import dagster as dg

from assets.bank_files import waiting
from assets.fraud_watch import precision_falls
from assets.ports import Folders, Online
from models.fraud.registry import sync
from models.fraud.tracking import Tracking
from pipelines.jobs import bank_files_job, settle_job, statements_job, train_job
from pipelines.resources import OnlineApi
from warehouse.connection import Warehouse

WORK_ID: Final = "khata/work_id"
DRIFT: Final = "khata/drift"
_CLAIMED_AT_ONCE: Final = 100


@dg.sensor(job=bank_files_job, minimum_interval_seconds=30)
def bank_files_arrived(
    folders: dg.ResourceParam[Folders],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """A file lies in the inbox. The key is what lies there, so that a run under way is not doubled;
    a file that is there after its run, with the same name and size, was put there again."""
    found = waiting(folders.inbox)
    if not found:
        yield dg.SkipReason("the inbox is empty")
        return
    key = ";".join(f"{path.name}:{path.stat().st_mtime_ns}" for path in found)
    yield dg.RunRequest(run_key=key)


@dg.sensor(jobs=[settle_job, statements_job], minimum_interval_seconds=15)
def work_requested(
    online: dg.ResourceParam[OnlineApi],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """A settlement or a statement was asked for over the API; online hands out each once."""
    claimed = online.send(
        "work/claim", {"kinds": ["settlement", "statement"], "limit": _CLAIMED_AT_ONCE}
    )["items"]
    if not claimed:
        yield dg.SkipReason("nobody asked for anything")
    yield from runs_of(claimed)


def runs_of(items: Sequence[Mapping[str, Any]]) -> Iterator[dg.RunRequest]:
    """The runs that pieces of work ask for: one a day to settle, one for all statements."""
    by_day: dict[str, list[str]] = {}
    for item in items:
        if item["kind"] == "settlement":
            by_day.setdefault(str(item["params"]["date"]), []).append(str(item["id"]))
    for day, work in sorted(by_day.items()):
        yield dg.RunRequest(job_name=settle_job.name, partition_key=day, tags=_tags(work))
    asked = [item for item in items if item["kind"] == "statement"]
    if asked:
        work = [str(item["id"]) for item in asked]
        config = {"requests": [dict(item["params"]) for item in asked]}
        yield dg.RunRequest(
            job_name=statements_job.name,
            run_config={"ops": {"statement_files": {"config": config}}},
            tags=_tags(work),
        )


def _tags(work: Sequence[str]) -> dict[str, str]:
    return {WORK_ID: ",".join(work)}


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS, monitored_jobs=[settle_job, statements_job]
)
def work_done(context: dg.RunStatusSensorContext, online: dg.ResourceParam[OnlineApi]) -> None:
    """Tell online that what was asked for is there."""
    _report(context, online, state="done")


@dg.run_failure_sensor(monitored_jobs=[settle_job, statements_job])
def work_failed(context: dg.RunFailureSensorContext, online: dg.ResourceParam[OnlineApi]) -> None:
    """Tell online at the first failure; a retry reports its own end."""
    _report(context, online, state="failed")


def _report(context: dg.RunStatusSensorContext, online: OnlineApi, *, state: str) -> None:
    run = context.dagster_run
    report_work(online, run.tags.get(WORK_ID, ""), state=state, run_id=run.run_id)


def report_work(online: Online, work: str, *, state: str, run_id: str) -> None:
    """The end of each piece of work that a run's tag names."""
    for work_id in filter(None, work.split(",")):
        online.send(f"work/{work_id}/done", {"state": state, "run_id": run_id})


@dg.sensor(job=train_job, minimum_interval_seconds=3_600)
def model_drifted(
    warehouse: dg.ResourceParam[Warehouse],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """The champion's score has drifted from training, or its precision has fallen: ask for a new
    model, once for each time that this begins."""
    reasons = list(drifts(warehouse))
    if not reasons:
        yield dg.SkipReason("every champion is as it was in training, as far as is known")
    for reason in reasons:
        yield dg.RunRequest(run_key=reason, tags={DRIFT: reason})


def drifts(warehouse: Warehouse) -> Iterator[str]:
    """Why the champions of the newest watched day should be followed, one text each; the same
    text for as long as it lasts."""
    for row in warehouse.query("fraud_drift_episodes").iter_rows(named=True):
        yield f"the score of {row['model_version']} drifts since {row['since']}"
    (newest,) = warehouse.rows("SELECT max(business_date) FROM fraud_watch")
    for name, fall in precision_falls(warehouse, newest[0]).items():
        if fall.fell:
            yield f"the precision of {name} has fallen"


@dg.sensor(minimum_interval_seconds=300)
def models_in_place(
    tracking: dg.ResourceParam[Tracking], folders: dg.ResourceParam[Folders]
) -> dg.SkipReason:
    """The service reads the files of the registry's aliases, also where a promotion or a rollback
    was killed between the two. It starts nothing: it puts the file in place and says so."""
    moved = sync(tracking, folders.champion_bundle)
    if not moved:
        return dg.SkipReason("champion and challenger are the files that the service reads")
    said = ", ".join(f"{file.alias}: version {file.version or 'none'}" for file in moved)
    return dg.SkipReason(f"files were not those of the aliases, and are now: {said}")


SENSORS: Final = (
    *(bank_files_arrived, work_requested, work_done, work_failed),
    *(model_drifted, models_in_place),
)
