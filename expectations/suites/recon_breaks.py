"""Column rules of `recon_breaks`: each break has a kind, a side, its rows and its reason."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

_KINDS = [
    *("duplicate_internal", "duplicate_external", "currency_mismatch", "amount_mismatch"),
    *("status_mismatch", "fee_mismatch", "tax_mismatch", "reversed_unpaired", "timing"),
    *("missing_internal", "missing_external", "unexpected_credit"),
]

SUITE = Suite(
    table="recon_breaks",
    columns="break_id, business_date, kind, side, len(row_ids) AS row_count, expected_minor,"
    " actual_minor, currency, reason",
    rules=(
        *present("break_id", "kind", "side", "expected_minor", "actual_minor", "reason"),
        unique("break_id"),
        one_of("kind", _KINDS),
        one_of("side", ["rail", "bank"]),
        between("row_count", 1),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
