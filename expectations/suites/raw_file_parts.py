"""Column rules of `raw_file_parts`: what each file is about, and whether it counts."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="raw_file_parts",
    columns="file_sha256, subject, kind, holder, day_from, day_to, row_count, currency, standing",
    rules=(
        *present("file_sha256", "subject", "holder", "day_from", "day_to", "standing"),
        unique("file_sha256", "subject"),
        between("row_count", 1),
        one_of("kind", ["rail", "bank"]),
        one_of("standing", ["live", "superseded", "repeated", "outdated"]),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
