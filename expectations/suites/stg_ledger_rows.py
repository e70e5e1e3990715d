"""Column rules of `stg_ledger_rows`: each claim on a rail can be asked for by its reference."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

_OURS = ("capture", "refund", "reversal", "p2p", "p2p_return")

SUITE = Suite(
    table="stg_ledger_rows",
    rules=(
        *present("entry_id", "transaction_id", "reference", "rail", "amount_minor", "occurred_at"),
        unique("entry_id"),
        one_of("kind", [*_OURS, "chargeback"]),
        between("amount_minor", 1, where=("kind", "capture")),
        between("amount_minor", 1, where=("kind", "p2p")),
        between("amount_minor", None, -1, where=("kind", "p2p_return")),
        between("amount_minor", None, -1, where=("kind", "refund")),
        between("amount_minor", None, -1, where=("kind", "reversal")),
        between("amount_minor", None, -1, where=("kind", "chargeback")),
        *(
            looks_like(
                *("reference", "^att_[0-9a-z]{26}$", "reference is an attempt that we sent"),
                where=("kind", kind),
            )
            for kind in _OURS
        ),
        # A dispute is the rail's own, and goes by the rail's word for it.
        looks_like(
            *("reference", r"^\S{1,64}$", "reference is one word"), where=("kind", "chargeback")
        ),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
