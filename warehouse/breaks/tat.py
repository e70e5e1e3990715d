"""The clock of payers who were debited while nobody was credited: what each day of delay costs.

Belongs here: which days are owed for. Does not: the rules (`config/tat.yaml`), the posting.
"""

from datetime import date, timedelta

from warehouse.connection import Lake
from warehouse.postings import Posting, tat_compensation
from warehouse.reconciliation.days import as_break

# A clock that has stopped was told of by then; what still runs is told of from its first day on.
_TOLD_AGAIN_DAYS = 35


def tat_postings(lake: Lake, *, as_of: date) -> list[Posting]:
    """A posting for each day after a payer's money was due, up to `as_of` or the day it was put
    right: by reconciliation, or by a person. Sent again and again, each posts once."""
    found = lake.query("tat_clocks", as_of=as_of, told_again_days=_TOLD_AGAIN_DAYS)
    postings = (
        tat_compensation(as_break(row), row["tat_due_on"] + timedelta(days=number))
        for row in found.iter_rows(named=True)
        for number in range(1, (row["ended_on"] - row["tat_due_on"]).days + 1)
    )
    return [posting for posting in postings if posting is not None]
