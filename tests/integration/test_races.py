"""Fifty at once on one object: exactly as many succeed as its caps allow, and the books hold.

Over HTTP, against one service and against two on one database (each with writers and connections
of its own), whose rails take their time so that calls overlap between the two commits.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest

from online.operations.recovery import recover_once
from online.operations.verify import verify_books
from online.operations.worker import expire_once
from tests.gateways import UPI, Gateway, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio

MANY = 50
Asked = tuple[str, Mapping[str, Any]]
OVER_CAPTURE, OVER_REFUND = (422, "over_capture"), (422, "over_refund")
ILLEGAL, NO_FUNDS = (409, "illegal_state"), (402, "insufficient_funds")
DONE = (200, None)


class _Unhurried:
    """Another rail, whose answers take a moment."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._behind, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def after_a_moment(*arguments: Any) -> Any:
            await asyncio.sleep(0.01)
            return await found(*arguments)

        return after_a_moment


class Town:
    """One merchant's callers, each with a service; one database and one set of rails."""

    def __init__(self, gateways: list[Gateway]) -> None:
        self.gateways = gateways
        self.first = gateways[0]
        rails = self.first.services.rails._rails
        for name, rail in rails.items():
            rails[name] = _Unhurried(rail)  # type: ignore[assignment]
        for other in gateways[1:]:
            other.services.rails._rails = rails

    async def at_once(self, asked: list[Asked], *, key: str = "") -> list[httpx.Response]:
        """All of these, in turn by each service; with a key of their own unless one is given."""
        turns = len(self.gateways)
        calls = [
            self.gateways[n % turns].post(path, body, key=key or f"call-{n}-{path}-{body}")
            for n, (path, body) in enumerate(asked)
        ]
        return await asyncio.gather(*calls)

    async def race(self, *asked: Asked) -> Counter[tuple[int, str | None]]:
        """How often each answer came."""
        return counted(await self.at_once(list(asked)))

    async def authorized(self, amount: int = 100) -> str:
        held = await self.first.pay(amount, await self.first.card(), capture_method="manual")
        assert held["status"] == "authorized"
        return str(held["id"])

    async def captured(self, amount: int = 100, method: Any = UPI) -> str:
        paid = await self.first.pay(amount, method)
        assert paid["status"] == "captured"
        return str(paid["id"])

    async def attempts(self, operation: str) -> int:
        return int(
            await self.first.scalar("select count(*) from attempts where operation = %s", operation)
        )

    async def later(self, by: timedelta) -> None:
        self.first.later(by)
        for gateway in self.gateways:
            await gateway.sign_in()


def counted(answers: list[httpx.Response]) -> Counter[tuple[int, str | None]]:
    return Counter((answer.status_code, answer.json().get("code")) for answer in answers)


# Two, unless a test asks for one alone as well.
@pytest.fixture
async def town(request, database_url, owner_url, tmp_path):
    async with AsyncExitStack() as stack:
        services: int = getattr(request, "param", 2)
        settings = settings_for(
            database_url, tmp_path, KHATA_RATE_LIMITS__PER_USER__AMOUNT_PER_DAY="1000"
        )
        opened = [await stack.enter_async_context(gateway_on(settings)) for _ in range(services)]
        first = opened[0]
        others = [Gateway(o.client, o.services, first.merchant) for o in opened[1:]]
        yield Town([first, *[await other.sign_in() for other in others]])
        report = await verify_books(owner_url)
        assert report.holds, report
        assert await first.rows(
            "select id from payments where captured_minor + capture_open_minor > authorized_minor"
            " or refunded_minor + refund_open_minor + reversed_minor > captured_minor"
        ) == []  # fmt: skip


one_or_two = pytest.mark.parametrize(
    "town", [1, 2], ids=["one service", "two services"], indirect=True
)


# ── many of one kind ─────────────────────────────────────────────────────────────────────


@one_or_two
@pytest.mark.parametrize(("part", "fit"), [(30, 3), (7, 14), (60, 1)])
async def test_captures(town, part, fit):
    id_ = await town.authorized()
    answers = await town.race(*[(f"/payments/{id_}/capture", {"amount": part})] * MANY)
    assert answers == {DONE: fit, OVER_CAPTURE: MANY - fit}
    shown = await town.first.payment(id_)
    assert (shown["status"], shown["amount_captured"]) == ("captured", part * fit)
    assert await town.attempts("capture") == fit


async def test_captures_of_all_that_is_left(town):
    id_ = await town.authorized()
    answers = await town.race(*[(f"/payments/{id_}/capture", {})] * MANY)
    assert answers == {DONE: 1, OVER_CAPTURE: MANY - 1}
    assert (await town.first.payment(id_))["amount_captured"] == 100


