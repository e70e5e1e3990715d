"""Column rules of `mart_safeguarding`: what must be covered cannot be negative."""

from expectations.suites.rules import Suite, between, looks_like, present, unique

SUITE = Suite(
    table="mart_safeguarding",
    rules=(
        *present("bank_minor", "cover_minor", "required_minor"),
        unique("currency"),
        between("merchants_minor", 0),
        between("customers_minor", 0),
        between("unexplained_minor", 0),
        between("required_minor", 0),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
