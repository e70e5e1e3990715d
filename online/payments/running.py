"""What a use case on a payment runs with: its collaborators, who asked, what its commits carry."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from online.attempts.service import Attempts
from online.kernel.clock import Clock
from online.kernel.events import LimitTaken, Metadata
from online.ledger.change import Append, LimitMove, NewEvent, SnapshotRow
from online.ledger.writer import Writer
from online.limits.domain import UserLimits, before_rules, returned
from online.limits.service import Limits
from online.merchants.service import Merchants
from online.payments import store
from online.payments.authorizations import ExtensionRule, HoldRule
from online.payments.domain import Payment
from online.payments.escrowed import Escrowed
from online.payments.fees import FeeTable
from online.payments.late import Patience
from online.payments.orders import Call, Purses, ReviewQueue, SettledDays
from online.payments.retries import CascadeRules
from online.platform.db import Database
from online.risk.service import Risk
from online.routing.service import Routing
from online.upi.service import Upi


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One use case under way: who asked, how to answer, what to give back if it fails."""

    metadata: Metadata
    call: Call | None = None  # recovery runs without one
    taken: tuple[LimitTaken, ...] | None = None  # from limits, where that is at hand


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What the first commit of a payment carries beside it and its attempt."""

    limits: tuple[LimitMove, ...] = ()
    rows: tuple[SnapshotRow, ...] = ()
    events: tuple[NewEvent, ...] = ()
    appends: tuple[Append, ...] = ()


ALONE: Final = Beside()


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `services.py`."""

    database: Database
    writer: Writer
    clock: Clock
    attempts: Attempts
    merchants: Merchants
    risk: Risk
    routing: Routing
    fees: FeeTable
    holds: tuple[HoldRule, ...]
    extensions: tuple[ExtensionRule, ...]
    escrowed: Escrowed
    limits: Limits
    purses: Purses
    upi: Upi
    per_user: UserLimits  # by which payments were limited that kept nothing of it
    settled: SettledDays
    reviews: ReviewQueue
    cascade: CascadeRules = CascadeRules()
    patience: Patience = Patience()  # with a rail that does not give late money back


async def returned_by(payment: Payment, run: Run, with_: Collaborators) -> tuple[LimitMove, ...]:
    """What a payment that came to nothing gives back of limits."""
    if run.taken is not None:
        return returned(run.taken, payment.livemode)
    return (await returned_by_all([payment], with_))[payment.id]


async def returned_by_all(
    payments: Sequence[Payment], with_: Collaborators
) -> dict[UUID, tuple[LimitMove, ...]]:
    """As each one's first event says, or as was usual before events said so; one read."""
    if not payments:
        return {}
    async with with_.database.connection() as connection:
        kept = await store.taken(connection, [payment.id for payment in payments])
    back = {}
    for each in payments:
        took = kept.get(each.id)
        if took is None:
            payer = f"customer:{each.customer_id}" if each.customer_id else each.instrument or ""
            took = before_rules(with_.per_user, payer, each.amount_minor, each.created_at)
        back[each.id] = returned(took, each.livemode)
    return back
