"""Giving back what top-ups brought, at the rail that brought it: how such a return begins.

What a rail refuses stays owed and is begun again, ever more slowly, until it is done: it never
goes back into the wallet.
"""

from collections.abc import Sequence

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Metadata
from online.ledger import recipes
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change
from online.wallets.collaborators import Collaborators
from online.wallets.outcomes import Entry
from online.wallets.store import TOP_UPS
from online.wallets.top_up import Part, TopUp

Begun = tuple[TopUp, Attempt]


class Emptied(msgspec.Struct, frozen=True):
    """The change that begins returns, and what has to be sent once it is committed."""

    change: Change
    begun: tuple[Begun, ...]
    amount_minor: int


def emptied(with_: Collaborators, parts: Sequence[Part], metadata: Metadata) -> Emptied:
    """Takes each part out of the wallet, from here owed until its rail has given it back."""
    rows, events, journals, begun = [], [], [], []
    for part in parts:
        moved, attempt = prepare(with_, part.top_up, part.amount_minor, metadata)
        entry = Entry(part.top_up, attempt.state, with_.clock.now())
        legs = recipes.wallet_emptied(attempt.state.rail, entry.lite, part.amount_minor)
        rows += [moved.row, attempt.row]
        events += [*moved.events, *attempt.events]
        journals.append(entry.journal("wallet_emptied", legs))
        begun.append((moved.state, attempt.state))
    change = Change(snapshots=tuple(rows), events=tuple(events), journals=tuple(journals))
    return Emptied(change, tuple(begun), sum(part.amount_minor for part in parts))


def prepare(
    with_: Collaborators, top_up: TopUp, amount: int, metadata: Metadata, *, again: bool = False
) -> tuple[Moved[TopUp], Moved[Attempt]]:
    """The attempt, made to be sent, and the top-up that knows of it."""
    now = with_.clock.now()
    origin = Origin(id=ids.new(now), merchant_id=top_up.merchant_id, livemode=top_up.livemode)
    sent = ev.AttemptSent(
        operation="refund",
        amount=amount,
        currency=top_up.currency,
        rail=top_up.rail,
        route=top_up.route,
        order_id=ids.encode("top", top_up.id),
        original_id=ids.encode("att", top_up.attempt_id),
    )
    attempt = with_.attempts.prepare(origin, sent, metadata)
    asked = ev.TopUpReturnRequested(attempt_id=attempt.state.reference, amount=amount, again=again)
    return TOP_UPS.move(top_up, [asked], now, metadata), attempt
