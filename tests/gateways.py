"""The whole service over HTTP on a test database, with rails in the process and a clock of ours."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from msgspec.structs import replace

from online.app import create_app
from online.kernel.clock import write_offset
from online.merchants.service import NewMerchant
from online.operations.recovery import recover_once
from online.platform.settings import ROOT, Settings, load_settings
from online.services import Services, build_services
from tests.databases import PASSWORDS
from tests.fakes import HeldRail
from tests.house import EveryDay

Body = Mapping[str, Any]
UPI = {"type": "upi", "upi": {"flow": "intent"}}


def upi(vpa: str) -> Body:
    return {"type": "upi", "upi": {"flow": "intent", "vpa": vpa}}


def settings_for(database_url: str, data_dir: Path, **environ: str) -> Settings:
    """The sandbox's settings, as they are shipped, with rails that need no bank."""
    place = urlsplit(database_url)
    known = {
        "KHATA_DATA_DIR": str(data_dir),
        "KHATA_DATABASE__POSTGRES__HOST": str(place.hostname),
        "KHATA_DATABASE__POSTGRES__PORT": str(place.port),
        "KHATA_DATABASE__POSTGRES__DATABASE": place.path[1:],
        "KHATA_DATABASE__POSTGRES__USER": "khata_app",
        "KHATA_DATABASE__POSTGRES__PASSWORD": PASSWORDS["khata_app"],
        "KHATA_DATABASE__POSTGRES__ROLE": "",
        "KHATA_SANDBOX__RAILS_IN_PROCESS": "true",
        "KHATA_RECOVERY__MIN_INTERVAL_S": "90",
        "KHATA_RECOVERY__PENDING_INTERVAL_S": "90",
        "KHATA_RECOVERY__NOT_FOUND_FINAL_AFTER_S": "300",
    }
    return load_settings(ROOT / "config" / "dev.yaml", environ=known | environ)


class Gateway:
    """A client of one merchant. Every money call gets a key of its own unless one is given."""

    def __init__(
        self, client: httpx.AsyncClient, services: Services, merchant: NewMerchant
    ) -> None:
        self.client = client
        self.services = services
        self.merchant = merchant
        self._headers: dict[str, str] = {}
        self._keys = count()

    async def sign_in(self) -> "Gateway":
        answer = await self.client.post(
            "/api/v1/auth/token",
            json={
                "client_id": self.merchant.client.client_id,
                "client_secret": self.merchant.client.client_secret,
                "grant_type": "client_credentials",
            },
        )
        assert answer.status_code == 200, answer.text
        self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return self

    async def another_merchant(self) -> "Gateway":
        """The same service, as somebody else."""
        merchant = await _merchant(self.services)
        return await Gateway(self.client, self.services, merchant).sign_in()

    async def post(
        self, path: str, body: Body, *, key: str | None = "", headers: Mapping[str, str] = {}
    ) -> httpx.Response:
        """`key=None` sends none."""
        sent = dict(self._headers)
        if key is not None:
            sent["Idempotency-Key"] = key or f"{id(self)}-{next(self._keys)}"
        return await self.client.post(f"/api/v1{path}", json=body, headers=sent | dict(headers))

    async def get(self, path: str, *, headers: Mapping[str, str] = {}) -> httpx.Response:
        return await self.client.get(f"/api/v1{path}", headers=self._headers | dict(headers))

    async def credentials(self, *scopes: str) -> Mapping[str, str]:
        """A header for one of ours, who belongs to no merchant: an auditor, or the pipeline."""
        async with self.services.database.transaction() as connection:
            client = await self.services.credentials.create_client(
                connection, merchant_id=None, livemode=False, scopes=frozenset(scopes)
            )
        asked = {"client_id": client.client_id, "client_secret": client.client_secret}
        answer = await self.client.post(
            "/api/v1/auth/token", json={**asked, "grant_type": "client_credentials"}
        )
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    @property
    def publishable(self) -> Mapping[str, str]:
        """The header of the merchant's browser or app."""
        return {"Authorization": f"Bearer {self.merchant.publishable_key}"}

    async def pay(self, amount: int = 1_000_00, method: Body = UPI, **fields: Any) -> Any:
        """A payment as the service answers it; any status below 300 will do."""
        body = {"amount": amount, "payment_method": method, **fields}
        answer = await self.post("/payments", body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def payment(self, id_: str) -> Any:
        answer = await self.get(f"/payments/{id_}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def card(
        self, number: str = "4242424242424242", *, kind: str = "card", **given: str
    ) -> Body:
        """A card payment method, by a new token; `given` is what comes with the payment."""
        card = {"number": number, "exp_month": 12, "exp_year": 2035, "type": kind}
        answer = await self.post("/cards/tokens", card, key=None)
        assert answer.status_code == 201, answer.text
        return {"type": "card", "card": {"token": answer.json()["id"], **given}}

    def hold(self, rail: str, *operations: str) -> HeldRail:
        """From here on this rail answers these (authorizations, without a name) when let go."""
        held = HeldRail(self.services.rails[rail], *operations)
        self.services.rails._rails[rail] = held  # type: ignore[assignment]
        return held

    def later(self, by: timedelta) -> None:
        """Moves the service's clock ahead."""
        path = self.services.settings.data_dir / "clock.json"
        write_offset(path, self.services.clock.now() + by)

    async def recover(self, after: timedelta = timedelta(seconds=125)) -> int:
        """One round of the worker's recovery, `after` from now."""
        self.later(after)
        return await recover_once(self.services)

    async def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        async with self.services.database.connection() as connection:
            return await (await connection.execute(sql, parameters)).fetchall()

    async def scalar(self, sql: str, *parameters: object) -> Any:
        return (await self.rows(sql, *parameters))[0][0]


async def _merchant(services: Services) -> NewMerchant:
    return await services.merchants.create(
        name="Chai Point",
        mcc="5814",
        state_code="27",
        requires_signature=False,
        livemode=False,
    )


def never_rest(services: Services) -> None:
    """Banks that work every day: the service's clock starts today, whatever day that is."""
    intake = services.settlements._intake
    rules = replace(intake._with.rules, bank_days=EveryDay())
    intake._with = replace(intake._with, rules=rules)


@asynccontextmanager
async def gateway_on(settings: Settings) -> AsyncIterator[Gateway]:
    services = build_services(settings)
    never_rest(services)
    app = create_app(settings, services)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    # Litestar's own test client runs the lifespan in another event loop than the requests.
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://khata", timeout=60) as client,
    ):
        merchant = await _merchant(services)
        yield await Gateway(client, services, merchant).sign_in()
