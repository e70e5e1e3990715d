"""When jobs run by the clock, in Indian time.

Belongs here: times. Does not: what runs (`jobs`). Each is off until someone switches it on.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

import dagster as dg

from pipelines.jobs import (
    books_job,
    day_close_job,
    ingest_job,
    late_files_job,
    seal_job,
    settle_job,
    statements_job,
    traces_job,
    train_job,
    watch_job,
)
from warehouse.connection import Warehouse
from warehouse.reconciliation.days import changed_days, days_to_revisit

_ZONE: Final = "Asia/Kolkata"
# Late rows and bank credits of a day come in the following ones: it is looked at again for so long.
_REVISITED_DAYS: Final = 3


@dg.schedule(job=ingest_job, cron_schedule="*/10 * * * *", execution_timezone=_ZONE)
def ingest_every_ten_minutes() -> dg.RunRequest:
    """Keep the copy of the ledger close behind."""
    return dg.RunRequest()


@dg.schedule(job=late_files_job, cron_schedule="5 * * * *", execution_timezone=_ZONE)
def watch_for_files() -> dg.RunRequest:
    """A file that does not come starts nothing: somebody has to look."""
    return dg.RunRequest()


@dg.schedule(job=day_close_job, cron_schedule="30 1 * * *", execution_timezone=_ZONE)
def close_the_day(
    context: dg.ScheduleEvaluationContext, warehouse: dg.ResourceParam[Warehouse]
) -> Iterator[dg.RunRequest]:
    """After the banks' files of the day: reconcile it, the days that the files of the last nights
    speak of, and the older days that they may explain."""
    at = context.scheduled_execution_time
    yesterday = at.date() - timedelta(days=1)
    # Two nights: the rows of a day are staged in the first, and explain others in the second.
    came = changed_days(warehouse, since=at - timedelta(days=2))
    days = {yesterday, *days_to_revisit(warehouse, upto=yesterday, changed=came)}
    # Newer days first: an older one is explained by rows that they stage.
    for day in sorted(days, reverse=True):
        yield _run_of(context, day)


@dg.schedule(job=settle_job, cron_schedule="0 5 * * *", execution_timezone=_ZONE)
def settle_yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """T+1: before the banks open."""
    return _of_day(context, 1)


@dg.schedule(job=settle_job, cron_schedule="5 * * * *", execution_timezone=_ZONE)
def settle_cycles_of_today(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """T+0: the cycles of the running day that have ended; every other merchant's day has not."""
    return _of_day(context, 0)


@dg.schedule(job=books_job, cron_schedule="0 6 * * *", execution_timezone=_ZONE)
def books_of_yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """The trial balance that finance starts its morning with."""
    return _of_day(context, 1)


@dg.schedule(job=traces_job, cron_schedule="30 6 * * *", execution_timezone=_ZONE)
def trace_the_last_days(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Yesterday's payments, and those whose bank line or settlement came meanwhile."""
    for back in range(1, _REVISITED_DAYS + 1):
        yield _of_day(context, back)


@dg.schedule(job=seal_job, cron_schedule="45 6 * * *", execution_timezone=_ZONE)
def seal_yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Once the night's work has posted to it, and before a statement needs its proof."""
    return _of_day(context, 1)


@dg.schedule(job=statements_job, cron_schedule="0 7 1 * *", execution_timezone=_ZONE)
def statements_of_last_month(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every merchant's statement of the month that has ended."""
    end = context.scheduled_execution_time.date().replace(day=1) - timedelta(days=1)
    period = {"first_day": end.replace(day=1).isoformat(), "last_day": end.isoformat()}
    return dg.RunRequest(
        run_key=period["first_day"], run_config={"ops": {"statement_files": {"config": period}}}
    )


@dg.schedule(job=watch_job, cron_schedule="30 3 * * *", execution_timezone=_ZONE)
def watch_the_model(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Yesterday's decisions, once the day's payments are staged."""
    return _of_day(context, 1)


@dg.schedule(job=train_job, cron_schedule="0 4 * * *", execution_timezone=_ZONE)
def train_every_night() -> dg.RunRequest:
    """A new model each night, with the night's parity and drift as evidence; the gates decide
    whether it is used."""
    return dg.RunRequest()


def _of_day(context: dg.ScheduleEvaluationContext, back: int) -> dg.RunRequest:
    return _run_of(context, context.scheduled_execution_time.date() - timedelta(days=back))


def _run_of(context: dg.ScheduleEvaluationContext, day: date) -> dg.RunRequest:
    at = context.scheduled_execution_time
    key = day.isoformat()
    return dg.RunRequest(run_key=f"{key} at {at.isoformat()}", partition_key=key)


SCHEDULES: Final = (
    *(
        ingest_every_ten_minutes,
        watch_for_files,
        close_the_day,
        settle_yesterday,
        settle_cycles_of_today,
    ),
    books_of_yesterday,
    *(trace_the_last_days, seal_yesterday, statements_of_last_month),
    *(watch_the_model, train_every_night),
)
