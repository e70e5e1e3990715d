"""Lists, terms and scorers over HTTP, and what they do to the very next payment."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest

from online.kernel import ids
from online.operations.verify import verify_books
from online.platform import ttl_cache
from online.screening.service import Terms
from tests.engines import Engine
from tests.gateways import gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio

STAFF = ("risk_lists:read", "risk_lists:write")
TERMS = {
    "challenge_at": 40,
    "review_at": 60,
    "block_at": 75,
    "failure_mode": "approve",
    "timeout_ms": 5_000,
}


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        await put(opened, TERMS)  # a busy machine must not decide what a test sees
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


async def put(gateway, terms, status=200, headers=None):
    answer = await gateway.client.put(
        "/api/v1/risk/settings", json=terms, headers=gateway._headers | (headers or {})
    )
    assert answer.status_code == status, answer.text
    return answer


async def listed(gateway, kind, subject, value, status=201, headers=None, **fields):
    body = {"kind": kind, "subject": subject, "value": value, "reason": "a test", **fields}
    answer = await gateway.post("/risk/lists", body, headers=headers or {})
    assert answer.status_code == status, answer.text
    return answer.json()


async def removed(gateway, entry, status=200):
    answer = await gateway.client.delete(
        f"/api/v1/risk/lists/{entry['id']}", headers=gateway._headers
    )
    assert answer.status_code == status, answer.text
    return answer.json()


async def decision(gateway, payment):
    """The decision as it was recorded."""
    return await gateway.scalar(
        "select data -> 'risk' from payment_events where aggregate_id = %s"
        " and event_type in ('payment.processing', 'payment.blocked')",
        ids.decode("pay", payment["id"]),
    )


async def test_a_listed_card_is_blocked_from_the_next_payment_on_until_it_is_off(gateway):
    card = await gateway.card()
    assert (await gateway.pay(100_00, card))["status"] == "captured"
    entry = await listed(gateway, "block", "card", card["card"]["token"])
    assert entry["value_masked"].endswith("4242")
    blocked = await gateway.pay(100_00, card)
    assert blocked["status"] == "blocked"
    risk = await decision(gateway, blocked)
    assert risk["lists"] == ["any_blocked", "card_blocked"]
    assert [factor["code"] for factor in risk["factors"]] == ["on_block_list"]
    # The same card under another token is the same card.
    again = await gateway.card()
    assert (await gateway.pay(100_00, again))["status"] == "blocked"
    await removed(gateway, entry)
    assert (await gateway.pay(100_00, again))["status"] == "captured"


async def test_an_entry_ends_by_the_clock(gateway):
    end = (gateway.services.clock.now() + timedelta(hours=1)).isoformat()
    entry = await listed(gateway, "block", "vpa", "Asha@ybl", expires_at=end)
    assert entry["value_masked"] == "as***@ybl"
    assert (await gateway.pay(method=upi("asha@ybl")))["status"] == "blocked"
    gateway.later(timedelta(minutes=61))
    await gateway.sign_in()
    assert (await gateway.pay(method=upi("asha@ybl")))["status"] == "captured"
    found = (await gateway.get(f"/risk/lists/{entry['id']}")).json()
    assert found["data"]["state"] == "expired"
    assert (await gateway.get("/risk/lists")).json()["data"] == []
    assert len((await gateway.get("/risk/lists?all=true")).json()["data"]) == 1


async def test_what_is_allowed_passes_and_what_is_watched_is_looked_at(gateway):
    high = {"amount": 90_000_00, "method": upi("asha@ybl")}
    await put(gateway, TERMS | {"challenge_at": 10, "review_at": 15, "block_at": 20})
    assert (await gateway.pay(**high))["status"] == "blocked"
    await listed(gateway, "allow", "vpa", "asha@ybl")
    allowed = await gateway.pay(**high)
    assert allowed["status"] == "captured"
    factors = {f["code"]: f["score"] for f in (await decision(gateway, allowed))["factors"]}
    assert factors["on_allow_list"] == -1000
    assert factors["floored"] > 0
    assert sum(factors.values()) == 0
    await put(gateway, TERMS)
    await listed(gateway, "watch", "device", "phone-7")
    watched = await gateway.pay(100_00, upi("ravi@ybl"), device_id="phone-7")
    assert (await decision(gateway, watched))["decision"] == "review"


async def test_one_merchants_list_is_no_other_merchants(gateway):
    other = await gateway.another_merchant()
    await put(other, TERMS)
    entry = await listed(gateway, "block", "vpa", "asha@ybl")
    assert (await other.pay(method=upi("asha@ybl")))["status"] == "captured"
    assert (await other.get("/risk/lists")).json()["data"] == []
    assert (await other.get(f"/risk/lists/{entry['id']}")).status_code == 404
    await removed(other, entry, status=404)
    token = (await gateway.card())["card"]["token"]
    await listed(other, "block", "card", token, status=404)


async def test_the_house_lists_for_everybody_and_is_named(gateway):
    other = await gateway.another_merchant()
    await put(other, TERMS)
    staff = await gateway.credentials(*STAFF)
    entry = await listed(gateway, "block", "ip", "198.51.100.23", headers=staff)
    assert (entry["scope"], entry["value_masked"]) == ("house", "198.51.100.…")
    for each in (gateway, other):
        paid = await each.pay(ip_address="198.51.100.23")
        assert paid["status"] == "blocked"
        assert (await each.pay(ip_address="198.51.100.24"))["status"] == "captured"
    assert (await gateway.get(f"/risk/lists/{entry['id']}")).status_code == 404
    history = (await gateway.get(f"/risk/lists/{entry['id']}", headers=staff)).json()["history"]
    assert [each["type"] for each in history] == ["risk_list.listed"]
    assert history[0]["by"] == entry["added_by"]
    assert entry["added_by"].startswith("service:cli_")
    await listed(gateway, "block", "customer", "cus_" + "0" * 26, 422, headers=staff)
    merchant = ids.encode("mrc", other.merchant.merchant.id)
    await listed(gateway, "watch", "merchant", merchant, headers=staff)
    assert (await decision(other, await other.pay()))["lists"] == [
        "any_watched", "merchant_watched",
    ]  # fmt: skip


async def test_a_list_keeps_nothing_that_tells_who_it_is(gateway):
    await listed(gateway, "block", "vpa", "asha.rao@ybl")
    await listed(gateway, "watch", "ip", "203.0.113.77")
    rows = await gateway.rows(
        "select l::text from risk_lists l union all"
        " select data::text from payment_events where event_type like 'risk_list.%%'"
    )
    assert len(rows) == 4
    text = "\n".join(line for (line,) in rows)
    assert "asha.rao" not in text
    assert "203.0.113.77" not in text


@pytest.mark.parametrize(
    ("subject", "value"),
    [
        ("vpa", "nobody"),
        ("ip", "203.0.113"),
        ("card", "4242424242424242"),
        ("customer", "somebody"),
        ("device", "x" * 101),
        ("merchant", "mrc_" + "0" * 26),
    ],
)
async def test_what_cannot_be_listed(gateway, subject, value):
    await listed(gateway, "block", subject, value, status=422)


async def test_thresholds_are_a_merchants_own(gateway):
    other = await gateway.another_merchant()
    await put(other, TERMS)
    await put(gateway, TERMS | {"challenge_at": 1, "review_at": 1, "block_at": 20})
    assert (await gateway.pay(25_000_00, upi("new@ybl")))["status"] == "blocked"
    assert (await other.pay(25_000_00, upi("new@ybl")))["status"] == "captured"


async def test_terms_are_changed_on_what_one_has_seen(gateway):
    seen = await gateway.get("/risk/settings")
    assert seen.headers["etag"] == '"v1"'
    match = {"If-Match": '"v1"'}
    changed = await put(gateway, TERMS | {"block_at": 90}, headers=match)
    assert changed.json()["block_at"] == 90
    await put(gateway, TERMS, 412, headers=match)
    assert (await gateway.get("/risk/settings")).json()["block_at"] == 90


@pytest.mark.parametrize(
    "wrong",
    [
        {"review_at": 80},
        {"challenge_at": 0},
        {"block_at": 101},
        {"failure_mode": "shrug"},
        {"timeout_ms": 1},
        {"scorer": "somebody"},
        {"scorer": "http://169.254.169.254/"},
        {"more": 1},
    ],
)
async def test_terms_that_are_refused(gateway, wrong):
    await put(gateway, TERMS | wrong, 422)


# ── scorers outside ──────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def with_engine(database_url, tmp_path, *arguments):
    engine = Engine(*arguments)
    settings = settings_for(
        database_url,
        tmp_path,
        KHATA_FRAUD_DETECTION__SCORERS__MOCK_ENGINE__URL=f"{engine.url}/score",
        KHATA_FRAUD_DETECTION__SCORERS__MOCK_ENGINE__TIMEOUT_MS="1500",
    )
    try:
        async with gateway_on(settings) as opened:
            yield opened, engine
    finally:
        engine.stop()


async def test_a_merchants_own_engine_has_its_say(database_url, tmp_path):
    async with with_engine(database_url, tmp_path) as (gateway, _):
        await put(gateway, TERMS | {"scorer": "mock_engine"})
        usual = await decision(gateway, await gateway.pay(method=upi("asha@ybl")))
        assert usual["external"]["scorer"] == "mock_engine"
        assert (usual["decision"], usual["failure"]) == ("allow", None)
        stolen = await gateway.pay(200_095, upi("asha@ybl"))
        assert stolen["status"] == "blocked"
        assert (await decision(gateway, stolen))["external"]["score"] == 95
        other = await gateway.another_merchant()
        assert (await decision(other, await other.pay(200_095)))["external"] is None


@pytest.mark.parametrize(
    ("mode", "status", "decided"),
    [
        ("approve", "captured", "allow"),
        ("review", "captured", "review"),
        ("block", "blocked", "block"),
    ],
)
async def test_an_engine_that_is_gone_leaves_it_to_the_terms(
    database_url, tmp_path, mode, status, decided
):
    async with with_engine(database_url, tmp_path) as (gateway, engine):
        await put(gateway, TERMS | {"scorer": "mock_engine", "failure_mode": mode})
        engine.stop()
        paid = await gateway.pay(method=upi("asha@ybl"))
        assert paid["status"] == status
        risk = await decision(gateway, paid)
        assert (risk["decision"], risk["failure"]) == (decided, "scorer_failed")
        # What is known still counts.
        await listed(gateway, "block", "vpa", "ravi@ybl")
        assert (await gateway.pay(method=upi("ravi@ybl")))["status"] == "blocked"


async def test_a_slow_engine_costs_no_more_than_the_terms_allow(database_url, tmp_path):
    async with with_engine(database_url, tmp_path) as (gateway, _):
        await put(gateway, TERMS | {"scorer": "mock_engine", "timeout_ms": 400})
        waits = [gateway.pay(200_101, upi(f"payer{n}@ybl")) for n in range(4)]
        begun = asyncio.get_running_loop().time()
        paid = await asyncio.gather(*waits)
        assert asyncio.get_running_loop().time() - begun < 10, "the engine holds each for 30 s"
        assert {each["status"] for each in paid} == {"captured"}
        failures = {(await decision(gateway, each))["failure"] for each in paid}
        assert failures <= {"scorer_late", "late"}


async def test_other_processes_hear_of_new_terms_within_seconds(gateway, monkeypatch):
    """The other process is a second `Terms` on the same database."""
    here = gateway.services.screening.terms
    there = Terms(
        gateway.services.database,
        gateway.services.writer,
        gateway.services.clock,
        defaults=here.defaults,
        scorers={},
    )
    id_ = gateway.merchant.merchant.id
    assert (await there.of(id_, livemode=False)).block_at == 75
    await put(gateway, TERMS | {"block_at": 90})
    assert (await here.of(id_, livemode=False)).block_at == 90
    assert (await there.of(id_, livemode=False)).block_at == 75
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 4)
    monkeypatch.setattr(ttl_cache, "time", later)
    assert (await there.of(id_, livemode=False)).block_at == 90
