"""Column rules of `recon_matches`: by which rule a match was made, what is left over."""

from expectations.suites.rules import Suite, looks_like, one_of, present, unique

SUITE = Suite(
    table="recon_matches",
    rules=(
        # Rows that are alike on both sides are matched one to one, and are in no group.
        *present("side", "rule", "amount_minor", "residual_minor"),
        unique("side", "group_id", "ledger_id", "rail_id", "bank_id", "settlement_id"),
        one_of("side", ["rail", "bank"]),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
