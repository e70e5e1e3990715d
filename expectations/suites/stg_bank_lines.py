"""Column rules of `stg_bank_lines`: a booked line has an account, a day and an amount."""

from expectations.suites.rules import Suite, looks_like, present, unique

SUITE = Suite(
    table="stg_bank_lines",
    rules=(
        *present("line_id", "account", "booking_date", "value_date", "amount_minor"),
        unique("line_id"),
        looks_like("account", "^[0-9A-Z]{4,34}$", "account is a number or an IBAN"),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
