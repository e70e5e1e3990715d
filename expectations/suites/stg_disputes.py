"""Column rules of `stg_disputes`: a dispute names the payment it is about and what it wants."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="stg_disputes",
    rules=(
        *present("rail", "reference", "original_reference", "reason_code", "respond_by"),
        unique("rail", "reference"),
        one_of("status", ["open", "won", "lost"]),
        between("amount_minor", 1),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
        looks_like("reference", r"^\S{1,64}$", "reference is one word"),
    ),
)
