"""Column rules of `stg_rail_rows`: a rail's row names what it is for and what it costs."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="stg_rail_rows",
    rules=(
        *present("rail_ref", "rail", "settled_on", "settlement_id", "net_minor"),
        # A fee or an adjustment of the rail's own is about no payment.
        *(
            rule
            for kind in ("capture", "refund", "reversal", "chargeback")
            for rule in present("reference", where=("type", kind))
        ),
        unique("rail_ref"),
        one_of(
            "type",
            [
                *("capture", "refund", "reversal", "chargeback", "refund_reversal"),
                *("chargeback_won", "adjustment", "transfer", "fee", "reserve"),
            ],
        ),
        one_of("status", ["success"]),
        between("gross_minor", 1, where=("type", "capture")),
        between("gross_minor", None, -1, where=("type", "refund")),
        between("gross_minor", None, -1, where=("type", "reversal")),
        between("gross_minor", None, -1, where=("type", "chargeback")),
        between("fee_minor", 0, where=("type", "capture")),
        between("tax_minor", 0, where=("type", "capture")),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
        looks_like("reference", r"^\S{1,64}$", "reference is one word"),
    ),
)
