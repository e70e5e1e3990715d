"""How an escrow goes along with what others record: refunds of its payment, and chargebacks.

`refunds` and `disputes` know this as protocols; what it answers becomes part of their commits, with
the escrow's version expected, so that nothing else moves it in between.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from online.escrows import books, decisions, store
from online.escrows.books import Accounts
from online.escrows.decisions import Voice
from online.escrows.domain import Escrow
from online.escrows.store import ESCROWS
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import NotFound
from online.kernel.events import Event, Metadata
from online.ledger import accounts as chart
from online.ledger.accounts import Account
from online.ledger.aggregate import Moved
from online.merchants.service import Merchants
from online.payments.escrowed import Chargeback, Disputed, RefundStep
from online.payments.orders import NOTHING, Followed
from online.platform.sql import Connection


def folded(
    escrow: Escrow, events: Sequence[Event], at: datetime, metadata: Metadata
) -> Moved[Escrow]:
    """Moved on by `events`, and closed where that was the last of it."""
    moved = ESCROWS.move(escrow, events, at, metadata)
    if events and moved.state.is_over:
        return ESCROWS.move(escrow, [*events, ev.EscrowClosed()], at, metadata)
    return moved


class Following:
    """Fulfils `payments.escrowed.Escrowed`."""

    def __init__(self, clock: Clock, merchants: Merchants) -> None:
        self._clock = clock
        self._merchants = merchants

    async def has(self, connection: Connection, payment_id: UUID) -> bool:
        """Whether money of that payment is in escrow."""
        return bool(await store.live_of_payment(connection, payment_id))

    # ── refunds ──────────────────────────────────────────────────────────────────────────

    async def refund(
        self, connection: Connection, step: RefundStep, metadata: Metadata
    ) -> tuple[Account | None, Followed]:
        """The account that pays for it (None: the merchant's pending balance), and what moves."""
        escrow = await store.by_id(connection, step.escrow_id)
        if escrow is None or escrow.payment_id != step.payment_id:
            raise NotFound("no such escrow", "escrow")
        events = _of_refund(escrow, step, self._clock.now())
        if not events:
            return None, NOTHING
        moved = folded(escrow, events, self._clock.now(), metadata)
        return books.account(escrow), Followed(None, (moved.row,), moved.events)

    # ── chargebacks ──────────────────────────────────────────────────────────────────────

    async def chargeback(
        self, connection: Connection, dispute: Disputed, metadata: Metadata
    ) -> Followed:
        """Several escrows may have a part of one payment: they cover it in their order."""
        escrows = await store.live_of_payment(connection, dispute.payment_id)
        left, followed = dispute.amount_minor, NOTHING
        for escrow in escrows:
            events = _of_dispute(escrow, dispute.dispute_id, left, dispute.steps)
            if not events:
                continue
            left -= sum(e.amount for e in events if isinstance(e, ev.EscrowChargedBack))
            now = self._clock.now()
            moved = folded(escrow, events, now, metadata)
            accounts = Accounts(pending=await self._pending(escrow), at=now)
            followed = Followed(
                None,
                (*followed.rows, moved.row),
                (*followed.events, *moved.events),
                (*followed.journals, *books.journals(escrow, events, accounts)),
            )
        return followed

    async def _pending(self, escrow: Escrow) -> dict[str, Account]:
        merchant = await self._merchants.get(escrow.merchant_id)
        account = chart.merchant_pending(merchant.id, merchant.exposure_limit_minor)
        return {ids.encode("mrc", merchant.id): account}


def _of_refund(escrow: Escrow, step: RefundStep, now: datetime) -> list[Event]:
    amount, refund_id = step.amount_minor, step.refund_id
    match step.step:
        case "requested":
            house = Voice(merchant_id=None, actor="refund")
            _, parts = decisions.refund(escrow, house, amount, now)
            return [ev.EscrowRefundRequested(refund_id=refund_id, amount=amount, parts=parts)]
        case "done":
            return [ev.EscrowRefunded(refund_id=refund_id, amount=amount)]
        case "failed":
            parts = next(a.parts for a in escrow.refunds if a.id == refund_id)
            return [ev.EscrowRefundFailed(refund_id=refund_id, amount=amount, parts=parts)]
        case "found":
            if escrow.held_minor < amount:
                return []  # it went another way meanwhile: the owner bears it
            parts = decisions.parts_of_refund(escrow, amount)
            asked = ev.EscrowRefundRequested(refund_id=refund_id, amount=amount, parts=parts)
            return [asked, ev.EscrowRefunded(refund_id=refund_id, amount=amount)]


def _of_dispute(
    escrow: Escrow, dispute_id: str, amount: int, steps: Sequence[Chargeback]
) -> list[Event]:
    if "opened" not in steps:
        return decisions.chargeback_ended(escrow, dispute_id, won="won" in steps)
    opened = decisions.charged_back(escrow, dispute_id, amount)
    if len(steps) == 1:
        return [opened]
    won = steps[-1] == "won"
    alone = escrow.frozen_by is None and not escrow.chargebacks
    ended = ev.EscrowChargebackEnded(
        dispute_id=dispute_id, amount=opened.amount, won=won, parts=opened.parts
    )
    return [opened, ended, ev.EscrowThawed()] if alone else [opened, ended]
