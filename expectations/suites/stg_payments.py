"""Column rules of `stg_payments`: each payment once, what it was for, what it took."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="stg_payments",
    rules=(
        *present("payment_id", "merchant_id", "created_at", "state", "state_at", "amount_minor"),
        unique("payment_id"),
        looks_like("payment_id", "^pay_[0-9a-z]{26}$", "payment_id is a payment's"),
        one_of("method", ["upi", "card"]),
        between("version", 1),
        between("amount_minor", 1),
        between("captured_minor", 0),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