@one_or_two
async def test_voids(town):
    id_ = await town.authorized()
    answers = await town.race(*[(f"/payments/{id_}/cancel", {})] * MANY)
    assert answers == {DONE: 1, ILLEGAL: MANY - 1}
    shown = await town.first.payment(id_)
    assert (shown["status"], shown["amount_authorized"]) == ("canceled", 0)
    assert await town.attempts("void") == 1
    assert await town.first.rows("select distinct used from limit_counters") == [(0,)]


async def test_voids_of_what_waits_for_its_payer(town):
    waiting = await town.first.pay(100, upi("pending@khata"))
    answers = await town.race(*[(f"/payments/{waiting['id']}/cancel", {})] * MANY)
    assert answers == {DONE: 1, ILLEGAL: MANY - 1}
    assert (await town.first.payment(waiting["id"]))["status"] == "canceled"
    assert await town.attempts("void") == 1
    assert await town.first.rows("select distinct used from limit_counters") == [(0,)]


@one_or_two
@pytest.mark.parametrize(("part", "fit"), [(60, 1), (3, 33)])
async def test_refunds(town, part, fit):
    id_ = await town.captured()
    answers = await town.race(*[("/refunds", {"payment": id_, "amount": part})] * MANY)
    assert answers == {(201, None): fit, OVER_REFUND: MANY - fit}
    shown = await town.first.payment(id_)
    whole = part * fit == 100
    assert shown["status"] == ("refunded" if whole else "partially_refunded")
    assert shown["amount_refunded"] == part * fit
    assert await town.attempts("refund") == fit


@one_or_two
async def test_refunds_of_more_than_the_merchant_has(town):
    """98 are left of 100 when the fee is taken, and this merchant may owe us nothing."""
    id_ = await town.captured(method=await town.first.card())
    balance = "select posted from ledger_accounts where code ~ '^merchant:.*:pending$'"
    assert await town.first.scalar(balance) == 98
    answers = await town.race(*[("/refunds", {"payment": id_, "amount": 3})] * MANY)
    assert answers == {(201, None): 32, NO_FUNDS: MANY - 32}
    assert await town.first.scalar(balance) == 2
    assert (await town.first.payment(id_))["amount_refunded"] == 96


@one_or_two
async def test_reversals(town):
    id_ = await town.captured()
    answers = await town.race(*[(f"/payments/{id_}/reverse", {})] * MANY)
    assert answers == {DONE: 1, ILLEGAL: MANY - 1}
    shown = await town.first.payment(id_)
    assert (shown["status"], shown["amount_reversed"]) == ("reversed", 100)
    assert await town.attempts("reverse") == 1


@one_or_two
async def test_confirms_of_one_intent(town):
    intent = (await town.first.post("/intents", {"amount": 100})).json()
    path = f"/intents/{intent['id']}/confirm"
    answers = await town.race(*[(path, {"payment_method": UPI})] * MANY)
    assert answers == {DONE: 1, ILLEGAL: MANY - 1}
    shown = (await town.first.get(f"/intents/{intent['id']}")).json()
    assert shown["status"] == "succeeded"
    assert await town.first.rows("select status from payments") == [("captured",)]


async def test_payments_of_one_payer_up_to_the_day_s_limit(town):
    """33 times 30 rupees are within 1,000."""
    payer = (await town.first.post("/customers", {"name": "Asha"}, key=None)).json()["id"]
    pay = {"amount": 30_00, "payment_method": UPI, "customer_id": payer}
    answers = await town.race(*[("/payments", pay)] * MANY)
    assert answers == {(201, None): 33, (422, "limit_exceeded"): MANY - 33}
    used = "select used from limit_counters where rule = 'amount_per_day'"
    assert await town.first.rows(used) == [(990_00,)]
    assert await town.first.scalar("select count(*) from payments") == 33


# ── two kinds against each other ─────────────────────────────────────────────────────────


