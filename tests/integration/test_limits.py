"""Limits over HTTP: exact to the paisa however many ask at once, readable before they are met."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg import AsyncCursor

from online.kernel import ids
from online.kernel.clock import IST, business_date
from online.operations.verify import verify_books
from online.operations.worker import expire_once
from online.payments import store
from tests.gateways import UPI, Gateway, gateway_on, settings_for, upi
from tests.integration.test_devices import Phone, pass_time

pytestmark = pytest.mark.anyio

MANY = 50
LAKH = 1_00_000_00
DONE, OVER = (201, None), (422, "limit_exceeded")
DECLINED = "decline@khata"


@pytest.fixture
async def services(
    database_url: str, owner_url: str, tmp_path: Path
) -> AsyncIterator[list[Gateway]]:
    """One merchant's callers on two services with one database; the books hold afterwards."""
    settings = settings_for(
        database_url,
        tmp_path,
        KHATA_RATE_LIMITS__PER_USER__AMOUNT_PER_DAY="1000",
        KHATA_RATE_LIMITS__PER_USER__TRANSACTIONS_PER_DAY="40",
    )
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(gateway_on(settings)) for _ in range(2)]
        first, second = opened
        same = await Gateway(second.client, second.services, first.merchant).sign_in()
        yield [first, same]
        report = await verify_books(owner_url)
        assert report.holds, report


@pytest.fixture
def gateway(services: list[Gateway]) -> Gateway:
    return services[0]


async def customer(gateway: Gateway, **known: str) -> str:
    answer = await gateway.post("/customers", {"name": "Asha", **known}, key=None)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def old_customer(gateway: Gateway, **known: str) -> str:
    """One whose first day is over."""
    made = await customer(gateway, **known)
    await pass_time(gateway, timedelta(hours=24))
    return made


def paying(payer: str, amount: int, method: Any = UPI, **more: Any) -> dict[str, Any]:
    return {"amount": amount, "payment_method": method, "customer_id": payer, **more}


