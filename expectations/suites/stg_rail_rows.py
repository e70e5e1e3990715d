"""Column rules of `stg_rail_rows`: a rail's row names what it is for and what it costs."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

_SETTLED = (
    *("capture", "refund", "reversal", "chargeback", "refund_reversal"),
    *("chargeback_won", "adjustment", "transfer", "fee", "reserve"),
)
_BETWEEN_PEOPLE = ("p2p", "p2p_return")

SUITE = Suite(
    table="stg_rail_rows",
    rules=(
        *present("rail_ref", "rail", "settled_on", "settlement_id", "net_minor"),
        # A fee or an adjustment of the rail's own is about no payment.
        *(
            rule
            for kind in ("capture", "refund", "reversal", "chargeback", *_BETWEEN_PEOPLE)
            for rule in present("reference", where=("type", kind))
        ),
        unique("rail_ref"),
        one_of("type", [*_SETTLED, *_BETWEEN_PEOPLE]),
        # What is settled to us is settled; between people a switch may say that it was not done.
        *(one_of("status", ["success"], where=("type", kind)) for kind in _SETTLED),
        one_of("status", ["success", "failed"], where=("type", "p2p")),
        one_of("status", ["success"], where=("type", "p2p_return")),
        between("gross_minor", 1, where=("type", "p2p")),
        between("gross_minor", None, -1, where=("type", "p2p_return")),
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