async def test_captures_against_voids(town):
    """Either all fits that can be captured, or nothing was and the money is let go."""
    for _ in range(3):
        id_ = await town.authorized()
        parts, voids = (f"/payments/{id_}/capture", {"amount": 10}), (f"/payments/{id_}/cancel", {})
        answers = await town.race(*[parts, voids] * (MANY // 2))
        shown = await town.first.payment(id_)
        assert shown["status"] in {"captured", "canceled"}
        captured = 100 if shown["status"] == "captured" else 0
        assert shown["amount_captured"] == shown["amount_authorized"] == captured
        assert answers[DONE] == (10 if captured else 1)
        assert set(answers) <= {DONE, OVER_CAPTURE, ILLEGAL}


async def test_refunds_against_reversals(town):
    for _ in range(3):
        id_ = await town.captured()
        refund, reverse = ("/refunds", {"payment": id_, "amount": 40}), f"/payments/{id_}/reverse"
        answers = await town.race(*[refund, (reverse, {})] * (MANY // 2))
        shown = await town.first.payment(id_)
        back = shown["amount_refunded"], shown["amount_reversed"]
        if shown["status"] == "reversed":
            assert (back, answers[DONE], answers[201, None]) == ((0, 100), 1, 0)
        else:
            assert shown["status"] == "partially_refunded"
            assert (back, answers[DONE], answers[201, None]) == ((80, 0), 0, 2)
        assert set(answers) <= {DONE, (201, None), OVER_REFUND, ILLEGAL}


async def test_captures_against_the_end_of_the_authorization(town):
    ids = [await town.authorized() for _ in range(5)]
    await town.later(timedelta(days=8))
    captures = town.race(*[(f"/payments/{id_}/capture", {"amount": 30}) for id_ in ids * 5])
    workers = [expire_once(gateway.services) for gateway in town.gateways * 2]
    answers, *_ = await asyncio.gather(captures, *workers)
    await expire_once(town.first.services)
    taken = 0
    for id_ in ids:
        shown = await town.first.payment(id_)
        captured = shown["amount_captured"]
        assert shown["status"] == ("captured" if captured else "expired")
        assert shown["amount_authorized"] == captured
        assert captured % 30 == 0
        taken += captured // 30
    assert answers[DONE] == taken
    held = "select code from ledger_accounts group by code having sum(pending) <> 0"
    assert await town.first.rows(held) == []


async def test_confirms_against_cancellations(town):
    for _ in range(3):
        intent = (await town.first.post("/intents", {"amount": 100})).json()
        path = f"/intents/{intent['id']}"
        confirm, cancel = (f"{path}/confirm", {"payment_method": UPI}), (f"{path}/cancel", {})
        answers = await town.race(*[confirm, cancel] * (MANY // 2))
        assert answers == {DONE: 1, ILLEGAL: MANY - 1}
        shown = (await town.first.get(path)).json()
        paid = await town.first.scalar(
            "select count(*) from payments where amount_minor = 100 and status = 'captured'"
        )
        assert shown["status"] in {"succeeded", "canceled"}
        assert (shown["payment_id"] is not None) == (shown["status"] == "succeeded")
        assert paid <= 3


async def test_recoveries_of_everything_at_once(town):
    """Each attempt is claimed by one of them, and recorded once."""
    lost = [await town.first.pay(100, upi("timeout@khata")) for _ in range(10)]
    assert {each["status"] for each in lost} == {"unknown"}
    await town.later(timedelta(seconds=125))
    workers = [recover_once(gateway.services) for gateway in town.gateways * 3]
    assert sum(await asyncio.gather(*workers)) == 10
    assert await town.first.rows("select status, count(*) from payments group by 1") == [
        ("captured", 10)
    ]
    assert await town.first.scalar("select count(*) from ledger_transactions") == 10


# ── one key ──────────────────────────────────────────────────────────────────────────────


async def _pay(_: Town) -> Asked:
    return "/payments", {"amount": 100, "payment_method": UPI}


async def _confirm(town: Town) -> Asked:
    intent = (await town.first.post("/intents", {"amount": 100})).json()
    return f"/intents/{intent['id']}/confirm", {"payment_method": UPI}


async def _capture(town: Town) -> Asked:
    return f"/payments/{await town.authorized()}/capture", {"amount": 40}


async def _cancel(town: Town) -> Asked:
    return f"/payments/{await town.authorized()}/cancel", {}


async def _reverse(town: Town) -> Asked:
    return f"/payments/{await town.captured()}/reverse", {}


async def _refund(town: Town) -> Asked:
    return "/refunds", {"payment": await town.captured(), "amount": 40}


@pytest.mark.parametrize(
    ("asked", "operation"),
    [
        (_pay, "authorize"),
        (_confirm, "authorize"),
        (_capture, "capture"),
        (_cancel, "void"),
        (_reverse, "reverse"),
        (_refund, "refund"),
    ],
    ids=["pay", "confirm", "capture", "cancel", "reverse", "refund"],
)
async def test_one_key_is_one_operation(town, asked, operation):
    call = await asked(town)
    answers = await town.at_once([call] * MANY, key="one and the same")
    done = [answer for answer in answers if answer.status_code < 300]
    assert len({answer.content for answer in done}) == 1
    assert set(counted(answers)) <= {(200, None), (201, None), (409, "idempotency_in_flight")}
    (again,) = await town.at_once([call], key="one and the same")
    assert (again.status_code, again.content) == (done[0].status_code, done[0].content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await town.attempts(operation) == 1
