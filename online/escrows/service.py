"""Escrows: the public face of the slice.

Everything that moves is decided from the escrow as it is, and committed with its version expected;
when it has moved meanwhile, it is decided again. So of fifty releases at once exactly what is there
goes, and nothing moves once it is frozen.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct, structs

from online.escrows import books, decisions, store
from online.escrows.books import Accounts
from online.escrows.decisions import OverEscrowed, Voice
from online.escrows.domain import Escrow
from online.escrows.following import folded
from online.escrows.rules import EscrowRule, check_time
from online.escrows.store import ESCROWS, Filter
from online.escrows.terms import BUYER
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import (
    IllegalMove,
    InvalidRequest,
    KhataError,
    NotFound,
    VersionConflict,
)
from online.kernel.events import Event, Metadata
from online.ledger import accounts as chart
from online.ledger.accounts import Account
from online.ledger.aggregate import Origin
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.merchants.service import Merchants
from online.payments.deemed import DEEMED
from online.payments.domain import TRANSITIONS, Payment
from online.payments.onus import ONUS
from online.payments.orders import NOTHING, Followed
from online.payments.service import Payments
from online.platform.db import Database
from online.platform.idempotency import Answer, IdempotencyKey
from online.platform.known_keys import replays_first
from online.platform.lists import Window, cut

_BATCH: Final = 100
_log = structlog.get_logger(__name__)


# Asks `refunds` for money to go back: of the payment, its merchant, the escrow; how much.
GiveBack = Callable[[UUID, UUID, UUID, int, Metadata], Awaitable[object]]


class Collaborators(Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `build.py`."""

    database: Database
    writer: Writer
    clock: Clock
    merchants: Merchants
    payments: Payments
    give_back: GiveBack
    rules: tuple[EscrowRule, ...]


class Call(Struct, frozen=True, kw_only=True):
    """Who calls, about which escrow; with its key, where the call moves money."""

    voice: Voice
    tenant: UUID | None  # None is one of ours, who may see them all
    livemode: bool
    metadata: Metadata
    render: Callable[[Escrow], Answer]
    key: IdempotencyKey | None = None


Decide = Callable[[Escrow, datetime], list[Event]]


