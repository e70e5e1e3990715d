"""The tables of credentials: clients, publishable keys, signing keys."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from online.platform.sql import Connection, load_queries

QUERIES = load_queries(__package__)


class ClientRow(Struct, frozen=True):
    client_id: str
    secret_hash: str
    merchant_id: UUID | None
    scopes: list[str]
    livemode: bool


class PublishableKeyRow(Struct, frozen=True):
    key: str
    merchant_id: UUID
    livemode: bool


class SigningKeyRow(Struct, frozen=True):
    id: str
    merchant_id: UUID
    secret_ciphertext: bytes
    key_version: int
    livemode: bool


async def client(connection: Connection, client_id: str) -> ClientRow | None:
    return await QUERIES.one_or_none(connection, "client", ClientRow, client_id=client_id)


async def insert_client(
    connection: Connection, row: ClientRow, *, row_id: UUID, created_at: datetime
) -> None:
    await QUERIES.execute(
        connection,
        "insert_client",
        id=row_id,
        client_id=row.client_id,
        secret_hash=row.secret_hash,
        merchant_id=row.merchant_id,
        scopes=row.scopes,
        livemode=row.livemode,
        created_at=created_at,
    )


async def publishable_key(connection: Connection, key: str) -> PublishableKeyRow | None:
    return await QUERIES.one_or_none(connection, "publishable_key", PublishableKeyRow, key=key)


async def insert_publishable_key(
    connection: Connection, row: PublishableKeyRow, *, created_at: datetime
) -> None:
    await QUERIES.execute(
        connection,
        "insert_publishable_key",
        key=row.key,
        merchant_id=row.merchant_id,
        livemode=row.livemode,
        created_at=created_at,
    )


async def signing_key(connection: Connection, key_id: str) -> SigningKeyRow | None:
    return await QUERIES.one_or_none(connection, "signing_key", SigningKeyRow, id=key_id)


async def insert_signing_key(
    connection: Connection, row: SigningKeyRow, *, created_at: datetime
) -> None:
    await QUERIES.execute(
        connection,
        "insert_signing_key",
        id=row.id,
        merchant_id=row.merchant_id,
        secret_ciphertext=row.secret_ciphertext,
        key_version=row.key_version,
        livemode=row.livemode,
        created_at=created_at,
    )
