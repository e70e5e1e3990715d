"""Column rules of `mart_merchant_day`: each merchant once, with counts that cannot be negative."""

from expectations.suites.rules import Suite, between, looks_like, present, unique

SUITE = Suite(
    table="mart_merchant_day",
    rules=(
        *present("merchant_id", "merchant_name", "net_minor"),
        unique("merchant_id", "currency"),
        *(between(f"{count}", 0) for count in ("payments", "captured", "declined", "refunds")),
        between("captured_minor", 0),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
