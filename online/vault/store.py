"""The vault's one table."""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from online.platform.sql import Connection, load_queries
from online.vault.domain import CardToken
from online.vault.sealed import Place, SealedText

QUERIES = load_queries(__package__)


class SealedCard(Struct, frozen=True):
    pan_ciphertext: bytes | None
    key_id: str
    exp_month: int
    exp_year: int


async def insert_card(
    connection: Connection,
    token: CardToken,
    *,
    pan_ciphertext: bytes,
    key_id: str,
    created_at: datetime,
) -> None:
    await QUERIES.execute(
        connection,
        "insert_card",
        **msgspec.structs.asdict(token),
        pan_ciphertext=pan_ciphertext,
        key_id=key_id,
        created_at=created_at,
    )


async def token(connection: Connection, token_id: UUID, merchant_id: UUID) -> CardToken | None:
    return await QUERIES.one_or_none(
        connection, "token", CardToken, id=token_id, merchant_id=merchant_id
    )


async def sealed_card(
    connection: Connection, token_id: UUID, merchant_id: UUID
) -> SealedCard | None:
    return await QUERIES.one_or_none(
        connection, "sealed_card", SealedCard, id=token_id, merchant_id=merchant_id
    )


async def sealed_text(connection: Connection, place: Place) -> SealedText | None:
    return await QUERIES.one_or_none(
        connection,
        "sealed_text",
        SealedText,
        id=place.id,
        merchant_id=place.merchant_id,
        purpose=place.purpose,
    )
