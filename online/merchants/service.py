"""Merchants join with a client and two keys, and are looked up on every payment."""

from uuid import UUID

from msgspec import Struct

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import NotFound
from online.merchants import store
from online.merchants.domain import Merchant
from online.platform.db import Database
from online.platform.ttl_cache import TtlCache
from online.security.service import Credentials, NewClient, NewSigningKey

# How long another process may go on with a merchant's old terms.
_STALE_S = 5


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
        merchant_id: UUID | None = None,
    ) -> NewMerchant:
        """All of it in one transaction; `merchant_id` is for worlds made from a seed."""
        now = self._clock.now()
        merchant = Merchant(
            id=merchant_id or ids.new(now),
            name=name,
            mcc=mcc,
            state_code=state_code,
            settlement_days=settlement_days,
            exposure_limit_minor=exposure_limit_minor,
            requires_signature=requires_signature,
            livemode=livemode,
            created_at=now,
        )
        keys = self._credentials
        async with self._database.transaction() as tx:
            await store.insert_merchant(tx, merchant)
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

    async def requires_signature(self, merchant_id: UUID) -> bool:
        """For the gate."""
        return (await self.get(merchant_id)).requires_signature
