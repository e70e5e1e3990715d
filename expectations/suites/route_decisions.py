"""Column rules of `route_decisions`: each try decided once, with probabilities that add up."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="route_decisions",
    rules=(
        *present("attempt_id", "payment_id", "business_date", "decided_at", "merchant_id"),
        *present("livemode", "method", "amount_minor", "route", "rail", "strategy", "reason"),
        *present("try_number", "eligible_routes", "outcome", "late"),
        unique("attempt_id"),
        unique("payment_id", "try_number"),
        one_of("strategy", ("cost", "speed", "reliability", "balanced")),
        one_of("method", ("upi", "card")),
        one_of("outcome", ("sent", "pending", "unknown", "succeeded", "declined", "failed")),
        one_of("answered", ("pending", "unknown", "succeeded", "declined", "failed")),
        between("try_number", 1),
        # What was chosen was possible, and some route always is.
        between("eligible_routes", 1),
        between("propensity_bps", 1, 10_000),
        between("propensities_bps", 10_000, 10_000),
        between("amount_minor", 1),
        between("latency_ms", 0),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
    columns="* EXCLUDE (candidates)",
)