class Escrows:
    """Use cases on escrows."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    # ── reading ──────────────────────────────────────────────────────────────────────────

    async def get(self, escrow_id: UUID, tenant: UUID | None, *, livemode: bool) -> Escrow:
        async with self._with.database.connection() as connection:
            found = await store.get(connection, escrow_id, tenant, livemode=livemode)
        if found is None:
            raise NotFound("no such escrow", "id")
        return found

    async def page(self, wanted: Filter, asked: Window) -> tuple[list[Escrow], bool]:
        """Newest first; whether there are more."""
        async with self._with.database.connection() as connection:
            return cut(await store.page(connection, wanted, asked), asked)

    # ── agreeing ─────────────────────────────────────────────────────────────────────────

    async def propose(self, proposed: ev.EscrowProposed, owner: UUID, call: Call) -> Answer:
        """The agreement as its owner wants it; every other party has to accept."""
        await self._check_parties(proposed, call)
        now = self._with.clock.now()
        check_time(self._with.rules, proposed.expires_at, now)
        if proposed.payment_id is not None:
            await self._with.payments.get(ids.decode("pay", proposed.payment_id), owner)
        now = self._with.clock.now()
        origin = Origin(id=ids.new(now), merchant_id=owner, livemode=call.livemode)
        made = ESCROWS.create(origin, decisions.propose(proposed), now, call.metadata)
        answer = call.render(made.state)
        change = Change(
            snapshots=(made.row,), events=made.events, reserve=_answered(call, made.state, answer)
        )
        await self._with.writer.submit(change)
        return answer

    async def accept(self, escrow_id: UUID, call: Call) -> Answer:
        return await self._act(escrow_id, call, lambda e, _: decisions.accept(e, call.voice))

    async def cancel(self, escrow_id: UUID, call: Call) -> Answer:
        return await self._act(escrow_id, call, lambda e, _: decisions.cancel(e, call.voice))

    # ── money in ─────────────────────────────────────────────────────────────────────────

    async def fund(self, escrow_id: UUID, call: Call) -> Answer:
        """Sets the money aside: of the payment, where one stands behind it, else of whatever is
        pending. Refused for want of funds by the floor of the pending balance."""
        return await self._act(escrow_id, call, lambda e, now: decisions.fund(e, call.voice, now))

    # ── what was agreed on ───────────────────────────────────────────────────────────────

    async def say(self, escrow_id: UUID, kind: str, reference: str | None, call: Call) -> Answer:
        """An approval or the confirmation of a delivery; where that was the last thing missing and
        the release is automatic, the money goes with the same commit."""

        def decide(escrow: Escrow, now: datetime) -> list[Event]:
            events = decisions.say(escrow, call.voice, kind, reference)
            after = ESCROWS.move(escrow, events, now, call.metadata).state if events else escrow
            if events and after.release == "automatic" and after.is_ripe(now):
                events += decisions.released(after, _new_id(now), None, "conditions")
            return events

        return await self._act(escrow_id, call, decide)

    async def release(self, escrow_id: UUID, amount: int | None, call: Call) -> Answer:
        return await self._act(
            escrow_id, call, lambda e, now: decisions.release(e, _new_id(now), amount, now)
        )

    async def take_back(self, escrow_id: UUID, amount: int | None, call: Call) -> Answer:
        """To the owner's pending balance, where no payment stands behind it; else `refunds` gives
        the buyer's money back out of the escrow."""

        def decide(escrow: Escrow, now: datetime) -> list[Event]:
            if escrow.payment_id is not None:
                raise IllegalMove("it goes back to the payer: refund the payment out of the escrow")
            wanted, parts = decisions.refund(escrow, call.voice, amount, now)
            return [_returned(now, wanted, parts, "owner")]

        return await self._act(escrow_id, call, decide)

    # ── disagreeing ──────────────────────────────────────────────────────────────────────

    async def freeze(self, escrow_id: UUID, reason: str, call: Call) -> Answer:
        return await self._act(
            escrow_id, call, lambda e, _: decisions.freeze(e, call.voice, reason)
        )

    async def resolve(self, escrow_id: UUID, parts: Mapping[str, int] | None, call: Call) -> Answer:
        """Of the parties each has to say the same; the house decides alone. What the parties get
        goes with the same commit, what the buyer gets by the worker."""

        def decide(escrow: Escrow, now: datetime) -> list[Event]:
            events = decisions.resolve(escrow, call.voice, parts)
            after = ESCROWS.move(escrow, events, now, call.metadata).state
            return events + _resolved(after, events, now)

        return await self._act(escrow_id, call, decide)

    # ── time, for the worker ─────────────────────────────────────────────────────────────

    async def run_due(self) -> int:
        """What time alone brings: the end of what was never funded, release, money back."""
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            due = await store.due(connection, now, _BATCH)
        metadata = Metadata(actor="worker:escrows")
        changes = []
        for escrow in due:
            events = decisions.expire(escrow, _new_id(now), now)
            after = ESCROWS.move(escrow, events, now, metadata).state if events else escrow
            events += _resolved(after, events, now)
            if events:
                changes.append(await self._change(escrow, events, now, metadata))
        refusals = await self._with.writer.submit_all(changes)
        given = [
            await self._give_back(escrow, metadata) for escrow in due if escrow.buyer_due_minor
        ]
        return sum(refusal is None for refusal in refusals) + sum(given)

    async def _give_back(self, escrow: Escrow, metadata: Metadata) -> bool:
        """What is the buyer's, by a refund; of two workers one finds nothing left. What they have
        got back otherwise, out of the owner's other money, is the owner's."""
        assert escrow.payment_id is not None  # else it went to the owner
        due = escrow.buyer_due_minor
        try:
            payment = await self._with.payments.get(escrow.payment_id, escrow.merchant_id)
            if payment.refundable_minor < due:
                excess = due - payment.refundable_minor
                now = self._with.clock.now()
                event = _returned(now, excess, {BUYER: excess}, "refunded otherwise")
                await self._with.writer.submit(await self._change(escrow, [event], now, metadata))
                return True
            await self._with.give_back(
                escrow.payment_id, escrow.merchant_id, escrow.id, due, metadata
            )
        except KhataError as refusal:
            _log.warning("escrow_keeps", escrow=escrow.reference, code=refusal.code)
            return False
        return True

    # ── inside ───────────────────────────────────────────────────────────────────────────

    async def _act(self, escrow_id: UUID, call: Call, decide: Decide) -> Answer:
        """Decides, and commits; again, when it has moved meanwhile."""
        async with replays_first(self._with.database, call.key) if call.key else nullcontext():
            while True:
                escrow = await self.get(escrow_id, call.tenant, livemode=call.livemode)
                now = self._with.clock.now()
                events = decide(escrow, now)
                if not events and call.key is None:
                    return call.render(escrow)
                change = await self._change(escrow, events, now, call.metadata, call)
                try:
                    await self._with.writer.submit(change)
                except VersionConflict:
                    continue
                return call.render(_state(change, escrow))

    async def _change(
        self,
        escrow: Escrow,
        events: Sequence[Event],
        now: datetime,
        metadata: Metadata,
        call: Call | None = None,
    ) -> Change:
        """The whole of a decision: the escrow, its payment where money goes in, the books."""
        moved = folded(escrow, events, now, metadata)
        paid = await self._escrowed(escrow, events, metadata)
        accounts = Accounts(pending=await self._pending(escrow), at=now)
        key = _answered(call, moved.state, call.render(moved.state)) if call and call.key else None
        return Change(
            snapshots=(moved.row, *paid.rows),
            events=(*moved.events, *paid.events),
            journals=books.journals(escrow, events, accounts),
            reserve=key,
        )

    async def _escrowed(
        self, escrow: Escrow, events: Sequence[Event], metadata: Metadata
    ) -> Followed:
        """A payment whose money goes in moves along: so no reversal and no other escrow passes."""
        funded = next((e for e in events if isinstance(e, ev.EscrowFunded)), None)
        if funded is None or escrow.payment_id is None:
            return NOTHING
        payment = await self._with.payments.get(escrow.payment_id, escrow.merchant_id)
        async with self._with.database.connection() as connection:
            before = await store.funded_of_payment(connection, payment.id)
        check_room(payment, before, funded.amount)
        event = ev.PaymentEscrowed(escrow_id=escrow.reference, amount=funded.amount)
        moved = self._with.payments.moved(payment, [event], metadata)
        return Followed(None, (moved.row,), moved.events)

    async def _pending(self, escrow: Escrow) -> dict[str, Account]:
        names = sorted(escrow.voices)
        found = await self._with.merchants.get_all([ids.decode("mrc", name) for name in names])
        return {
            ids.encode("mrc", m.id): chart.merchant_pending(m.id, m.exposure_limit_minor)
            for m in found.values()
        }

    async def _check_parties(self, proposed: ev.EscrowProposed, call: Call) -> None:
        """Every party is a merchant of ours, of the same mode."""
        named = [ids.decode("mrc", party.merchant_id) for party in proposed.parties]
        found = await self._with.merchants.get_all(named)
        strangers = [id_ for id_ in named if id_ not in found]
        if strangers or any(m.livemode != call.livemode for m in found.values()):
            raise InvalidRequest("every party is a merchant of this mode", "parties")


