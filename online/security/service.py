"""Credentials: made once, shown once, looked up on every call."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import Unauthenticated
from online.platform.db import Database
from online.platform.sql import Connection
from online.platform.ttl_cache import TtlCache
from online.security import store
from online.security.domain import (
    MERCHANT_SCOPES,
    PUBLISHABLE_SCOPES,
    SERVICE_SCOPES,
    Kind,
    Principal,
)
from online.security.keyfiles import KeyRing
from online.security.passwords import SecretVerifier, hash_secret, new_secret
from online.security.sealing import EncryptedField, Sealer
from online.security.tokens import TokenIssuer

# How long a revoked publishable or signing key may still pass in another process.
_STALE_S = 5
_MISSING = ""


@dataclass(eq=False)
class InvalidClient(Unauthenticated):
    """No such client, or not its secret; the caller cannot tell which."""

    code: ClassVar[str] = "invalid_client"


class AccessToken(Struct, frozen=True, kw_only=True):
    access_token: str
    expires_in: int
    scopes: frozenset[str]


class NewClient(Struct, frozen=True, kw_only=True):
    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        return f"NewClient({self.client_id!r})"


class NewSigningKey(Struct, frozen=True, kw_only=True):
    id: str
    secret: str

    def __repr__(self) -> str:
        return f"NewSigningKey({self.id!r})"


class SigningKey(Struct, frozen=True, kw_only=True):
    merchant_id: UUID
    secret: str

    def __repr__(self) -> str:
        return "SigningKey(…)"


class Credentials:
    """The use cases around clients and keys."""

    def __init__(
        self, database: Database, clock: Clock, tokens: TokenIssuer, signing_ring: KeyRing
    ) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens
        self._ring = signing_ring
        self._sealer = Sealer(signing_ring)
        self._verifier = SecretVerifier()
        self._publishable: TtlCache[str, Principal | str] = TtlCache(ttl_s=_STALE_S)
        self._signing: TtlCache[str, SigningKey | str] = TtlCache(ttl_s=_STALE_S)

    async def exchange(self, client_id: str, client_secret: str) -> AccessToken:
        """A client's id and secret for a short-lived access token."""
        async with self._database.connection() as connection:
            row = await store.client(connection, client_id)
        if not await self._verifier.verify(client_secret, row.secret_hash if row else None):
            raise InvalidClient("the client id or its secret is wrong")
        if row is None:  # never: an unknown client does not verify
            raise InvalidClient("the client id or its secret is wrong")
        principal = Principal(
            kind=Kind.MERCHANT if row.merchant_id else Kind.SERVICE,
            subject=row.client_id,
            scopes=frozenset(row.scopes),
            livemode=row.livemode,
            merchant_id=row.merchant_id,
        )
        return AccessToken(
            access_token=self._tokens.issue(principal),
            expires_in=self._tokens.ttl_s,
            scopes=principal.scopes,
        )

    async def create_client(
        self,
        connection: Connection,
        *,
        merchant_id: UUID | None,
        livemode: bool,
        scopes: frozenset[str] | None = None,
    ) -> NewClient:
        """A client of a merchant, or of our own offline side when `merchant_id` is None."""
        row_id = ids.new(self._clock.now())
        client_id = ids.encode("cli", row_id)
        secret = new_secret("sk_live" if livemode else "sk_test")
        row = store.ClientRow(
            client_id=client_id,
            secret_hash=await asyncio.to_thread(hash_secret, secret),
            merchant_id=merchant_id,
            scopes=sorted(scopes or (MERCHANT_SCOPES if merchant_id else SERVICE_SCOPES)),
            livemode=livemode,
        )
        await store.insert_client(connection, row, row_id=row_id, created_at=self._clock.now())
        return NewClient(client_id=client_id, client_secret=secret)

    async def create_publishable_key(
        self, connection: Connection, *, merchant_id: UUID, livemode: bool
    ) -> str:
        key = f"pk_{'live' if livemode else 'test'}_{secrets.token_urlsafe(18)}"
        row = store.PublishableKeyRow(key=key, merchant_id=merchant_id, livemode=livemode)
        await store.insert_publishable_key(connection, row, created_at=self._clock.now())
        return key

    async def create_signing_key(
        self, connection: Connection, *, merchant_id: UUID, livemode: bool
    ) -> NewSigningKey:
        key_id = f"sig_{secrets.token_hex(12)}"
        secret = new_secret("ssec")
        sealed = self._sealer.seal(secret.encode(), _context(key_id, merchant_id))
        row = store.SigningKeyRow(
            id=key_id,
            merchant_id=merchant_id,
            secret_ciphertext=sealed.ciphertext,
            key_version=self._ring.current,
            livemode=livemode,
        )
        await store.insert_signing_key(connection, row, created_at=self._clock.now())
        return NewSigningKey(id=key_id, secret=secret)

    async def publishable(self, key: str) -> Principal:
        """Whom a publishable key stands for; `Unauthenticated` when nobody."""
        known = self._publishable.get(key)
        if known is None:
            known = await self._look_up_publishable(key)
            self._publishable.put(key, known)
        if isinstance(known, str):
            raise Unauthenticated("the publishable key is not valid")
        return known

    async def signing_key(self, key_id: str) -> SigningKey | None:
        known = self._signing.get(key_id)
        if known is None:
            known = await self._look_up_signing_key(key_id)
            self._signing.put(key_id, known)
        return None if isinstance(known, str) else known

    async def _look_up_publishable(self, key: str) -> Principal | str:
        async with self._database.connection() as connection:
            row = await store.publishable_key(connection, key)
        if row is None:
            return _MISSING
        return Principal(
            kind=Kind.PUBLISHABLE,
            subject=row.key,
            scopes=PUBLISHABLE_SCOPES,
            livemode=row.livemode,
            merchant_id=row.merchant_id,
        )

    async def _look_up_signing_key(self, key_id: str) -> SigningKey | str:
        async with self._database.connection() as connection:
            row = await store.signing_key(connection, key_id)
        if row is None:
            return _MISSING
        sealed = EncryptedField.of(row.secret_ciphertext, self._ring.key_id(row.key_version))
        secret = self._sealer.open(sealed, _context(row.id, row.merchant_id)).decode()
        return SigningKey(merchant_id=row.merchant_id, secret=secret)


def _context(key_id: str, merchant_id: UUID) -> bytes:
    return b"signing_keys\x00" + key_id.encode() + b"\x00" + merchant_id.bytes
