"""Names of groups and owners, as the asset graph shows them."""

from typing import Final

FINANCE: Final = ["team:finance"]
DATA_SCIENCE: Final = ["team:data-science"]
PLATFORM: Final = ["team:platform"]

LEDGER: Final = "ledger"  # the log and the journal, as online wrote them
BOOKS: Final = "books"  # what they add up to
MONTH: Final = "month"  # what is made of a month once it is closed
BANK_FILES: Final = "bank_files"
STAGING: Final = "staging"
RECONCILIATION: Final = "reconciliation"
SETTLEMENT: Final = "settlement"
STATEMENTS: Final = "statements"
PROOF: Final = "proof"  # what an auditor checks without us
TRACES: Final = "traces"  # where a payment shows outside our own books
FRAUD: Final = "fraud"  # training a model and judging it
FRAUD_WATCH: Final = "fraud_watch"  # what became of its decisions, day by day
ROUTING: Final = "routing"  # which rail each payment was sent to, and what came of it
