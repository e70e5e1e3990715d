"""What leaves suspense by a person's decision, and comes back by reconciliation's. Pure.

Both are caused by one opening of one break, so that each posts once, whoever asks how often.
"""

from datetime import datetime
from typing import Any

from online.breaks.domain import Break
from online.kernel import ids
from online.kernel.clock import business_date
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.accounts import Account
from online.ledger.journal import Journal
from online.ledger.recipes import Legs


def explained(found: Break, kind: str, to: Account, now: datetime) -> Journal:
    """The break's suspense to the account that it belongs to or is written off on."""
    return Journal(
        cause=found.moving_cause,
        kind=kind,
        postings=_legs(found, to, found.suspense_minor),
        **_about(found, now),
    )


def returned(found: Break, now: datetime) -> Journal:
    """Reconciliation found the missing row after all: what a resolution or a write-off took out
    of suspense goes back there, since the reversal of the break takes it from there once more."""
    return Journal(
        cause=ids.derived(str(found.moving_cause), "reversal"),
        kind="break_returned",
        postings=_legs(found, _account(found.moved_to or ""), -found.moved_minor),
        forced=True,  # it has happened: no floor can undo it
        **_about(found, now),
    )


def _legs(found: Break, to: Account, amount: int) -> Legs:
    return recipes.out_of_suspense(_account(found.suspense_account or ""), to, amount)


def _about(found: Break, now: datetime) -> dict[str, Any]:
    return {
        "currency": found.currency,
        "business_date": business_date(now),
        "effective_at": now,
        "livemode": found.livemode,
        "reference": ids.encode("brk", found.id),
        "metadata": {"break_kind": found.kind, "subject": found.reference or ""},
    }


def _account(code: str) -> Account:
    if code.startswith("writeoff:"):
        return chart.writeoff(code.removeprefix("writeoff:"))
    account = chart.offline_account(code)
    assert account is not None, code
    return account
