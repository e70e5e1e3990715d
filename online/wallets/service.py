"""Wallets: the public face of the slice. How money comes in: `top_ups.py`, goes back:
`returns.py`.

What a user pays from one takes no version of it: the floor of its account refuses more than is
there, and its guard refuses everything once it is closed, also where the two race.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

import msgspec

from online.customers.domain import Customer
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import (
    Conflict,
    IllegalMove,
    InsufficientFunds,
    NotFound,
    VersionConflict,
)
from online.kernel.events import Metadata
from online.ledger import accounts as chart
from online.ledger import entries, reading
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change, LimitMove, close, reopen
from online.ledger.cut import Cut, Page
from online.ledger.floors import move_bounds
from online.ledger.reading import Held
from online.limits.authority import Authority, Purchase, Source
from online.platform.idempotency import Answer, IdempotencyKey
from online.platform.known_keys import replays_first
from online.platform.lists import Window
from online.wallets import store
from online.wallets.collaborators import Collaborators
from online.wallets.domain import Wallet
from online.wallets.guards import WalletClosed, guarded
from online.wallets.recording import Recording
from online.wallets.returns import Begun, Emptied, emptied
from online.wallets.rules import WalletRule, check_payment
from online.wallets.store import WALLETS
from online.wallets.top_up import parts

CURRENCY: Final = "INR"
_DISABLE: Final = "43"
_SWEEP: Final = 200
_MOST_PARTS: Final = 100  # of a balance, in one commit


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet with what it holds; amounts in minor units. `rule`: what counts for it today."""

    wallet: Wallet
    rule: WalletRule | None
    balance_minor: int = 0
    pending_minor: int = 0  # top-ups that wait for their rail
    returning_minor: int = 0  # on its way back to where it was loaded from

    @property
    def headroom_minor(self) -> int:
        """What may be loaded now, but for the caps of its month and year."""
        if self.rule is None or not self.wallet.is_open:
            return 0
        return max(0, self.rule.ceiling_minor - self.balance_minor - self.pending_minor)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP call behind a use case: its idempotency key, and how its answer is written."""

    key: IdempotencyKey
    render: Callable[[Standing], Answer]


class Wallets:
    """Use cases on wallets."""

    def __init__(self, with_: Collaborators, recording: Recording) -> None:
        self._with = with_
        self._recording = recording

    # ── reading ──────────────────────────────────────────────────────────────────────────

    async def of_customer(self, customer_id: UUID, merchant_id: UUID) -> Wallet:
        async with self._with.database.connection() as connection:
            found = await store.wallet_of(connection, customer_id, merchant_id)
        if found is None:
            raise NotFound("this customer has no wallet", "customer_id")
        return found

    async def standing(self, customer_id: UUID, merchant_id: UUID) -> Standing:
        wallet = await self.of_customer(customer_id, merchant_id)
        customer = await self._with.customers.get(customer_id, merchant_id)
        return await self._standing(wallet, self.rule(wallet, customer))

    async def history(self, customer_id: UUID, merchant_id: UUID, asked: Window) -> Page:
        """What moved its money, newest first."""
        wallet = await self.of_customer(customer_id, merchant_id)
        async with self._with.database.transaction() as connection:
            await connection.execute("set transaction isolation level repeatable read, read only")
            account = await entries.account(connection, self._account_id(wallet))
            if account is None:
                raise NotFound("this wallet was never opened", "customer_id")
            return await entries.page(connection, account, "posted", Cut(), asked)

    def rule(self, wallet: Wallet, customer: Customer) -> WalletRule | None:
        """The row that counts for it today, by what is known of its user."""
        day = business_date(self._with.clock.now())
        return self._with.rules.of(wallet.kind, customer.kyc_level, day)

    async def source(self, reference: str, purchase: Purchase) -> Source:
        """The balance of a customer, as something to pay with."""
        customer_id = ids.decode("cus", reference)
        wallet = await self.of_customer(customer_id, purchase.merchant_id)
        customer = await self._with.customers.get(customer_id, purchase.merchant_id)
        self._with.customers.require(customer, "pay")
        if not wallet.is_open:
            raise WalletClosed("the wallet is closed", "customer_id")
        rule = _usable(self.rule(wallet, customer))
        check_payment(rule, purchase.amount_minor)
        reference = ids.encode("wal", wallet.id)
        return Source(
            authority=Authority(
                kind="lite",
                id=ids.encode("cus", customer_id),
                customer_id=customer_id,
                moves=(guarded(wallet),),
                facts={"wallet": reference, "kind": wallet.kind},
            ),
            key=self._with.vault.instrument_hash(reference),
            mask="wallet",
        )

    # ── opening and closing ──────────────────────────────────────────────────────────────

    async def open(
        self, customer_id: UUID, merchant_id: UUID, kind: str, metadata: Metadata
    ) -> Standing:
        """Opens a customer's wallet, or opens it again; one that is open stays as it is."""
        customer = await self._with.customers.get(customer_id, merchant_id)
        self._with.customers.require(customer, "top_up")
        day = business_date(self._with.clock.now())
        rule = _usable(self._with.rules.of(kind, customer.kyc_level, day))
        while True:
            async with self._with.database.connection() as connection:
                known = await store.wallet_of(connection, customer_id, merchant_id)
            if known is not None and known.is_open:
                if known.kind != kind:
                    raise IllegalMove(f"this customer has a wallet already: {known.kind}", "kind")
                wallet = known
                break
            change, wallet = self._opening(known, customer, kind, metadata)
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            break
        await self.allow(wallet, rule)
        return await self._standing(wallet, rule)

    def _opening(
        self, known: Wallet | None, customer: Customer, kind: str, metadata: Metadata
    ) -> tuple[Change, Wallet]:
        now = self._with.clock.now()
        if known is not None:
            moved = WALLETS.move(known, [ev.WalletReopened(kind=kind)], now, metadata)
            again = reopen(known.subject, known.livemode)
            return _of(moved, limits=(again,)), moved.state
        opened = ev.WalletOpened(
            customer_id=ids.encode("cus", customer.id),
            merchant_id=ids.encode("mrc", customer.merchant_id),
            kind=kind,
            currency=CURRENCY,
        )
        origin = Origin(
            id=ids.new(now), merchant_id=customer.merchant_id, livemode=customer.livemode
        )
        moved = WALLETS.create(origin, [opened], now, metadata)
        wallet = moved.state
        # The guard's counter is there from the beginning, so that whoever pays waits for whoever
        # closes.
        row = (close(wallet.subject, wallet.livemode), reopen(wallet.subject, wallet.livemode))
        return _of(moved, limits=row), wallet

    async def allow(self, wallet: Wallet, rule: WalletRule) -> None:
        """Brings the ceiling of its account to what the rule says today: dates pass, KYC rises."""
        account = chart.customer_lite(wallet.customer_id, rule.ceiling_minor)
        async with self._with.database.transaction() as tx:
            known = await reading.held(tx, self._account_id(wallet))
            if known is None or known.ceiling_minor != rule.ceiling_minor:
                await move_bounds(tx, account, wallet.currency, livemode=wallet.livemode)

    async def close(
        self, customer_id: UUID, merchant_id: UUID, call: Call, metadata: Metadata
    ) -> Answer:
        """Closes it, and sends what is in it back to where it was loaded from."""
        async with replays_first(self._with.database, call.key):
            while True:
                try:
                    answer, begun = await self._close_once(customer_id, merchant_id, call, metadata)
                except (VersionConflict, InsufficientFunds):  # paid, or loaded, meanwhile
                    continue
                break
        await self._recording.send(begun, metadata)
        return answer

    async def _close_once(
        self, customer_id: UUID, merchant_id: UUID, call: Call, metadata: Metadata
    ) -> tuple[Answer, tuple[Begun, ...]]:
        standing = await self.standing(customer_id, merchant_id)
        wallet, now = standing.wallet, self._with.clock.now()
        if not wallet.is_open:
            raise WalletClosed("the wallet is closed already", "customer_id")
        back = await self._emptied(wallet, standing.balance_minor, metadata)
        events = (
            ev.WalletClosed(amount=back.amount_minor, purpose=_DISABLE),
            # What came in since the balance was read is looked for once nothing comes in any more.
            ev.WalletSweepDue(at=now),
        )
        left = standing.balance_minor - back.amount_minor
        moved = WALLETS.move(wallet, events, now, metadata)
        after = msgspec.structs.replace(
            standing,
            wallet=moved.state,
            balance_minor=left,
            returning_minor=standing.returning_minor + back.amount_minor,
        )
        answer = call.render(after)
        key = msgspec.structs.replace(
            call.key.making("wal", wallet.id), status=answer.status, body=answer.body
        )
        stop = close(wallet.subject, wallet.livemode)
        change = _of(moved, limits=(stop,), with_=back.change)
        await self._with.writer.submit(msgspec.structs.replace(change, reserve=key))
        return answer, back.begun

    async def sweep_due(self) -> int:
        """Sends back what came into wallets that are closed; answers how many were looked at."""
        now = self._with.clock.now()
        metadata = Metadata(actor="worker:wallets")
        async with self._with.database.connection() as connection:
            due = await store.sweeping(connection, now, _SWEEP)
        for wallet in due:
            held = await self._held(wallet)
            back = await self._emptied(wallet, held.posted_minor, metadata)
            left = held.posted_minor - back.amount_minor
            swept = ev.WalletSwept(amount=back.amount_minor, again_at=now if left else None)
            moved = WALLETS.move(wallet, [swept], now, metadata)
            try:
                await self._with.writer.submit(_of(moved, with_=back.change))
            except (VersionConflict, InsufficientFunds):  # somebody else was faster
                continue
            await self._recording.send(back.begun, metadata)
        return len(due)

    async def _emptied(self, wallet: Wallet, balance: int, metadata: Metadata) -> Emptied:
        async with self._with.database.connection() as connection:
            loaded = await store.returnable(connection, wallet.id, _MOST_PARTS)
        return emptied(self._with, parts(balance, loaded), metadata)

    # ── money that is paid back ──────────────────────────────────────────────────────────

    async def refunded(self, customer_id: UUID, merchant_id: UUID, metadata: Metadata) -> Change:
        """What goes along with money that comes back into a wallet: of one that is open its guard,
        of one that is closed the order to send the money on."""
        wallet = await self.of_customer(customer_id, merchant_id)
        if wallet.is_open:
            # Closed meanwhile, it is to be decided again: what is paid back is never refused.
            return Change(limits=(guarded(wallet, VersionConflict),))
        now = self._with.clock.now()
        return _of(WALLETS.move(wallet, [ev.WalletSweepDue(at=now)], now, metadata))

    # ── inside ───────────────────────────────────────────────────────────────────────────

    async def _standing(self, wallet: Wallet, rule: WalletRule | None) -> Standing:
        held = await self._held(wallet)
        async with self._with.database.connection() as connection:
            returning = await store.returning_minor(connection, wallet.id)
        return Standing(
            wallet=wallet,
            rule=rule,
            balance_minor=held.posted_minor,
            pending_minor=held.pending_minor,
            returning_minor=returning,
        )

    async def _held(self, wallet: Wallet) -> Held:
        async with self._with.database.connection() as connection:
            return await reading.held(connection, self._account_id(wallet)) or Held()

    def _account_id(self, wallet: Wallet) -> UUID:
        return chart.customer_lite(wallet.customer_id).id(wallet.currency, wallet.livemode, 0)


def _usable(rule: WalletRule | None) -> WalletRule:
    if rule is None:
        raise Conflict("no rule allows such a wallet with this KYC", "kind")
    return rule


def _of(
    moved: Moved[Wallet], *, limits: tuple[LimitMove, ...] = (), with_: Change | None = None
) -> Change:
    """The change of a wallet, with what goes along."""
    along = with_ or Change()
    return msgspec.structs.replace(
        along,
        snapshots=(moved.row, *along.snapshots),
        events=(*moved.events, *along.events),
        limits=(*limits, *along.limits),
    )
