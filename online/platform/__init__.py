"""Infrastructure that knows no slice: settings, database, SQL, HTTP, telemetry, outbox.

Belongs here: what any slice could use and none owns. Does not: a payment rule, a table
that belongs to a slice, or an import from one.
"""
