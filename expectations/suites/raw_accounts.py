"""Column rules of `raw_accounts`: a code, a currency and a normal side each."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="raw_accounts",
    rules=(
        *present("id", "code", "currency", "normal_side", "livemode"),
        unique("id"),
        unique("code", "currency", "stripe", "livemode"),
        between("stripe", 0),
        one_of("normal_side", ["D", "C"]),
        looks_like("code", "^[a-z0-9_]+(?::[a-zA-Z0-9_.-]+)*$", "code is words and colons"),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
