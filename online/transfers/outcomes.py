"""What a rail's answer does to a transfer: events and memo postings, as one pure function.

A deemed transfer is in the books from the moment it is deemed: the payer is debited, and the
switch settles it between the banks like any other. What goes back is posted back.
"""

from datetime import datetime
from typing import Final

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.events import Event
from online.ledger import recipes
from online.ledger.journal import Journal
from online.rails.domain import Outcome, OutcomeKind
from online.transfers.domain import TRANSITIONS, Status, Transfer

_AFTER_ALL: Final = (Status.FAILED, Status.CANCELED, Status.RETURNED)
_NOT_SENT: Final = frozenset({"circuit_open", "rail_busy"})


class Effect(msgspec.Struct, frozen=True):
    """`gives_back`: it came to nothing, and what it took from limits is free again."""

    event: Event | None = None
    journal: Journal | None = None
    gives_back: bool = False


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Now, and until when a transfer that is deemed now has to be confirmed or returned."""

    at: datetime
    due_at: datetime


def effect(transfer: Transfer, attempt: Attempt, outcome: Outcome, moment: Moment) -> Effect:
    """What `outcome` of `attempt` does to `transfer`; nothing where it is further already."""
    if attempt.operation == "void":
        found = _canceling(attempt, outcome)
    elif outcome.kind is OutcomeKind.APPROVED:
        found = _done(transfer, attempt, outcome, moment)
    elif outcome.kind is OutcomeKind.DEEMED:
        found = _deemed(transfer, attempt, outcome, moment)
    elif transfer.status is Status.DEEMED:
        found = _deemed_ends(transfer, attempt, outcome, moment)
    else:
        found = _not_done(attempt, outcome)
    if found.event is None or (transfer.status, type(found.event)) in TRANSITIONS:
        return found
    return Effect()


def _canceling(attempt: Attempt, outcome: Outcome) -> Effect:
    match outcome.kind:
        case OutcomeKind.APPROVED:
            return Effect(ev.TransferCanceled(attempt_id=attempt.reference), gives_back=True)
        case OutcomeKind.DECLINED | OutcomeKind.FAILED:
            return Effect(ev.TransferCancelFailed(attempt_id=attempt.reference, code=outcome.code))
        case _:
            return Effect()


def _done(transfer: Transfer, attempt: Attempt, outcome: Outcome, moment: Moment) -> Effect:
    event = ev.TransferSucceeded(
        attempt_id=attempt.reference,
        rail_reference=outcome.rail_reference or transfer.rail_reference,
        late=transfer.late or transfer.status in _AFTER_ALL,
    )
    if transfer.status is Status.DEEMED:
        return Effect(event)
    # A bank may take its return back: the money has moved once more.
    kind = "p2p_again" if transfer.status is Status.RETURNED else "p2p"
    return Effect(event, journal(transfer, attempt, kind, outcome, moment.at))


def _deemed(transfer: Transfer, attempt: Attempt, outcome: Outcome, moment: Moment) -> Effect:
    event = ev.TransferDeemed(
        attempt_id=attempt.reference,
        code=outcome.code,
        due_at=moment.due_at,
        rail_reference=outcome.rail_reference,
        late=transfer.status in _AFTER_ALL,
    )
    return Effect(event, journal(transfer, attempt, "p2p", outcome, moment.at))


def _deemed_ends(transfer: Transfer, attempt: Attempt, outcome: Outcome, moment: Moment) -> Effect:
    if outcome.kind not in {OutcomeKind.DECLINED, OutcomeKind.FAILED}:
        return Effect()
    return Effect(
        ev.TransferReturned(attempt_id=attempt.reference, code=outcome.code),
        journal(transfer, attempt, "p2p_returned", outcome, moment.at),
        gives_back=not transfer.late,  # a late one has its limits back already
    )


def _not_done(attempt: Attempt, outcome: Outcome) -> Effect:
    match outcome.kind:
        case OutcomeKind.PENDING:
            return Effect(ev.TransferRequiresAction(attempt_id=attempt.reference))
        case OutcomeKind.UNKNOWN:
            return Effect(
                ev.TransferUnknown(
                    attempt_id=attempt.reference, code=outcome.code, message=outcome.message
                )
            )
        case OutcomeKind.DECLINED | OutcomeKind.FAILED:
            return Effect(_failed(attempt, outcome), gives_back=True)
        case _:
            return Effect()


def _failed(attempt: Attempt, outcome: Outcome) -> ev.TransferFailed:
    if outcome.kind is OutcomeKind.FAILED:
        code = "route_unavailable" if outcome.code in _NOT_SENT else "rail_failed"
    elif outcome.decline_code == "insufficient_funds":
        code = "insufficient_funds"
    else:
        code = "payment_declined"
    return ev.TransferFailed(
        code=code,
        attempt_id=attempt.reference,
        decline_code=outcome.decline_code,
        message=outcome.message,
    )


def journal(
    transfer: Transfer, attempt: Attempt, kind: str, outcome: Outcome, at: datetime
) -> Journal:
    """Under the attempt's reference, by which the switch's file names it."""
    returned = kind == "p2p_returned"
    legs = (recipes.p2p_returned if returned else recipes.p2p)(attempt.rail, transfer.amount_minor)
    return Journal(
        cause=attempt.id,
        kind=kind,
        currency=transfer.currency,
        postings=legs,
        business_date=business_date(at),
        effective_at=at,
        livemode=transfer.livemode,
        reference=attempt.reference,
        merchant_id=transfer.merchant_id,
        metadata={
            "transfer_id": ids.encode("trf", transfer.id),
            "attempt_id": attempt.reference,
            "rail": attempt.rail,
            "rail_reference": outcome.rail_reference or transfer.rail_reference,
            "method": "upi",
        },
    )
