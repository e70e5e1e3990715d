"""Column rules of `raw_events`: each row is an event that we know, in its place in its log."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique
from online.kernel.events import EVENTS

SUITE = Suite(
    table="raw_events",
    # Amounts lie inside the event; the rest of its data is personal to its type.
    columns='id, aggregate_id, aggregate_type, event_type, version, "timestamp", livemode, xid,'
    " TRY_CAST(data ->> '$.amount' AS BIGINT) AS amount_minor, data ->> '$.currency' AS currency",
    rules=(
        *present("id", "aggregate_id", "aggregate_type", "event_type", "timestamp", "livemode"),
        unique("aggregate_id", "version"),
        between("version", 1),
        one_of("event_type", sorted(EVENTS)),
        between("amount_minor", 1),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