async def at_once(services: list[Gateway], bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    calls = [
        services[n % len(services)].post("/payments", body, key=f"call-{n}")
        for n, body in enumerate(bodies)
    ]
    return await asyncio.gather(*calls)


def counted(answers: list[httpx.Response]) -> Counter[tuple[int, str | None]]:
    return Counter((answer.status_code, answer.json().get("code")) for answer in answers)


async def used(gateway: Gateway, payer: str) -> dict[str, int]:
    sql = "select rule, used from limit_counters where subject = %s"
    rows = await gateway.rows(sql, f"customer:{ids.decode('cus', payer)}")
    return dict(rows)


async def limits(gateway: Gateway, payer: str, query: str = "") -> Any:
    answer = await gateway.get(f"/customers/{payer}/limits?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def be(gateway: Gateway, *, mcc: str, verified: bool = True) -> None:
    """The merchant in this business; whoever knew it before forgets it."""
    id_ = gateway.merchant.merchant.id
    async with gateway.services.database.transaction() as tx:
        await tx.execute(
            "update merchants set mcc = %s, verified = %s where id = %s", (mcc, verified, id_)
        )
    gateway.services.merchants._known.drop(id_)


async def test_fifty_at_once_stay_below_the_amount_of_the_day(services: list[Gateway]):
    gateway = services[0]
    payer = await customer(gateway)
    answers = await at_once(services, [paying(payer, 30_01)] * MANY)
    assert counted(answers) == {DONE: 33, OVER: 17}
    assert await used(gateway, payer) == {
        "transactions_per_day": 33,
        "amount_per_day": 33 * 30_01,
    }
    refused = next(answer.json() for answer in answers if answer.status_code == 422)
    assert (refused["param"], refused["retryable"]) == ("amount_per_day", False)
    assert refused["limit"]["rule"] == "amount_per_day"
    assert (refused["limit"]["cap"], refused["limit"]["headroom"]) == (1_000_00, 9_67)
    day = business_date(gateway.services.clock.now())
    assert refused["limit"]["window_end"].startswith(str(day + timedelta(days=1)))
    exact = await gateway.post("/payments", paying(payer, 9_67))
    assert exact.status_code == 201
    assert (await gateway.post("/payments", paying(payer, 1))).status_code == 422


async def test_fifty_at_once_stay_below_the_count_of_the_day(services: list[Gateway]):
    payer = await customer(services[0])
    answers = await at_once(services, [paying(payer, 1)] * MANY)
    assert counted(answers) == {DONE: 40, OVER: 10}
    assert (await used(services[0], payer))["transactions_per_day"] == 40


async def test_what_fails_gives_back_while_others_take(services: list[Gateway]):
    gateway = services[0]
    payer = await customer(gateway)
    methods = [upi(DECLINED) if n % 2 else UPI for n in range(MANY)]
    answers = await at_once(services, [paying(payer, 50_00, method) for method in methods])
    made = [answer.json() for answer in answers if answer.status_code == 201]
    kept = [payment for payment in made if payment["status"] != "failed"]
    assert len(kept) <= 20 < len(made)
    assert await used(gateway, payer) == {
        "transactions_per_day": len(kept),
        "amount_per_day": len(kept) * 50_00,
    }


async def test_a_category_has_counters_of_its_own(services: list[Gateway]):
    for gateway in services:
        await be(gateway, mcc="6211")
    payer = await old_customer(services[0], upi_type="max")
    for gateway in services:
        await gateway.sign_in()
    answers = await at_once(services, [paying(payer, 2 * LAKH)] * MANY)
    assert counted(answers) == {DONE: 5, OVER: 45}
    assert (await used(services[0], payer)) == {
        "transactions_per_day": 5,
        "capital_market.amount_per_day": 10 * LAKH,
    }
    alone = await services[0].post("/payments", paying(payer, 5 * LAKH + 1))
    assert alone.json()["limit"]["rule"] == "capital_market.per_payment"
    for gateway in services:
        await be(gateway, mcc="6211", verified=False)
    usual = await services[0].post("/payments", paying(payer, LAKH + 1))
    assert usual.json()["limit"]["rule"] == "upi_default.per_payment"
    assert (await services[0].post("/payments", paying(payer, LAKH))).status_code == 201


async def test_the_first_day_of_a_user(services: list[Gateway]):
    gateway = services[0]
    payer = await customer(gateway, upi_type="max")
    answers = await at_once(services, [paying(payer, 400_00)] * MANY)
    assert counted(answers) == {DONE: 12, OVER: 38}
    refused = next(answer.json() for answer in answers if answer.status_code == 422)
    assert refused["limit"]["rule"] == "new_user.amount_per_first_hours"
    assert refused["limit"]["headroom"] == 200_00
    await pass_time(gateway, timedelta(hours=24))
    assert (await gateway.post("/payments", paying(payer, 5_001_00))).status_code == 201


async def test_a_day_is_indias(gateway: Gateway):
    payer = await customer(gateway)
    assert (await gateway.post("/payments", paying(payer, 1_000_00))).status_code == 201
    now = gateway.services.clock.now().astimezone(IST)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    await pass_time(gateway, midnight - now - timedelta(seconds=30))
    assert (await gateway.post("/payments", paying(payer, 1))).status_code == 422
    await pass_time(gateway, timedelta(seconds=31))
    assert (await gateway.post("/payments", paying(payer, 1_000_00))).status_code == 201


async def test_a_limit_is_given_back_to_the_day_it_was_taken_from(gateway: Gateway):
    payer = await customer(gateway)
    card = await gateway.card()
    held = await gateway.pay(900_00, card, customer_id=payer, capture_method="manual")
    await pass_time(gateway, timedelta(days=2))
    canceled = await gateway.post(f"/payments/{held['id']}/cancel", {})
    assert canceled.json()["status"] == "canceled"
    assert await used(gateway, payer) == {"transactions_per_day": 0, "amount_per_day": 0}


async def test_an_authorization_that_runs_out_gives_back(gateway: Gateway):
    payer = await customer(gateway)
    card = await gateway.card()
    held = await gateway.pay(900_00, card, customer_id=payer, capture_method="manual")
    await pass_time(gateway, timedelta(days=40))
    await expire_once(gateway.services)
    assert (await gateway.payment(held["id"]))["status"] == "expired"
    assert await used(gateway, payer) == {"transactions_per_day": 0, "amount_per_day": 0}


async def _nothing_kept(*_: object) -> dict[Any, None]:
    return {}


async def test_a_payment_of_before_gives_back_what_was_usual(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
):
    """One whose first event says nothing of limits, since events did not yet."""
    payer = await customer(gateway)
    held = await gateway.pay(
        900_00, await gateway.card(), customer_id=payer, capture_method="manual"
    )
    id_ = ids.decode("pay", held["id"])
    kept = await gateway.scalar(
        "select data -> 'limits' from payment_events where aggregate_id = %s and version = 1", id_
    )
    assert [(each["rule"], each["amount"]) for each in kept] == [
        ("transactions_per_day", 1),
        ("amount_per_day", 900_00),
    ]
    monkeypatch.setattr(store, "taken", _nothing_kept)
    await gateway.post(f"/payments/{held['id']}/cancel", {})
    assert await used(gateway, payer) == {"transactions_per_day": 0, "amount_per_day": 0}


async def test_a_repeated_call_is_answered_by_its_key_however_full_the_day_is(gateway: Gateway):
    payer = await customer(gateway)
    body = paying(payer, 1_000_00)
    first = await gateway.post("/payments", body, key="once")
    again = await gateway.post("/payments", body, key="once")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert (await used(gateway, payer))["transactions_per_day"] == 1


async def test_a_payment_says_by_which_rules_it_passed(gateway: Gateway):
    payer = await old_customer(gateway, upi_type="max")
    paid = await gateway.pay(1_00, UPI, customer_id=payer)
    id_ = ids.decode("pay", paid["id"])
    sql = "select data from payment_events where aggregate_id = %s and version = 1"
    data = await gateway.scalar(sql, id_)
    assert data["limit_rules"] == ["per_user@2020-01-01", "upi_default@2021-01-01"]
    assert [each["source"] for each in data["limits"]] == data["limit_rules"]
    trace = (await gateway.get(f"/payments/{paid['id']}/trace")).text
    assert "upi_default@2021-01-01" in trace


async def test_only_a_user_of_an_app_is_asked_for(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
):
    """A payment without a customer, or by one without a type, takes no statement more."""
    plain = await customer(gateway)
    user = await customer(gateway, upi_type="max")
    payers: list[dict[str, str]] = [{}, {"customer_id": plain}, {"customer_id": user}]
    for payer in payers:
        await gateway.pay(1, UPI, **payer)
    asked = Counter[str]()
    original = AsyncCursor.execute

    async def counting(self: Any, *arguments: Any, **options: Any) -> Any:
        asked["statements"] += 1
        return await original(self, *arguments, **options)

    monkeypatch.setattr(AsyncCursor, "execute", counting)
    statements = []
    for payer in payers:
        asked.clear()
        await gateway.pay(1, UPI, **payer)
        statements.append(asked["statements"])
    assert statements == [statements[0], statements[0], statements[0] + 1]


# ── what is left ─────────────────────────────────────────────────────────────────────────


async def test_headroom_is_what_the_next_payment_may_be(gateway: Gateway):
    payer = await customer(gateway)
    await gateway.pay(333_33, UPI, customer_id=payer)
    shown = await limits(gateway, payer)
    assert shown["headroom"] == 1_000_00 - 333_33
    by_rule = {each["rule"]: each for each in shown["limits"]}
    assert by_rule["transactions_per_day"]["used"] == 1
    assert by_rule["transactions_per_day"]["counts"] == "transactions"
    assert by_rule["amount_per_day"]["headroom"] == shown["headroom"]
    over = await gateway.post("/payments", paying(payer, shown["headroom"] + 1))
    assert over.status_code == 422
    await gateway.pay(shown["headroom"], UPI, customer_id=payer)
    assert (await limits(gateway, payer))["headroom"] == 0


async def test_headroom_by_category_purpose_and_kind(gateway: Gateway):
    payer = await old_customer(gateway, upi_type="max")
    await be(gateway, mcc="5814")
    assert (await limits(gateway, payer))["headroom"] == LAKH
    assert (await limits(gateway, payer, "mcc=6211"))["headroom"] == 5 * LAKH
    assert (await limits(gateway, payer, "mcc=6012"))["headroom"] == LAKH
    assert (await limits(gateway, payer, "mcc=6012&purpose=BF"))["headroom"] == 5 * LAKH
    between = await limits(gateway, payer, "kind=p2p")
    assert {each["rule"] for each in between["limits"]} == {
        "p2p.per_payment",
        "p2p.amount_per_day",
        "p2p.transactions_per_day",
    }
    mini = await customer(gateway, upi_type="mini")
    assert (await limits(gateway, mini, "method=lite"))["headroom"] == 1_000_00


@pytest.mark.parametrize("query", ["kind=gift", "mcc=62", "purpose=bf", "device_id=mine"])
async def test_what_a_question_about_limits_refuses(gateway: Gateway, query: str):
    payer = await customer(gateway)
    answer = await gateway.get(f"/customers/{payer}/limits?{query}")
    assert answer.status_code == 422, answer.text


async def test_limits_are_their_merchants_alone(gateway: Gateway):
    payer = await customer(gateway)
    other = await gateway.another_merchant()
    assert (await other.get(f"/customers/{payer}/limits")).status_code == 404
    taken = await other.post("/payments", paying(payer, 1_00))
    assert (taken.status_code, taken.json()["param"]) == (404, "customer_id")
    assert await used(gateway, payer) == {}


# ── devices ──────────────────────────────────────────────────────────────────────────────


async def test_a_device_that_cools_pays_little(services: list[Gateway]):
    gateway = services[0]
    payer = await old_customer(gateway, upi_type="max")
    phone = Phone(gateway, payer)
    await phone.link(201)
    await phone.verify(200)
    for each in services:
        await each.sign_in()
    body = paying(payer, 400_00, device_id=phone.device["id"])
    assert (await limits(gateway, payer, f"device_id={phone.device['id']}"))["headroom"] == 5_000_00
    assert counted(await at_once(services, [body] * MANY)) == {
        DONE: 12,
        OVER: 28,
    } | {OVER: 38}
    assert (await used(gateway, payer))["cooling_device.amount_per_day"] == 12 * 400_00


async def test_a_device_counts_though_risk_could_not_read_it_in_time(
    services: list[Gateway], monkeypatch: pytest.MonkeyPatch
):
    gateway = services[0]
    payer = await old_customer(gateway, upi_type="max")
    phone = Phone(gateway, payer)
    await phone.link(201)
    await phone.verify(200)

    async def late(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(gateway.services.risk._reader, "read", late)
    for name in (phone.device["id"], "install-1"):
        over = await gateway.post("/payments", paying(payer, 5_000_01, device_id=name))
        assert over.json()["limit"]["rule"] == "cooling_device.amount_per_day"
    await gateway.pay(5_000_00, UPI, customer_id=payer, device_id="install-1")
    await phone.to("suspend", 200)
    gone = await gateway.post("/payments", paying(payer, 1, device_id="install-1"))
    assert gone.json()["code"] == "device_closed"


async def test_a_suspended_device_pays_nothing_from_that_moment_on(services: list[Gateway]):
    gateway = services[0]
    payer = await customer(gateway)
    phone = Phone(gateway, payer)
    await phone.link(201)
    await phone.verify(200)
    body = paying(payer, 1_00, device_id=phone.device["id"])

    racing = at_once(services, [body] * 30)
    _, answers = await asyncio.gather(phone.to("suspend", 200, {"reason": "stolen"}), racing)
    assert set(counted(answers)) <= {DONE, (409, "device_closed")}
    after = [await services[n % 2].post("/payments", body, key=f"after-{n}") for n in range(4)]
    assert counted(after) == {(409, "device_closed"): 4}
    await phone.to("resume", 200)
    assert (await gateway.post("/payments", body)).status_code == 201
