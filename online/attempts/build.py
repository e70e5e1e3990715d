"""Schedules of the rails from the settings."""

from datetime import timedelta

from online.attempts.schedule import Pace, Schedule, Schedules
from online.platform.settings import Enquiries, Recovery, Settings


def schedules_of(settings: Settings) -> Schedules:
    """`payment_routes[].enquiries` laid over the `recovery` block; a route's rail has its name."""
    answer_within = timedelta(milliseconds=settings.server.timeout_ms)
    return Schedules(
        _schedule(settings.recovery, Enquiries(), answer_within),
        {
            route.name: _schedule(settings.recovery, route.enquiries, answer_within)
            for route in settings.payment_routes
        },
    )


def _schedule(recovery: Recovery, own: Enquiries, answer_within: timedelta) -> Schedule:
    most = own.max_enquiries or recovery.max_enquiries
    interval_s = own.min_interval_s or recovery.min_interval_s
    pending_s = own.pending_interval_s or recovery.pending_interval_s
    deemed_s = own.deemed_interval_s or recovery.deemed_interval_s
    final_s = own.not_found_final_after_s or recovery.not_found_final_after_s
    return Schedule(
        unknown=Pace(max_enquiries=most, min_interval=timedelta(seconds=interval_s)),
        pending=Pace(max_enquiries=most, min_interval=timedelta(seconds=pending_s)),
        deemed=Pace(max_enquiries=most, min_interval=timedelta(seconds=deemed_s)),
        not_found_final_after=timedelta(seconds=final_s),
        answer_within=answer_within,
    )
