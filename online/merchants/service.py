"""Merchants join with a client and two keys, and are looked up on every payment."""

from collections.abc import Callable, Collection
from typing import Final
from uuid import UUID

from msgspec import Struct, structs

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import NotFound
from online.ledger import accounts as chart
from online.ledger.floors import move_bounds
from online.merchants import store
from online.merchants.domain import MdrOnRefund, Merchant, NewTerms, Size
from online.platform.db import Database
from online.platform.ttl_cache import TtlCache
from online.security.service import Credentials, NewClient, NewSigningKey

# How long another process may go on with a merchant's old terms.
_STALE_S: Final = 5
_CURRENCY: Final = "INR"  # the one that payments are taken in
_USUAL: Final = NewTerms()


class NewMerchant(Struct, frozen=True, kw_only=True):
    """The merchant and its secrets, which nobody can show again."""

    merchant: Merchant
    client: NewClient
    publishable_key: str
    signing_key: NewSigningKey


class Merchants:
    def __init__(self, database: Database, clock: Clock, credentials: Credentials) -> None:
        self._database = database
        self._clock = clock
        self._credentials = credentials
        self._known: TtlCache[UUID, Merchant] = TtlCache(ttl_s=_STALE_S)

    async def create(
        self,
        *,
        name: str,
        mcc: str,
        state_code: str,
        requires_signature: bool,
        livemode: bool,
        settlement_days: int = 1,
        exposure_limit_minor: int = 0,
        mdr_on_refund: MdrOnRefund = "kept",
        size: Size = "standard",
        terms: NewTerms = _USUAL,
        merchant_id: UUID | None = None,
        actor: str = "operator",
    ) -> NewMerchant:
        """All of it in one transaction; `terms` are those beyond what is named here.

        `merchant_id` is for worlds made from a seed.
        """
        now = self._clock.now()
        merchant = Merchant(
            id=merchant_id or ids.new(now),
            name=name,
            mcc=mcc,
            state_code=state_code,
            settlement_days=settlement_days,
            exposure_limit_minor=exposure_limit_minor,
            mdr_on_refund=mdr_on_refund,
            size=size,
            requires_signature=requires_signature,
            version=1,
            livemode=livemode,
            created_at=now,
            legal_name=name,
        )
        merchant = terms.over(merchant)
        keys = self._credentials
        async with self._database.transaction() as tx:
            await store.insert_merchant(tx, merchant, actor)
            return NewMerchant(
                merchant=merchant,
                client=await keys.create_client(tx, merchant_id=merchant.id, livemode=livemode),
                publishable_key=await keys.create_publishable_key(
                    tx, merchant_id=merchant.id, livemode=livemode
                ),
                signing_key=await keys.create_signing_key(
                    tx, merchant_id=merchant.id, livemode=livemode
                ),
            )

    async def change_terms(
        self,
        merchant_id: UUID,
        terms: NewTerms,
        agree: Callable[[Merchant], None],
        actor: str,
    ) -> Merchant:
        """Gives a merchant new terms; `agree` sees the present ones, locked, and may refuse.

        A lower exposure limit than the merchant uses already is a limit for what comes next.
        Other processes go on with the old terms for a few seconds, but not with the old floor.
        """
        now = self._clock.now()
        async with self._database.transaction() as tx:
            merchant = await store.lock_merchant(tx, merchant_id)
            if merchant is None:
                raise NotFound("there is no such merchant")
            agree(merchant)
            changed = terms.over(merchant)
            if changed == merchant:
                return merchant
            changed = structs.replace(changed, version=merchant.version + 1)
            await store.update_terms(tx, changed, actor, now)
            if changed.exposure_limit_minor != merchant.exposure_limit_minor:
                pending = chart.merchant_pending(merchant_id, changed.exposure_limit_minor)
                await move_bounds(tx, pending, _CURRENCY, livemode=merchant.livemode)
        self._known.put(merchant_id, changed)
        return changed

    async def get(self, merchant_id: UUID) -> Merchant:
        """From memory for a few seconds: every payment asks."""
        merchant = self._known.get(merchant_id)
        if merchant is None:
            async with self._database.connection() as connection:
                merchant = await store.merchant(connection, merchant_id)
            if merchant is None:
                raise NotFound("there is no such merchant")
            self._known.put(merchant_id, merchant)
        return merchant

    async def get_all(self, merchant_ids: Collection[UUID]) -> dict[UUID, Merchant]:
        """Those that there are, as they are now."""
        async with self._database.connection() as connection:
            return await store.merchants(connection, merchant_ids)

    async def requires_signature(self, merchant_id: UUID) -> bool:
        """For the gate."""
        return (await self.get(merchant_id)).requires_signature
