"""Column rules of `recon_breaks`: each has a kind, its rows and reason, a cause and an owner."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

_KINDS = [
    *("duplicate_internal", "duplicate_external", "currency_mismatch", "amount_mismatch"),
    *("status_mismatch", "fee_mismatch", "tax_mismatch", "reversed_unpaired", "timing"),
    *("missing_internal", "missing_external", "unexpected_credit"),
]

SUITE = Suite(
    table="recon_breaks",
    columns="break_id, business_date, kind, side, len(row_ids) AS row_count, expected_minor,"
    " actual_minor, currency, reason, cause, owner, at_stake_minor, age_bucket",
    rules=(
        *present("break_id", "kind", "side", "expected_minor", "actual_minor", "reason"),
        *present("cause", "owner", "at_stake_minor"),
        unique("break_id"),
        one_of("kind", _KINDS),
        one_of("side", ["rail", "bank"]),
        one_of("age_bucket", ["0-1", "2-3", "4-7", "8-30", "31-90", ">90"]),
        between("row_count", 1),
        between("at_stake_minor", 0),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
