"""Top-ups: loading money into a wallet by a rail, as a payment is made.

The attempt is committed with what it holds (room below the ceiling, the caps of month and year),
the rail is called with no transaction open, the outcome is committed.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.customers.domain import mask_vpa
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import Conflict, Headroom, InsufficientFunds, LimitExceeded, NotFound
from online.kernel.events import Metadata
from online.ledger import recipes
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change
from online.limits.domain import taken
from online.limits.service import Spend
from online.merchants.domain import Merchant
from online.platform.known_keys import replays_first
from online.platform.lists import Window, cut
from online.rails.domain import AuthorizeRequest, Outcome, Upi
from online.routing.domain import RouteDecision, RouteRequest
from online.wallets import store
from online.wallets.collaborators import Collaborators
from online.wallets.guards import WalletClosed, guarded
from online.wallets.orders import TopUpCall, TopUpOrder
from online.wallets.outcomes import Entry
from online.wallets.recording import Recording
from online.wallets.returns import prepare
from online.wallets.rules import WalletRule
from online.wallets.service import Standing, Wallets
from online.wallets.store import TOP_UPS
from online.wallets.top_up import TopUp

_FIRST: Final = "41"
_LATER: Final = "42"
_BATCH: Final = 200
# How long a first call may take before its key no longer counts as in flight.
BUSY: Final = timedelta(seconds=45)


class TopUps:
    """Use cases on top-ups."""

    def __init__(self, with_: Collaborators, wallets: Wallets, recording: Recording) -> None:
        self._with = with_
        self._wallets = wallets
        self._recording = recording

    async def get(self, top_up_id: UUID, merchant_id: UUID) -> TopUp:
        async with self._with.database.connection() as connection:
            found = await store.top_up_of_merchant(connection, top_up_id, merchant_id)
        if found is None:
            raise NotFound("no such top-up", "id")
        return found

    async def page(
        self, customer_id: UUID, merchant_id: UUID, asked: Window
    ) -> tuple[list[TopUp], bool]:
        """Of a customer's wallet, newest first, and whether there are more."""
        wallet = await self._wallets.of_customer(customer_id, merchant_id)
        async with self._with.database.connection() as connection:
            return cut(await store.top_ups(connection, wallet.id, asked), asked)

    async def create(self, order: TopUpOrder, call: TopUpCall, metadata: Metadata) -> TopUp:
        """Asks the rail for the money; answers with the top-up as it stands after that."""
        merchant = await self._with.merchants.get(order.merchant_id)
        async with replays_first(self._with.database, call.key):
            top_up, attempt = await self._begin(order, merchant, call, metadata)
        payee = f"{ids.encode('mrc', merchant.id)}@khata"
        upi = Upi(flow=order.flow, payee_vpa=payee, payer_vpa=order.vpa)  # type: ignore[arg-type]
        request = AuthorizeRequest(
            reference=attempt.reference,
            amount_minor=top_up.amount_minor,
            currency=top_up.currency,
            capture=True,
            upi=upi.to(merchant.name, merchant.mcc),
        )
        answered = await self._with.attempts.send(attempt, request, metadata)
        return await self._recording.record(top_up, attempt, answered, metadata, call)

    async def resolve(
        self, attempt: Attempt, metadata: Metadata, told: Outcome | None = None
    ) -> TopUp | None:
        """Records what became of an attempt: by the rail's own word (`told`), or by asking it."""
        answered = await self._with.attempts.learn(attempt, metadata, told)
        async with self._with.database.connection() as connection:
            top_up = await store.top_up(connection, ids.decode("top", attempt.order_id or ""))
        if top_up is None or answered is None:
            return top_up
        return await self._recording.record(top_up, attempt, answered, metadata)

    async def return_due(self) -> int:
        """Begins again to give back what rails had refused; answers how many. For the worker: of
        two that begin the same, one is refused."""
        metadata = Metadata(actor="worker:wallets")
        async with self._with.database.connection() as connection:
            due = await store.return_due(connection, self._with.clock.now(), _BATCH)
        begun, changes = [], []
        for top_up in due:
            amount = top_up.return_due_minor
            moved, attempt = prepare(self._with, top_up, amount, metadata, again=True)
            begun.append((moved.state, attempt.state))
            rows, events = (moved.row, attempt.row), (*moved.events, *attempt.events)
            changes.append(Change(snapshots=rows, events=events))
        refusals = await self._with.writer.submit_all(changes)
        ours = [each for each, refusal in zip(begun, refusals, strict=True) if refusal is None]
        await self._recording.send(ours, metadata)
        return len(ours)

    # ── the first commit ─────────────────────────────────────────────────────────────────

    async def _begin(
        self, order: TopUpOrder, merchant: Merchant, call: TopUpCall, metadata: Metadata
    ) -> tuple[TopUp, Attempt]:
        standing, rule = await self._open_for(order)
        now = self._with.clock.now()
        origin = Origin(id=ids.new(now), merchant_id=merchant.id, livemode=standing.wallet.livemode)
        decision = await self._with.routing.choose(
            RouteRequest(
                payment_id=origin.id,
                method="upi",
                amount_minor=order.amount_minor,
                currency=standing.wallet.currency,
                merchant_id=merchant.id,
                mcc=merchant.mcc,
            )
        )
        attempt = self._attempt(origin, order, decision, metadata)
        decided = await self._with.limits.decide(
            Spend(
                kind="topup",
                subject=f"customer:{order.customer_id}",
                merchant_id=merchant.id,
                customer_id=order.customer_id,
                amount_minor=order.amount_minor,
                at=now,
                livemode=origin.livemode,
                method="upi",
            )
        )
        created = await self._created(order, standing, decision, attempt)
        created = msgspec.structs.replace(created, limits=taken(decided.moves))
        top_up = TOP_UPS.create(origin, [created], now, metadata)
        entry = Entry(top_up.state, attempt.state, now)
        legs = recipes.top_up_begun(attempt.state.rail, entry.lite, order.amount_minor)
        change = Change(
            snapshots=(top_up.row, attempt.row),
            events=(*top_up.events, *attempt.events),
            journals=(entry.journal("top_up_begun", legs),),
            limits=(guarded(standing.wallet), *decided.moves),
            reserve=call.key.making("top", origin.id),
        )
        try:
            await self._with.writer.submit(change)
        except InsufficientFunds:
            # Nothing else that it moves has a bound.
            self._with.routing.give_back(decision.route)
            raise _full(rule, standing) from None
        except BaseException:
            self._with.routing.give_back(decision.route)
            raise
        return top_up.state, attempt.state

    async def _open_for(self, order: TopUpOrder) -> tuple[Standing, WalletRule]:
        """The wallet, with its ceiling as it is today."""
        customer = await self._with.customers.get(order.customer_id, order.merchant_id)
        self._with.customers.require(customer, "top_up")
        standing = await self._wallets.standing(order.customer_id, order.merchant_id)
        if not standing.wallet.is_open:
            raise WalletClosed("the wallet is closed", "customer_id")
        if standing.rule is None:
            raise Conflict("no rule allows such a wallet with this KYC", "customer_id")
        await self._wallets.allow(standing.wallet, standing.rule)
        return standing, standing.rule

    async def _created(
        self,
        order: TopUpOrder,
        standing: Standing,
        decision: RouteDecision,
        attempt: Moved[Attempt],
    ) -> ev.TopUpCreated:
        wallet = standing.wallet
        async with self._with.database.connection() as connection:
            later = await store.has_top_ups(connection, wallet.id)
        payer = order.vpa or ids.encode("cus", wallet.customer_id)
        return ev.TopUpCreated(
            wallet_id=ids.encode("wal", wallet.id),
            customer_id=ids.encode("cus", wallet.customer_id),
            merchant_id=ids.encode("mrc", wallet.merchant_id),
            amount=order.amount_minor,
            currency=wallet.currency,
            purpose=_LATER if later else _FIRST,
            instrument=self._with.vault.instrument_hash(payer),
            instrument_mask=mask_vpa(order.vpa) if order.vpa else "upi",
            attempt_id=attempt.state.reference,
            route=decision.route,
            rail=attempt.state.rail,
            route_decision=msgspec.to_builtins(decision),
            limits=(),
        )

    def _attempt(
        self, top_up: Origin, order: TopUpOrder, decision: RouteDecision, metadata: Metadata
    ) -> Moved[Attempt]:
        sent = ev.AttemptSent(
            operation="authorize",
            amount=order.amount_minor,
            currency="INR",
            rail=self._with.routing.rail_of(decision.route),
            route=decision.route,
            order_id=ids.encode("top", top_up.id),
        )
        origin = msgspec.structs.replace(top_up, id=ids.new(self._with.clock.now()))
        return self._with.attempts.prepare(origin, sent, metadata)


def _full(rule: WalletRule, standing: Standing) -> LimitExceeded:
    """As it stood before; who came first may have taken the room since."""
    most = rule.ceiling_minor
    return LimitExceeded(
        f"the wallet may hold {most} at most, with what is on its way into it",
        "amount",
        limit=Headroom(rule="wallet.balance", cap=most, headroom=standing.headroom_minor),
    )
