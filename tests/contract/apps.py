"""A small service over a test database: credentials, merchants, customers, cards, nothing else."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from litestar import Litestar, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery
from litestar.testing import AsyncTestClient

from online.customers import routes as customers_routes
from online.customers.rights import load_rights
from online.customers.service import Customers
from online.kernel.clock import FixedClock
from online.merchants import routes as merchants_routes
from online.merchants.service import Merchants, NewMerchant
from online.platform.db import Database
from online.platform.http import HttpPlugin, wrap
from online.platform.openapi_page import openapi_config
from online.platform.settings import ROOT, load_settings
from online.security import routes as security_routes
from online.security.build import Security, build_security
from online.security.domain import Principal, allow, allow_anyone, is_signed, schemes_of
from online.security.signatures import canonical, sign
from online.vault import routes as vault_routes
from online.vault.service import Vault, build_vault

ADMIN_TOKEN = "admin-token-of-this-test"


@post("/api/v1/pay", opt=allow("payments:write", signed=True), status_code=200)
async def pay(
    principal: NamedDependency[Principal], note: FromQuery[str] = "", x: FromQuery[int] = 0
) -> dict[str, str]:
    return {"actor": principal.actor, "note": note, "x": str(x)}


@get("/internal/v1/work", opt=allow("service"))
async def work(principal: NamedDependency[Principal]) -> dict[str, str]:
    return {"actor": principal.actor}


@get("/forgotten")
async def forgotten() -> dict[str, str]:
    return {"open": "by mistake"}


@get("/health", opt=allow_anyone())
async def health() -> dict[str, str]:
    return {"status": "ok"}


class World(msgspec.Struct, frozen=True, kw_only=True):
    """A running app, its parts, and one merchant."""

    client: AsyncTestClient[Litestar]
    clock: FixedClock
    database: Database
    security: Security
    merchants: Merchants
    vault: Vault
    merchant: NewMerchant

    async def token(self, of: NewMerchant | None = None) -> str:
        client = (of or self.merchant).client
        body = {
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "grant_type": "client_credentials",
        }
        response = await self.client.post("/api/v1/auth/token", json=body)
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    async def bearer(self, of: NewMerchant | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.token(of)}"}

    def signature(self, target: str, body: bytes, **changes: Any) -> dict[str, str]:
        """A good signature header, unless `changes` say otherwise."""
        given: dict[str, Any] = {
            "at": self.clock.now(),
            "nonce": hashlib.sha256(repr((target, body, changes)).encode()).hexdigest()[:20],
            "key": self.merchant.signing_key,
            "method": "POST",
            "idempotency_key": "",
            **changes,
        }
        timestamp = int(given["at"].timestamp())
        text = canonical(
            timestamp=timestamp,
            nonce=given["nonce"],
            method=given["method"],
            target=target.encode(),
            body=body,
            idempotency_key=given["idempotency_key"],
        )
        value = sign(given["key"].secret, text)
        assert hmac.compare_digest(value, value.lower())
        parts = f"t={timestamp},n={given['nonce']},kid={given['key'].id},v1={value}"
        return {"Khata-Request-Signature": parts}

    def later(self, **by: int) -> None:
        self.clock.advance(timedelta(**by))


@asynccontextmanager
async def world(
    database_url: str, data_dir: Path, clock: FixedClock, environ: Mapping[str, str] | None = None
) -> AsyncIterator[World]:
    settings = load_settings(environ={"KHATA_DATA_DIR": str(data_dir), **(environ or {})})
    database = Database(database_url, size=4)

    class Policies:
        async def requires_signature(self, merchant_id: UUID) -> bool:
            return await merchants.requires_signature(merchant_id)

    security = build_security(settings, database, clock, Policies(), admin_token=ADMIN_TOKEN)
    merchants = Merchants(database, clock, security.credentials)
    vault = build_vault(database, clock, data_dir / "keys")
    customers = Customers(database, clock, load_rights(ROOT / "config" / "users.yaml"))
    provided = {"merchants": merchants, "customers": customers, "vault": vault}
    app = Litestar(
        [
            *(pay, work, forgotten, health),
            *security_routes.root_handlers,
            *(
                slice_.router
                for slice_ in (security_routes, merchants_routes, customers_routes, vault_routes)
            ),
        ],
        guards=[security.gate.guard],
        plugins=[HttpPlugin()],
        dependencies={**security.dependencies, **{k: _given(v) for k, v in provided.items()}},
        openapi_config=openapi_config(
            version="1", opt=allow_anyone(), security_of=schemes_of, signed_of=is_signed
        ),
    )
    await database.open()
    try:
        merchant = await new_merchant(merchants)
        async with AsyncTestClient(wrap(app), raise_server_exceptions=False) as client:
            yield World(
                client=client,
                clock=clock,
                database=database,
                security=security,
                merchants=merchants,
                vault=vault,
                merchant=merchant,
            )
    finally:
        await database.close()


async def new_merchant(merchants: Merchants, *, requires_signature: bool = True) -> NewMerchant:
    return await merchants.create(
        name="Chai Point",
        mcc="5814",
        state_code="27",
        requires_signature=requires_signature,
        livemode=False,
    )


def _given(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)
