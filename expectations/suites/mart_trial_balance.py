"""Column rules of `mart_trial_balance`: each account once, with its movement of the day."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="mart_trial_balance",
    rules=(
        *present("account", "opening_minor", "debit_minor", "credit_minor", "closing_minor"),
        unique("account", "currency", "layer"),
        one_of("layer", ["posted", "pending"]),
        between("debit_minor", 0),
        between("credit_minor", 0),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