def check_room(payment: Payment, before: int, amount: int) -> None:
    """Of what was captured, each rupee goes into escrow once, and only while it may go back."""
    if (payment.status, ev.PaymentEscrowed) not in TRANSITIONS:
        raise IllegalMove(f"a payment that is {payment.status} has no money for an escrow")
    if payment.deemed == DEEMED:
        raise IllegalMove("its credit is not confirmed yet: wait for the bank's last word")
    if payment.rail == ONUS:
        raise IllegalMove("what was paid from a wallet goes back there: it cannot be set aside")
    left = min(payment.refundable_minor, payment.captured_minor - before)
    if amount > left:
        raise OverEscrowed(f"{amount} asked for, {left} of the payment can be set aside", "payment")


def _resolved(after: Escrow, events: Sequence[Event], now: datetime) -> list[Event]:
    """What a resolution (by whom or what ever) lets go at once."""
    found = next((e for e in events if isinstance(e, ev.EscrowResolved)), None)
    if found is None or "parts" not in found.resolution:
        return []
    more: list[Event] = []
    if after.held_minor > after.buyer_due_minor:
        more += decisions.released(after, _new_id(now), None, "resolution")
    if after.buyer_due_minor and after.payment_id is None:
        buyer = {BUYER: after.buyer_due_minor}
        more.append(_returned(now, after.buyer_due_minor, buyer, "resolution"))
    return more


def _returned(now: datetime, amount: int, parts: dict[str, int], reason: str) -> ev.EscrowReturned:
    return ev.EscrowReturned(return_id=_new_id(now), amount=amount, parts=parts, reason=reason)


def _new_id(now: datetime) -> str:
    """Of one release or return: what its journal posts under."""
    return ids.encode("esc", ids.new(now))


def _state(change: Change, before: Escrow) -> Escrow:
    state = change.snapshots[0].row
    assert isinstance(state, Escrow), before.reference
    return state


def _answered(call: Call, escrow: Escrow, answer: Answer) -> IdempotencyKey:
    """The key of a call whose first commit is its last."""
    assert call.key is not None
    key = call.key.making("esc", escrow.id)
    return structs.replace(key, status=answer.status, body=answer.body)
