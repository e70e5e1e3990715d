"""The whole service in an event loop of its own, for callers that bring another loop or none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from online.app import create_app
from online.merchants.service import NewMerchant
from online.platform.settings import Settings
from online.security.service import NewClient
from online.services import Services, build_services
from tests.gateways import never_rest

T = TypeVar("T")


class Live:
    """A running service. `client` answers in place; as an ASGI app it can be given to others."""

    def __init__(self, app: Any, services: Services, portal: BlockingPortal) -> None:
        self.services = services
        self._app = app
        self._portal = portal
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://khata", timeout=60
        )

    def call(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Runs `function` where the service lives."""
        return self._portal.call(function, *arguments)

    def request(self, method: str, path: str, **about: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            return await self._client.request(method, path, **about)

        return self.call(send)

    def token(self, client: NewClient | Any) -> str:
        answer = self.request(
            "POST",
            "/api/v1/auth/token",
            json={
                "client_id": client.client_id,
                "client_secret": client.client_secret,
                "grant_type": "client_credentials",
            },
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def new_merchant(self) -> NewMerchant:
        async def create() -> NewMerchant:
            return await self.services.merchants.create(
                name="Chai Point",
                mcc="5814",
                state_code="27",
                requires_signature=False,
                livemode=False,
            )

        return self.call(create)

    def new_service_client(self, scopes: frozenset[str] | None = None) -> NewClient:
        """Of our own offline side, or with `scopes` of somebody else of the house."""

        async def create() -> NewClient:
            async with self.services.database.connection() as connection:
                return await self.services.credentials.create_client(
                    connection, merchant_id=None, livemode=False, scopes=scopes
                )

        return self.call(create)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI, from whatever loop the caller has. The service's own lifespan is running."""
        if scope["type"] == "lifespan":
            await _nothing_to_start(receive, send)
            return
        body, messages = await _body(receive), []

        async def answer() -> None:
            sent = False

            async def receive_here() -> dict[str, Any]:
                nonlocal sent
                if sent:
                    return {"type": "http.disconnect"}
                sent = True
                return {"type": "http.request", "body": body, "more_body": False}

            async def keep(message: dict[str, Any]) -> None:
                messages.append(message)

            await self._app(scope, receive_here, keep)

        await asyncio.wrap_future(self._portal.start_task_soon(answer))
        for message in messages:
            await send(message)


async def _nothing_to_start(receive: Any, send: Any) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


@contextmanager
def live_on(settings: Settings) -> Iterator[Live]:
    @asynccontextmanager
    async def running() -> AsyncIterator[tuple[Any, Services]]:
        services = build_services(settings)
        never_rest(services)
        app = create_app(settings, services)
        async with app.lifespan():
            yield app, services

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running()) as (app, services),
    ):
        yield Live(app, services, portal)
