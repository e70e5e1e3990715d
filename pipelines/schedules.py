"""When jobs run by the clock, in Indian time.

Belongs here: times. Does not: what runs (`jobs`). Each is off until someone switches it on.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import dagster as dg

from pipelines.jobs import (
    books_job,
    day_close_job,
    ingest_job,
    settle_job,
    statements_job,
    traces_job,
    train_job,
)

_ZONE: Final = "Asia/Kolkata"
# Late rows and bank credits of a day come in the following ones: it is looked at again for so long.
_REVISITED_DAYS: Final = 3


@dg.schedule(job=ingest_job, cron_schedule="*/10 * * * *", execution_timezone=_ZONE)
def ingest_every_ten_minutes() -> dg.RunRequest:
    """Keep the copy of the ledger close behind."""
    return dg.RunRequest()


@dg.schedule(job=day_close_job, cron_schedule="30 1 * * *", execution_timezone=_ZONE)
def close_the_day(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """After the banks' files of the day: reconcile it, then the days that its files may explain."""
    for back in range(1, _REVISITED_DAYS + 1):
        yield _of_day(context, back)


@dg.schedule(job=settle_job, cron_schedule="0 5 * * *", execution_timezone=_ZONE)
def settle_yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """T+1: before the banks open."""
    return _of_day(context, 1)


@dg.schedule(job=books_job, cron_schedule="0 6 * * *", execution_timezone=_ZONE)
def books_of_yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """The trial balance that finance starts its morning with."""
    return _of_day(context, 1)


@dg.schedule(job=traces_job, cron_schedule="30 6 * * *", execution_timezone=_ZONE)
def trace_the_last_days(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Yesterday's payments, and those whose bank line or settlement came meanwhile."""
    for back in range(1, _REVISITED_DAYS + 1):
        yield _of_day(context, back)


@dg.schedule(job=statements_job, cron_schedule="0 7 1 * *", execution_timezone=_ZONE)
def statements_of_last_month(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every merchant's statement of the month that has ended."""
    end = context.scheduled_execution_time.date().replace(day=1) - timedelta(days=1)
    period = {"first_day": end.replace(day=1).isoformat(), "last_day": end.isoformat()}
    return dg.RunRequest(
        run_key=period["first_day"], run_config={"ops": {"statement_files": {"config": period}}}
    )


@dg.schedule(job=train_job, cron_schedule="0 3 * * 0", execution_timezone=_ZONE)
def train_every_week() -> dg.RunRequest:
    """A new model each Sunday; the gates decide whether it is used."""
    return dg.RunRequest()


def _of_day(context: dg.ScheduleEvaluationContext, back: int) -> dg.RunRequest:
    at = context.scheduled_execution_time
    day = (at.date() - timedelta(days=back)).isoformat()
    return dg.RunRequest(run_key=f"{day} at {at.isoformat()}", partition_key=day)


SCHEDULES: Final = (
    *(ingest_every_ten_minutes, close_the_day, settle_yesterday, books_of_yesterday),
    *(trace_the_last_days, statements_of_last_month, train_every_week),
)
