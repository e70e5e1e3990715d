"""Clients of a service that dies under them: whatever goes wrong, they ask again with their key."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from tests.e2e.dev import Dev

CARDS: Final = ("4242424242424242", "5555555555554444")
# Mostly good ones; a few that decline, wait, never answer or never arrive.
VPAS: Final = (
    *["asha@okbank"] * 24,
    *("decline@khata", "pending@khata", "techfail@khata", "timeout@khata", "lost@khata"),
)
AGAIN: Final = frozenset({409, 429, 500, 502, 503, 504})
OPEN: Final = frozenset({"created", "processing", "unknown", "requires_action", "pending"})
_POLLS: Final = 20
_POLL_S: Final = 0.25
_PAUSE_S: Final = 0.1
_ANSWER_WITHIN_S: Final = 15


@dataclass
class Promise:
    """One call by its key, repeated until it was answered, and all that it was answered."""

    path: str
    body: dict[str, Any]
    key: str
    answers: list[dict[str, Any]] = field(default_factory=list)  # 2xx alone
    refusal: dict[str, Any] | None = None  # a definite no, such as a rail's

    @property
    def is_answered(self) -> bool:
        return bool(self.answers) or self.refusal is not None

    @property
    def last(self) -> dict[str, Any]:
        return self.answers[-1]


class Crowd:
    """Orders without pause: a payment, then perhaps a capture, a cancellation, money back."""

    def __init__(self, dev: Dev, *, clients: int, seed: int) -> None:
        self._dev = dev
        self._clients = clients
        self._seed = seed
        self._headers: dict[str, str] = {}
        self._cards: Sequence[str] = ()
        self.promises: list[Promise] = []
        self.trouble: Counter[str] = Counter()
        self.in_flight = 0
        self.over = False
        self._http = httpx.AsyncClient(
            base_url=f"{dev.base_url}/api/v1", timeout=_ANSWER_WITHIN_S, trust_env=False
        )

    async def prepare(self) -> None:
        await self._sign_in()
        self._cards = [await self._tokenized(number) for number in CARDS]

    async def close(self) -> None:
        await self._http.aclose()

    async def run(self) -> None:
        """Until `over`; an order that was begun is carried on for as long as it is answered."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._clients):
                group.create_task(self._client(number))

    async def ask_all(self) -> None:
        """Every call once more, as a client does that was never answered."""
        for n in range(0, len(self.promises), self._clients):
            await asyncio.gather(*map(self._ask, self.promises[n : n + self._clients]))

    async def ask_the_unanswered(self, within_s: float) -> None:
        end = time.monotonic() + within_s
        while waiting := [promise for promise in self.promises if not promise.is_answered]:
            assert time.monotonic() < end, f"{len(waiting)} calls were never answered: {waiting[0]}"
            await asyncio.gather(*map(self._ask, waiting))
            await asyncio.sleep(_POLL_S)

    async def _client(self, number: int) -> None:
        n = 0
        while not self.over:
            n += 1
            await self._order(f"{self._seed}-{number}-{n}")

    async def _order(self, name: str) -> None:
        chance = Random(name)
        by_card = chance.random() < 0.4
        manual = by_card and chance.random() < 0.6
        method: dict[str, Any] = {"type": "upi", "upi": {"flow": "intent"}}
        method["upi"]["vpa"] = chance.choice(VPAS)
        if by_card:
            method = {"type": "card", "card": {"token": chance.choice(self._cards)}}
        amount, what, part = chance.randint(10_00, 900_00), chance.random(), chance.randint(1, 4)
        body = {
            "amount": amount,
            "payment_method": method,
            "capture_method": "manual" if manual else "automatic",
            "device_id": f"phone-{name}",
        }
        paid = await self._keep("/payments", body, name)
        payment = await self._settled("/payments", paid)
        if payment.get("status") == "authorized" and what < 0.9:
            path = f"/payments/{payment['id']}"
            if what < 0.25:
                await self._keep(f"{path}/cancel", {}, f"{name}-cancel")
                return
            taken = await self._keep(f"{path}/capture", {"amount": amount // part}, f"{name}-c")
            payment = await self._settled("/payments", taken)
            what = chance.random()
        if payment.get("status") == "captured" and what < 0.3:
            await self._money_back(payment, name, part, reverse=what < 0.06)
        await asyncio.sleep(chance.random() * _PAUSE_S)

    async def _money_back(
        self, payment: dict[str, Any], name: str, part: int, *, reverse: bool
    ) -> None:
        if reverse:
            await self._keep(f"/payments/{payment['id']}/reverse", {}, f"{name}-reverse")
            return
        amount = payment["amount_captured"] // part
        for n in range(min(part, 2)):
            body = {"payment": payment["id"], "amount": amount}
            await self._keep("/refunds", body, f"{name}-refund-{n}")

    async def _keep(self, path: str, body: dict[str, Any], key: str) -> Promise:
        promise = Promise(path, body, key)
        self.promises.append(promise)
        while not await self._ask(promise):
            if self.over:
                break
            await asyncio.sleep(_POLL_S)
        return promise

    async def _settled(self, path: str, promise: Promise) -> dict[str, Any]:
        """The object once its outcome is known; as it is known by then, should that take long."""
        if not promise.answers:
            return {}
        found = promise.last
        for _ in range(_POLLS):
            if found["status"] not in OPEN or self.over:
                break
            await asyncio.sleep(_POLL_S)
            found = await self._read(f"{path}/{found['id']}") or found
        return found

    async def _ask(self, promise: Promise) -> bool:
        """Whether it is answered for good."""
        answer = await self._send("POST", promise.path, promise.body, promise.key)
        if answer is None:
            return False
        if answer.is_success:
            promise.answers.append(answer.json())
            return True
        problem = answer.json()
        if problem["code"] == "unauthenticated":
            await self._sign_in()
            return False
        if answer.status_code in AGAIN and problem["retryable"]:
            self.trouble[problem["code"]] += 1
            return False
        assert answer.status_code < 500, answer.text
        promise.refusal = problem
        return True

    async def _read(self, path: str) -> dict[str, Any] | None:
        answer = await self._send("GET", path)
        if answer is None or not answer.is_success:
            return None
        found: dict[str, Any] = answer.json()
        return found

    async def _send(
        self, method: str, path: str, body: object = None, key: str = ""
    ) -> httpx.Response | None:
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        self.in_flight += 1
        try:
            return await self._http.request(method, path, json=body, headers=headers)
        except httpx.TransportError as error:
            self.trouble[type(error).__name__] += 1
            return None
        finally:
            self.in_flight -= 1

    async def _sign_in(self) -> None:
        """Again after a leap of the clock: tokens run out."""
        about = self._dev.about
        who = {"client_id": about["client_id"], "client_secret": about["client_secret"]}
        body = {**who, "grant_type": "client_credentials"}
        answer = await self._send("POST", "/auth/token", body)
        if answer is not None and answer.is_success:
            self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def _tokenized(self, number: str) -> str:
        card = {"number": number, "exp_month": 12, "exp_year": 2035}
        answer = await self._send("POST", "/cards/tokens", card)
        assert answer is not None
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])
