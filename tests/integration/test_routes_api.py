"""`GET /api/v1/routes`: what people of the house see of routes and their breakers."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from online.rails.domain import Outcome, OutcomeKind
from online.routing.breakers import LocalBreakers
from tests.gateways import gateway_on, settings_for
from tests.redis_server import redis_server

pytestmark = pytest.mark.anyio

UNKNOWN = Outcome(kind=OutcomeKind.UNKNOWN, code="timeout")
PATH = "/api/v1/routes"


@pytest.fixture
async def gateway(database_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened


async def breaker(gateway: Any, route: str, operation: str = "authorize") -> Any:
    seen = (await gateway.client.get(PATH, headers=await gateway.credentials("routes:read"))).json()
    found = next(each for each in seen["data"] if each["name"] == route)
    return next(each for each in found["breakers"] if each["operation"] == operation)


async def test_each_route_with_its_breakers(gateway):
    answer = await gateway.client.get(PATH, headers=await gateway.credentials("routes:read"))
    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert [each["name"] for each in seen["data"]] == ["card_a", "upi_hdfc", "card_b", "upi_icici"]
    hdfc = seen["data"][1]
    breakers = hdfc.pop("breakers")
    assert hdfc == {
        "name": "upi_hdfc",
        "provider": "hdfc_bank",
        "rail": "upi_hdfc",
        "methods": ["upi"],
        "currency": "INR",
        "priority": 1,
        "max_amount": 200_000_00,
        "fee_bps": 50,
    }
    operations = [each["operation"] for each in breakers]
    assert operations == ["authorize", "capture", "void", "reverse", "refund"]
    assert {each["state"] for each in breakers} == {"closed"}
    assert (seen["payouts"], seen["shared"]) == ([], False)


async def test_calls_are_counted_by_operation(gateway):
    paid = await gateway.pay()
    refunded = await gateway.post("/refunds", {"payment": paid["id"], "amount": 1_00})
    assert refunded.status_code == 201, refunded.text
    for operation, calls in (("authorize", 1), ("refund", 1), ("capture", 0)):
        seen = await breaker(gateway, "upi_hdfc", operation)
        assert (seen["calls"], seen["failures"], seen["slow"]) == (calls, 0, 0), operation
        assert (seen["latency_ms"] is None) is (calls == 0)


async def test_an_open_one_says_since_when_and_until_when(gateway):
    routing = gateway.services.routing
    for _ in range(20):
        routing.record("upi_hdfc", "authorize", UNKNOWN, 30_000)
    now = gateway.services.clock.now()
    seen = await breaker(gateway, "upi_hdfc")
    assert (seen["state"], seen["calls"], seen["failures"], seen["slow"]) == ("open", 20, 20, 20)
    assert seen["latency_ms"] == 30_000
    since = datetime.fromisoformat(seen["open_since"])
    assert abs(since - now) < timedelta(seconds=2)
    probe = datetime.fromisoformat(seen["next_probe_at"])
    assert abs(probe - since - timedelta(seconds=10)) < timedelta(seconds=0.1)
    assert (await gateway.pay())["route"] == "upi_icici"


OPERATIONS = ("capture", "void", "reverse", "refund")


def wear_out(gateway: Any, *operations: str) -> None:
    for operation in operations:
        for route in ("upi_hdfc", "card_a"):
            for _ in range(20):
                gateway.services.routing.record(route, operation, UNKNOWN, 1)


async def test_what_follows_an_authorization_waits_for_a_rail_that_rests(gateway):
    """There is no other rail to take: nothing is begun, and the same call may come again."""
    paid, other = await gateway.pay(), await gateway.pay()
    authorized = await gateway.pay(method=await gateway.card(), capture_method="manual")
    earlier = {"payment": paid["id"], "amount": 1_00}
    refund = await gateway.post("/refunds", earlier, key="earlier")
    attempts = await gateway.scalar("select count(*) from attempts")
    wear_out(gateway, *OPERATIONS)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("/refunds", earlier),
        (f"/payments/{other['id']}/reverse", {}),
        (f"/payments/{authorized['id']}/capture", {}),
        (f"/payments/{authorized['id']}/cancel", {}),
    ]
    for path, body in calls:
        answer = await gateway.post(path, body, key=f"key of {path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "route_unavailable"), path
        assert answer.json()["retryable"], path
    assert await gateway.scalar("select count(*) from attempts") == attempts
    again = await gateway.post("/refunds", earlier, key="earlier")
    assert (again.status_code, again.json()) == (201, refund.json()), "as it was answered"
    gateway.services.routing._book = LocalBreakers()  # the rails are well again
    for path, body in (calls[0], calls[2]):
        answer = await gateway.post(path, body, key=f"key of {path}")
        assert answer.status_code < 300, answer.text


async def test_a_rail_that_begins_to_rest_meanwhile_is_not_called(gateway, monkeypatch):
    """Between the first commit and the call: the attempt fails, definitely, and is no sample."""
    paid = await gateway.pay()
    wear_out(gateway, "refund")
    monkeypatch.setattr(gateway.services.routing, "rests", lambda *_: False)
    await gateway.post("/refunds", {"payment": paid["id"], "amount": 1_00})
    sent = await gateway.rows("select status, code from attempts where operation = 'refund'")
    assert sent == [("failed", "circuit_open")]
    seen = await breaker(gateway, "upi_hdfc", "refund")
    assert (seen["state"], seen["calls"]) == ("open", 20)
    assert (await gateway.payment(paid["id"]))["amount_refunded"] == 0


async def test_workers_that_share_redis_see_the_same(database_url, tmp_path):
    """Two services as two machines have them, each with its own exchange every 20 ms."""
    with redis_server(tmp_path) as redis:
        settings = settings_for(
            database_url,
            tmp_path,
            KHATA_REDIS__ENABLED="true",
            KHATA_REDIS__PORT=str(redis.port),
            KHATA_REDIS__PASSWORD=redis.settings.password.reveal(),
            KHATA_BREAKERS__SHARE_EVERY_MS="20",
        )
        async with gateway_on(settings) as one, gateway_on(settings) as other:
            for gateway in (one, other):
                assert (await gateway.pay())["route"] == "upi_hdfc"
            for _ in range(20):
                one.services.routing.record("upi_hdfc", "authorize", UNKNOWN, 1)
            await until_seen(other, "open")
            assert (await other.pay())["route"] == "upi_icici"
            redis.kill()
            await asyncio.sleep(0.2)
            assert (await other.pay())["route"] == "upi_icici", "as it was when Redis went"
            seen = await other.client.get(PATH, headers=await other.credentials("routes:read"))
            assert seen.json()["shared"] is False
            redis.start()


async def until_seen(gateway: Any, state: str) -> None:
    async with asyncio.timeout(5):
        while (await breaker(gateway, "upi_hdfc"))["state"] != state:
            pass  # each look is a call of its own


async def test_merchants_do_not_see_them(gateway):
    answer = await gateway.get("/routes")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
