"""Column rules of `invoices`: each merchant and month once, with a number that the law allows."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="invoices",
    columns='month, merchant_id, invoice_id, "number", kind, currency, livemode, value_minor,'
    " total_minor",
    rules=(
        *present("month", "merchant_id", "invoice_id", "number", "total_minor", "livemode"),
        one_of("kind", ("invoice", "credit_note")),
        unique("number"),
        unique("merchant_id", "month", "currency", "livemode"),
        between("total_minor", 0),
        looks_like(
            "number", "^[0-9A-Z/-]{1,16}$", "number has at most sixteen letters, digits, / and -"
        ),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
