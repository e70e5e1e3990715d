"""What each move of an escrow posts. Pure.

The journals are the owner's, whatever parties they touch: one for a release, with a leg a party.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from online.escrows.domain import Escrow
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.events import Event
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.accounts import Account
from online.ledger.journal import Journal


class Accounts(Struct, frozen=True, kw_only=True):
    """The pending balances of the owner and of each party, by TypeID, and the moment."""

    pending: Mapping[str, Account]
    at: datetime


def account(escrow: Escrow) -> Account:
    return chart.merchant_escrow(escrow.merchant_id, escrow.reference)


def journals(escrow: Escrow, events: Sequence[Event], accounts: Accounts) -> tuple[Journal, ...]:
    """In the order of the events; those that move no money post nothing."""
    entry = _Entry(escrow, accounts.at)
    found = (_journal(escrow, event, accounts, entry) for event in events)
    return tuple(journal for journal in found if journal is not None)


def _journal(escrow: Escrow, event: Event, accounts: Accounts, entry: "_Entry") -> Journal | None:
    own, there = accounts.pending[escrow.owner], account(escrow)
    match event:
        case ev.EscrowFunded():
            # It may go to others: what the merchant would only be lent does not.
            legs = recipes.escrow_funded(own, there, event.amount)
            return entry.journal("escrow_funded", escrow.id, legs, own_money=True)
        case ev.EscrowReleased():
            parts = [(accounts.pending[who], part) for who, part in event.parts.items()]
            legs = recipes.escrow_released(there, parts)
            return entry.journal("escrow_released", ids.decode("esc", event.release_id), legs)
        case ev.EscrowReturned():
            legs = recipes.escrow_released(there, [(own, event.amount)])
            return entry.journal("escrow_returned", ids.decode("esc", event.return_id), legs)
        case ev.EscrowChargedBack() if event.amount:
            legs = recipes.escrow_released(there, [(own, event.amount)])
            cause = _of_dispute(escrow, event.dispute_id)
            return entry.journal("escrow_charged_back", cause, legs, forced=True)
        case ev.EscrowChargebackEnded() if event.won and event.amount:
            legs = recipes.escrow_funded(own, there, event.amount)
            cause = _of_dispute(escrow, event.dispute_id)
            return entry.journal("escrow_restored", cause, legs, forced=True)
        case _:
            return None


def _of_dispute(escrow: Escrow, dispute_id: str) -> UUID:
    return ids.derived("escrow", escrow.reference, dispute_id)


class _Entry(Struct, frozen=True):
    """What every journal of an escrow says about itself."""

    escrow: Escrow
    at: datetime

    def journal(self, kind: str, cause: UUID, legs: recipes.Legs, **how: bool) -> Journal:
        """`how`: forced, or of own money."""
        escrow = self.escrow
        return Journal(
            cause=cause,
            kind=kind,
            currency=escrow.currency,
            postings=legs,
            business_date=business_date(self.at),
            effective_at=self.at,
            livemode=escrow.livemode,
            reference=escrow.reference,
            merchant_id=escrow.merchant_id,
            # Not the payment's id: what is known of the owner's payer is no party's business.
            metadata={"escrow_id": escrow.reference},
            **how,
        )
