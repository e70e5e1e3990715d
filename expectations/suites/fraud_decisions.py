"""Column rules of `fraud_decisions`: each payment decided once, in words and scores we know."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

DECISIONS = ("allow", "challenge", "review", "block")

SUITE = Suite(
    table="fraud_decisions",
    rules=(
        *present("payment_id", "business_date", "created_at", "merchant_id", "livemode"),
        *present("score", "level", "decision", "rules_version", "amount_minor"),
        unique("payment_id"),
        one_of("decision", DECISIONS),
        one_of("challenger_decision", DECISIONS),
        one_of("level", ("low", "medium", "high", "critical")),
        one_of("method", ("upi", "card")),
        between("score", 0, 100),
        between("probability", 0, 1),
        between("challenger_probability", 0, 1),
        between("amount_minor", 1),
        between("assess_us", 0),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
    # What replay reads is left to it: a thousand bytes a row.
    columns="* EXCLUDE (features, snapshot, shadow_rules, lists)",
)
