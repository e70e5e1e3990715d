"""Clients for people of the house: each person one of their own, so that two are told apart."""

from online.platform.settings import load_settings
from online.security.service import NewClient
from online.services import build_services


async def new_client(scopes: frozenset[str], *, livemode: bool) -> NewClient:
    """Made in the database of the settings; its secret is shown here and never again."""
    services = build_services(load_settings())
    await services.database.open()
    try:
        async with services.database.transaction() as connection:
            return await services.credentials.create_client(
                connection, merchant_id=None, livemode=livemode, scopes=scopes
            )
    finally:
        await services.database.close()
