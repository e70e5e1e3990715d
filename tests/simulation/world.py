"""The world of one simulation: the whole service over HTTP, a clock of ours, the scripted bank."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from msgspec.structs import replace

from online.app import create_app
from online.kernel import ids
from online.kernel.clock import FixedClock
from online.merchants.domain import NewTerms
from online.operations.worker import expire_once, settle_once, tell_rails_once
from online.payments.retries import BudgetRules, RetryBudget
from online.platform.settings import Breakers
from online.routing.breakers import LocalBreakers
from online.services import Services, build_services
from tests.gateways import settings_for
from tests.simulation.bank import Bank, BankRail
from tests.simulation.model import Model
from tests.simulation.things import Merchant

# A Tuesday, ten in the morning in India: the same on whichever day a seed is replayed.
START = datetime(2026, 3, 10, 4, 30, tzinfo=UTC)
DAILY_LIMIT = 2_000_00
_SIGN_IN_AFTER = timedelta(hours=23)

# What each merchant may owe us, its state (in ours tax is halved), what becomes of the fee of what
# it refunds, and a card of its customers.
MERCHANTS = (
    ("careful", 0, "27", "kept", "4242424242424242"),
    ("trusted", 50_00, "29", "returned", "4111111111111111"),
    ("large", 10**9, "27", "returned", "4012888888881881"),
)


TERMS = {
    "trusted": NewTerms(
        min_payout_minor=30_00, reserve_bps=1_000, reserve_days=3, tds_section="194-O", tds_bps=100
    ),
    "large": NewTerms(reserve_bps=333, reserve_days=7, payouts="on_demand"),
}


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    raw: bytes
    replayed: bool

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None

    @property
    def code(self) -> str | None:
        return None if self.status < 400 else self.body["code"]


class Client:
    """One caller, signed in again before the token ends."""

    def __init__(self, world: "World", client_id: str, client_secret: str) -> None:
        self._world = world
        self._login = {
            "client_id": client_id,
            "client_secret": client_secret,
            "grant_type": "client_credentials",
        }
        self._token = ""
        self._since = datetime.min.replace(tzinfo=UTC)

    async def _headers(self) -> dict[str, str]:
        now = self._world.clock.now()
        if now - self._since > _SIGN_IN_AFTER:
            answer = await self._world.http.post("/api/v1/auth/token", json=self._login)
            assert answer.status_code == 200, answer.text
            self._token, self._since = answer.json()["access_token"], now
        return {"Authorization": f"Bearer {self._token}"}

    async def post(self, path: str, body: Mapping[str, Any], key: str | None = None) -> Reply:
        headers = await self._headers()
        if key is not None:
            headers["Idempotency-Key"] = key
        return _reply(await self._world.http.post(path, json=body, headers=headers))

    async def lines(self, path: str, *lines: Mapping[str, Any]) -> list[Any]:
        content = "\n".join(map(json.dumps, lines)).encode()
        headers = await self._headers() | {"Content-Type": "application/x-ndjson"}
        answer = await self._world.http.post(path, content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    async def get(self, path: str) -> Reply:
        return _reply(await self._world.http.get(path, headers=await self._headers()))


class World:
    """What the workload acts on and the auditor looks at."""

    def __init__(self, services: Services, clock: FixedClock, http: httpx.AsyncClient) -> None:
        self.services = services
        self.clock = clock
        self.http = http
        self.bank = Bank(clock.now)
        self.model = Model(DAILY_LIMIT)
        self.clients: dict[str, Client] = {}
        self.cards: dict[str, str] = {}
        self.customers: dict[str, list[str]] = {}
        rails = services.rails._rails
        for name in list(rails):
            rails[name] = BankRail(name, self.bank)  # type: ignore[assignment]
        # Breakers go by the machine's time and would make a seed mean something else each run.
        # So do the patience and the budgets of a cascade.
        services.payments._cascade._rules = replace(
            services.payments._cascade._rules, patience_s=10**9
        )
        services.payments._cascade._budget = RetryBudget(BudgetRules(burst=10**9))
        services.routing._book = LocalBreakers(Breakers(min_calls=10**9))

    async def furnish(self) -> None:
        """Merchants with different terms, each with a card token and two customers."""
        for name, exposure, state_code, mdr, number in MERCHANTS:
            made = await self.services.merchants.create(
                name=name,
                mcc="5814",
                state_code=state_code,
                requires_signature=False,
                livemode=False,
                exposure_limit_minor=exposure,
                mdr_on_refund=mdr,
                terms=TERMS.get(name, NewTerms()),
            )
            client = Client(self, made.client.client_id, made.client.client_secret)
            self.clients[name] = client
            id_ = ids.encode("mrc", made.merchant.id)
            merchant = Merchant(id_, exposure, returns_fees=mdr == "returned")
            terms = TERMS.get(name, NewTerms())
            merchant.reserve_bps = terms.reserve_bps or 0
            merchant.reserve_days = terms.reserve_days or 0
            merchant.tds_bps = terms.tds_bps or 0
            merchant.min_payout = terms.min_payout_minor or 1
            merchant.on_demand = terms.payouts == "on_demand"
            self.model.merchants[name] = merchant
            card = {"number": number, "exp_month": 12, "exp_year": 2035}
            self.cards[name] = (await client.post("/api/v1/cards/tokens", card)).body["id"]
            self.customers[name] = [
                (await client.post("/api/v1/customers", {"name": f"{name} {n}"})).body["id"]
                for n in range(2)
            ]
        async with self.services.database.transaction() as tx:
            service = await self.services.credentials.create_client(
                tx, merchant_id=None, livemode=False
            )
        self.clients["service"] = Client(self, service.client_id, service.client_secret)

    async def recover(self) -> None:
        """Rounds of recovery until nothing is due: the worker's own, but one after the other, in
        the order in which they were sent, so that a seed is a run."""
        order = {reference: n for n, reference in enumerate(self.bank.records)}
        attempts = self.services.attempts
        while True:
            async with self.services.database.connection() as connection:
                due = [claimed.attempt for claimed in await attempts.due(connection, 200)]
            if not due:
                return
            for attempt in sorted(due, key=lambda each: order.get(each.reference, -1)):
                await self.services.resolve(attempt, "worker:recovery")

    async def expire(self) -> None:
        """Ends what has come to the end of its time."""
        await settle_once(self.services)
        await expire_once(self.services)
        await tell_rails_once(self.services)

    async def until_it_hangs(self, call: "asyncio.Task[Any]") -> bool:
        """Waits until the bank holds the line; False where the call ended without."""
        stirred = asyncio.ensure_future(self.bank.stirred.wait())
        await asyncio.wait({call, stirred}, return_when=asyncio.FIRST_COMPLETED)
        stirred.cancel()
        hangs = self.bank.stirred.is_set()
        self.bank.stirred.clear()
        return hangs and not call.done()

    async def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        async with self.services.database.connection() as connection:
            return await (await connection.execute(sql, parameters)).fetchall()


def _reply(answer: httpx.Response) -> Reply:
    return Reply(
        answer.status_code, answer.content, answer.headers.get("Idempotent-Replayed") == "true"
    )


@asynccontextmanager
async def world_on(database_url: str, data_dir: Path) -> AsyncIterator[World]:
    settings = settings_for(
        database_url,
        data_dir,
        KHATA_SECURITY__JWT_TTL_S="86400",
        KHATA_RATE_LIMITS__PER_USER__AMOUNT_PER_DAY=str(DAILY_LIMIT // 100),
    )
    clock = FixedClock(START)
    services = build_services(settings, clock)
    app = create_app(settings, services)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://khata", timeout=60) as http,
    ):
        world = World(services, clock, http)
        await world.furnish()
        yield world
