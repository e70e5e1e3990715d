"""What a rail's outcome means for a top-up: events and postings. Pure.

While nobody knows the outcome, the amount stays promised in the pending layer. Money that the rail
has taken is the user's whatever happens: in the wallet where that is open and has room, else owed
to them (`refunds:<r>:payable`) until the rail has given it back.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.events import Event
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.change import LimitMove
from online.ledger.journal import Journal
from online.limits.domain import returned
from online.rails.domain import Outcome, OutcomeKind
from online.wallets.top_up import Status, TopUp

_FIRST_RETRY: Final = timedelta(minutes=1)
_LAST_RETRY: Final = timedelta(hours=6)
_MOST_DOUBLINGS: Final = 9


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What changes; `owed`: money came that has to go back at once."""

    events: tuple[Event, ...] = ()
    journals: tuple[Journal, ...] = ()
    limits: tuple[LimitMove, ...] = ()
    owed: bool = False


def effect(
    top_up: TopUp, attempt: Attempt, outcome: Outcome, *, credit: bool, at: datetime
) -> Effect:
    """What `outcome` of `attempt` does to `top_up`. `credit`: the wallet takes what came."""
    entry = Entry(top_up, attempt, at)
    if attempt.operation == "refund":
        return _of_return(entry, outcome)
    match outcome.kind:
        case OutcomeKind.APPROVED if top_up.status is Status.SUCCEEDED:
            return Effect()
        case OutcomeKind.APPROVED:
            return _came(entry, outcome, credit=credit)
        case OutcomeKind.PENDING:
            action = msgspec.to_builtins(outcome.next_action) if outcome.next_action else {}
            waiting = ev.TopUpRequiresAction(
                attempt_id=attempt.reference,
                next_action=action or top_up.next_action or {"type": "wait"},
            )
            return Effect(events=(waiting,))
        case OutcomeKind.DECLINED | OutcomeKind.FAILED:
            return _failed(entry, outcome)
        case _:
            unknown = ev.TopUpUnknown(
                attempt_id=attempt.reference, code=outcome.code, message=outcome.message
            )
            return Effect(events=(unknown,))


def _came(entry: "Entry", outcome: Outcome, *, credit: bool) -> Effect:
    """One that had counted as failed takes its limits again, where the wallet takes the money."""
    top_up, attempt = entry.top_up, entry.attempt
    promised, amount = attempt.is_open, top_up.amount_minor
    event = ev.TopUpSucceeded(
        attempt_id=attempt.reference,
        rail=attempt.rail,
        rail_reference=outcome.rail_reference,
        amount=amount,
        currency=top_up.currency,
        credited=credit,
        funding=outcome.funding,
    )
    # Not credited, it is owed to whom it was taken from, from the first moment.
    credited = recipes.top_up(attempt.rail, entry.lite, amount)
    legs = credited if credit else recipes.late_money(attempt.rail, amount)
    if promised:
        legs = (*recipes.top_up_ended(attempt.rail, entry.lite, amount), *legs)
    kind = "top_up" if credit else "top_up_not_credited"
    # What was promised has its room; what comes unexpectedly has to find some.
    posted = entry.journal(kind, legs, outcome, forced=promised)
    moves = returned(top_up.limits, top_up.livemode)
    if credit:
        again = tuple(msgspec.structs.replace(move, delta=-move.delta) for move in moves)
        return Effect(events=(event,), journals=(posted,), limits=() if promised else again)
    return Effect(events=(event,), journals=(posted,), limits=moves if promised else (), owed=True)


def _failed(entry: "Entry", outcome: Outcome) -> Effect:
    top_up, attempt = entry.top_up, entry.attempt
    event = ev.TopUpFailed(
        attempt_id=attempt.reference,
        code="payment_declined" if outcome.kind is OutcomeKind.DECLINED else "rail_failed",
        decline_code=outcome.decline_code,
        message=outcome.message,
    )
    legs = recipes.top_up_ended(attempt.rail, entry.lite, top_up.amount_minor)
    return Effect(
        events=(event,),
        journals=(entry.journal("top_up_failed", legs, outcome),),
        limits=returned(top_up.limits, top_up.livemode),
    )


def _of_return(entry: "Entry", outcome: Outcome) -> Effect:
    top_up, attempt = entry.top_up, entry.attempt
    match outcome.kind:
        case OutcomeKind.APPROVED:
            return _returned(entry, outcome)
        case OutcomeKind.DECLINED | OutcomeKind.FAILED:
            event = ev.TopUpReturnFailed(
                attempt_id=attempt.reference,
                amount=attempt.amount_minor,
                again_at=entry.at + _pause(top_up.return_tries),
                code=outcome.decline_code or outcome.code,
            )
            return Effect(events=(event,))
        case _:
            return Effect()


def _returned(entry: "Entry", outcome: Outcome) -> Effect:
    """The rail nets it against what it owes us. One that it had refused before, and another return
    has taken the place of, has no place here."""
    top_up, attempt = entry.top_up, entry.attempt
    amount, late = attempt.amount_minor, not attempt.is_open
    if late and amount > top_up.return_due_minor:
        event: Event = ev.TopUpUnplacedMoney(
            attempt_id=attempt.reference,
            rail=attempt.rail,
            amount=amount,
            currency=top_up.currency,
        )
        legs = recipes.unplaced_return(attempt.rail, amount)
        return Effect(events=(event,), journals=(entry.journal("unplaced_refund", legs, outcome),))
    whole = top_up.returned_minor + amount == top_up.amount_minor
    event = (ev.TopUpReturned if whole else ev.TopUpPartlyReturned)(
        attempt_id=attempt.reference,
        amount=amount,
        rail_reference=outcome.rail_reference,
        after_failing=late,
    )
    legs = recipes.refund_confirmed(attempt.rail, amount)
    return Effect(events=(event,), journals=(entry.journal("top_up_returned", legs, outcome),))


def _pause(tries: int) -> timedelta:
    """Twice as long after each refusal."""
    factor: int = 2 ** min(tries, _MOST_DOUBLINGS)
    return min(_FIRST_RETRY * factor, _LAST_RETRY)


class Entry(msgspec.Struct, frozen=True):
    """What every journal of a top-up says about itself."""

    top_up: TopUp
    attempt: Attempt
    at: datetime

    @property
    def lite(self) -> chart.Account:
        return chart.customer_lite(self.top_up.customer_id)

    def journal(
        self,
        kind: str,
        legs: recipes.Legs,
        outcome: Outcome | None = None,
        *,
        forced: bool = False,
    ) -> Journal:
        """Under the attempt's reference, by which the rail's file names it."""
        return Journal(
            cause=self.attempt.id,
            kind=kind,
            currency=self.top_up.currency,
            postings=legs,
            business_date=business_date(self.at),
            effective_at=self.at,
            livemode=self.top_up.livemode,
            reference=self.attempt.reference,
            merchant_id=self.top_up.merchant_id,
            metadata={
                "top_up_id": ids.encode("top", self.top_up.id),
                "customer_id": ids.encode("cus", self.top_up.customer_id),
                "attempt_id": self.attempt.reference,
                "rail": self.attempt.rail,
                "rail_reference": outcome.rail_reference if outcome else None,
                "method": "upi",
            },
            forced=forced,
        )
