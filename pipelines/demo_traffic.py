"""The demo's customers: a day's orders of the simulated world, paid over HTTP.

Belongs here: playing a merchant's server and a payer's app, through public doors alone. Does not:
who pays what (the sandbox's world), or judging what came of it (`demo_report`).
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec

from online.kernel import ids

_AT_ONCE: Final = 32
_POLL_S: Final = 0.5
_WITHOUT_VPA: Final = 6  # every so many UPI orders: the payer's app pays a link or a QR code
_REPLAYED: Final = 15  # every so many orders: the merchant's server sends its call twice
_PARTIAL_CAPTURE: Final = 3
_OPEN: Final = frozenset({"created", "processing", "unknown", "requires_action"})
_CARD: Final = {"exp_month": 12, "exp_year": 2030, "cvc": "123"}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `python -m online.sandbox traffic`."""

    at: datetime
    customer_ref: str
    customer_name: str
    merchant_ref: str
    amount_minor: int
    method: str
    vpa: str | None
    pan: str | None
    device: str
    outcome: str
    capture: str
    refund_minor: int


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant of the world and its credentials, as `seed-history` printed them."""

    ref: str
    merchant_id: str
    name: str
    client_id: str
    client_secret: str


# Whose banks do what they do: most send, one declines, two leave the credit open for a while.
_SENDERS: Final = (
    *("asha@ybl", "ravi@okicici", "decline@khata", "meera@ybl", "debit_returned@khata"),
    *("kavya@okaxis", "debit_without_credit@khata"),
)
_DECIDED: Final = frozenset({"succeeded", "failed", "blocked", "returned", "canceled"})


class TrafficFailed(Exception):
    """A call was answered in a way that the demo does not expect."""


class Till:
    """One merchant's server."""

    def __init__(self, http: httpx.AsyncClient, shop: Shop) -> None:
        self._http = http
        self.shop = shop
        self._token: str | None = None
        self._lock = asyncio.Lock()

    async def call(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> httpx.Response:
        """An authenticated call; the token is renewed when the service no longer takes it."""
        response = await self._send(method, path, body, key)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._token = None
            response = await self._send(method, path, body, key)
        return response

    async def _send(self, method: str, path: str, body: object, key: str | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {await self._bearer()}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self._http.request(method, f"/api/v1{path}", json=body, headers=headers)

    async def expect(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> dict[str, Any]:
        """The same, for an answer that has to be a success."""
        response = await self.call(method, path, body, key=key)
        if not response.is_success:
            raise TrafficFailed(f"{method} {path}: {response.status_code} {response.text[:400]}")
        found: dict[str, Any] = response.json()
        return found

    async def _bearer(self) -> str:
        async with self._lock:
            if self._token is None:
                response = await self._http.post(
                    "/api/v1/auth/token",
                    json={
                        "client_id": self.shop.client_id,
                        "client_secret": self.shop.client_secret,
                        "grant_type": "client_credentials",
                    },
                )
                response.raise_for_status()
                self._token = str(response.json()["access_token"])
            return self._token


class Taken(msgspec.Struct, kw_only=True):
    """An order and the payment that it became."""

    number: int
    order: Order
    till: Till
    payment: dict[str, Any]
    dispute: str | None = None  # how it stands, if there is one

    @property
    def payment_id(self) -> str:
        return str(self.payment["id"])


class Day:
    """A day's traffic over one connection pool."""

    def __init__(self, base_url: str, sandbox_url: str, shops: Sequence[Shop]) -> None:
        limits = httpx.Limits(max_connections=_AT_ONCE)
        self._http = httpx.AsyncClient(base_url=base_url, timeout=60, limits=limits)
        self._sandbox = httpx.AsyncClient(base_url=sandbox_url, timeout=30)
        self._tills = {shop.ref: Till(self._http, shop) for shop in shops}
        self._customers: dict[tuple[str, str], str] = {}
        self._cards: dict[tuple[str, str], str] = {}
        self.replays = 0

    async def close(self) -> None:
        await self._http.aclose()
        await self._sandbox.aclose()

    async def drive(self, orders: Sequence[Order], *, name: str, first: int = 0) -> list[Taken]:
        """Every order, some at once; then captures and refunds; then until nothing is open.

        `first`: the number of the first one in its day.
        """
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int, order: Order) -> Taken:
            async with places:
                return await self._take(number, order, key=f"{name}-{number:06d}")

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(*numbered)) for numbered in enumerate(orders, first)]
        taken = [task.result() for task in tasks]
        await self.settle_down(taken)
        async with asyncio.TaskGroup() as group:
            for each in taken:
                group.create_task(self._afterwards(each, places, key=f"{name}-{each.number:06d}"))
        await self.settle_down(taken)
        return taken

    async def between_people(self, count: int, *, name: str) -> dict[str, int]:
        """Transfers of customers to friends, until all are decided; how many ended how."""
        tills = list(self._tills.values())
        sent = []
        for number in range(count):
            till = tills[number % len(tills)]
            person = await till.expect("POST", "/customers", {"name": f"Sender {number}"})
            body = {
                "from": {"customer_id": person["id"], "vpa": _SENDERS[number % len(_SENDERS)]},
                "to": {"vpa": f"friend{number}@oksbi"},
                "amount": 10_017 + 331 * number,
                "device_id": f"phone-{number}",
                "note": "Dinner",
            }
            made = await till.expect("POST", "/transfers", body, key=f"{name}-transfer-{number}")
            sent.append((till, str(made["id"])))
        found: dict[str, int] = {}
        for till, id_ in sent:
            status = await self._decided(till, id_)
            found[status] = found.get(status, 0) + 1
        return found

    async def _decided(self, till: Till, id_: str, patience_s: float = 90) -> str:
        waited = 0.0
        while True:
            transfer = await till.expect("GET", f"/transfers/{id_}")
            if transfer["status"] in _DECIDED or waited >= patience_s:
                return str(transfer["status"])
            await asyncio.sleep(_POLL_S)
            waited += _POLL_S

    async def ask_for_statements(
        self, shop: Shop, period: Mapping[str, str], forms: Sequence[str] = ("pdf", "csv", "json")
    ) -> None:
        """The merchant asks for its statement."""
        for form in forms:
            wanted = {"merchant_id": shop.merchant_id, "format": form, **period}
            await self._tills[shop.ref].expect("POST", "/statements/generate", wanted)

    async def ask_bank(self, path: str, body: object = None) -> None:
        """Something that the payer or the payer's bank does."""
        response = await self._sandbox.post(path, json=body)
        if not response.is_success:
            raise TrafficFailed(f"the bank at {path}: {response.status_code} {response.text[:400]}")

    async def settle_down(self, taken: Sequence[Taken], patience_s: float = 90) -> None:
        """Read payments until recovery has found out about each unknown outcome."""
        waited = 0.0
        open_ = list(taken)
        while open_ and waited < patience_s:
            await asyncio.gather(*(self._refresh(each) for each in open_))
            open_ = [each for each in open_ if each.payment["status"] in _OPEN]
            if open_:
                await asyncio.sleep(_POLL_S)
                waited += _POLL_S

    async def _refresh(self, taken: Taken) -> None:
        taken.payment = await taken.till.expect("GET", f"/payments/{taken.payment_id}")

    async def _take(self, number: int, order: Order, *, key: str) -> Taken:
        till = self._tills[order.merchant_ref]
        body: dict[str, Any] = {
            "payment_method": await self._method(till, number, order),
            "device_id": order.device,
        }
        money: dict[str, Any] = {
            "amount": order.amount_minor,
            "currency": "INR",
            "capture_method": order.capture,
            "customer_id": await self._customer(till, order),
        }
        if number % 2:
            path = "/payments"
            body |= money
        else:
            intent = await till.expect("POST", "/intents", money, key=f"{key}-intent")
            path = f"/intents/{intent['id']}/confirm"
        answer = await self._pay(till, path, body, key=f"{key}-pay", twice=number % _REPLAYED == 0)
        payment_id = answer["payment_id"] if number % 2 == 0 else answer["id"]
        if not payment_id:
            raise TrafficFailed(f"{path} made no payment: {answer}")
        payment = await till.expect("GET", f"/payments/{payment_id}")
        if payment["status"] == "requires_action":
            await self._payer_approves(payment)
        return Taken(number=number, order=order, till=till, payment=payment)

    async def _pay(
        self, till: Till, path: str, body: Mapping[str, Any], *, key: str, twice: bool
    ) -> dict[str, Any]:
        response = await till.call("POST", path, body, key=key)
        if response.status_code >= 500 or not response.content:
            raise TrafficFailed(f"POST {path}: {response.status_code} {response.text[:400]}")
        answer: dict[str, Any] = response.json()
        if not response.is_success:
            raise TrafficFailed(f"POST {path}: {response.status_code} {response.text[:400]}")
        if twice:
            again = await till.call("POST", path, body, key=key)
            if again.is_success and again.json()["id"] != answer["id"]:
                raise TrafficFailed(f"POST {path} with the same key made a second object")
            self.replays += 1
        return answer

    async def _afterwards(self, taken: Taken, places: asyncio.Semaphore, *, key: str) -> None:
        async with places:
            till, payment = taken.till, taken.payment
            if payment["status"] == "authorized":
                amount = payment["amount_authorized"]
                if taken.number % _PARTIAL_CAPTURE == 0:
                    amount = amount * 3 // 4
                await till.expect(
                    "POST",
                    f"/payments/{taken.payment_id}/capture",
                    {"amount": amount},
                    key=f"{key}-c",
                )
                await self._refresh(taken)
            captured = taken.payment["amount_captured"]
            if taken.order.refund_minor and captured:
                wanted = {
                    "payment": taken.payment_id,
                    "amount": min(taken.order.refund_minor, captured),
                }
                refund = await till.expect("POST", "/refunds", wanted, key=f"{key}-refund")
                await self._refunded(till, refund)

    async def _refunded(self, till: Till, refund: dict[str, Any], patience_s: float = 60) -> None:
        waited = 0.0
        while refund["status"] not in {"succeeded", "failed"} and waited < patience_s:
            await asyncio.sleep(_POLL_S)
            waited += _POLL_S
            refund = await till.expect("GET", f"/refunds/{refund['id']}")

    async def _method(self, till: Till, number: int, order: Order) -> dict[str, Any]:
        if order.pan is not None:
            return {"type": "card", "card": {"token": await self._card(till, order.pan)}}
        if order.outcome == "approved" and number % _WITHOUT_VPA == 0:
            return {"type": "upi", "upi": {"flow": "qr" if number % 4 else "intent"}}
        return {"type": "upi", "upi": {"flow": "intent", "vpa": order.vpa}}

    async def _card(self, till: Till, pan: str) -> str:
        known = self._cards.get((till.shop.ref, pan))
        if known is None:
            token = await till.expect("POST", "/cards/tokens", {"number": pan, **_CARD})
            known = self._cards[till.shop.ref, pan] = str(token["id"])
        return known

    async def _customer(self, till: Till, order: Order) -> str:
        """The customer that history knows by this name, or a new one."""
        place = (till.shop.ref, order.customer_ref)
        if place not in self._customers:
            known = ids.encode("cus", ids.derived("world", *place))
            response = await till.call("GET", f"/customers/{known}")
            if response.status_code == httpx.codes.NOT_FOUND:
                made = await till.expect("POST", "/customers", {"name": order.customer_name})
                known = str(made["id"])
            self._customers[place] = known
        return self._customers[place]

    async def _payer_approves(self, payment: Mapping[str, Any]) -> None:
        link = urlsplit(str(payment["next_action"]["link"]))
        reference = parse_qs(link.query)["tr"][0]
        await self.ask_bank("/payer/approve", {"reference": reference})


def read_orders(text: str) -> list[Order]:
    """The lines that the sandbox printed."""
    return [msgspec.convert(json.loads(line), Order) for line in text.splitlines() if line.strip()]


def counts(taken: Sequence[Taken]) -> dict[str, int]:
    """What became of the payments, in the report's words."""
    states = Counter(each.payment["status"] for each in taken)
    return {
        "created": len(taken),
        "captured": sum(each.payment["amount_captured"] > 0 for each in taken),
        "declined": states["failed"] + states["blocked"],
        "unknown": sum(states[state] for state in _OPEN),
        "refunded": sum(each.payment["amount_refunded"] > 0 for each in taken),
        "reversed": states["reversed"],
        "disputed": sum(each.dispute is not None for each in taken),
    }
