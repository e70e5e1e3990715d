"""Idempotency over HTTP, rule by rule, and what a key tells about a call whose answer was lost.

That each money call is replayed, refused with another body and refused without a key is tested
with the calls themselves (`integration/test_payment_flow.py`); here are the rules they share.
"""

import asyncio
import hashlib
import json
from datetime import datetime, timedelta
from itertools import product
from urllib.parse import quote

import pytest

from online.routing.breakers import LocalBreakers
from tests.fakes import UNKNOWN
from tests.gateways import UPI, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio

PAY = {"amount": 5_00, "payment_method": UPI}
A_DAY = timedelta(hours=24)


@pytest.fixture
async def gateway(database_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened


def code(answer):
    return answer.status_code, answer.json()["code"]


async def look_up(gateway, key):
    answer = await gateway.get(f"/idempotency-keys/{quote(key, safe='').replace('.', '%2E')}")
    assert answer.status_code == 200, answer.text
    return answer.json()


# ── the key itself ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("plain", '"plain"'),
        ('"say \\"hi\\" \\\\ bye"', 'say "hi" \\ bye'),  # escapes of a structured field
        ("two words", '"two words"'),
        ('"open', '"open'),  # no structured field: taken as it is
    ],
)
async def test_a_quoted_key_is_the_bare_one(gateway, first, again):
    paid = await gateway.post("/payments", PAY, key=first)
    replayed = await gateway.post("/payments", PAY, key=again)
    assert paid.status_code == replayed.status_code == 201
    assert replayed.headers["Idempotent-Replayed"] == "true"
    assert replayed.content == paid.content


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "tab\there", "é".encode()])
async def test_a_key_has_one_to_255_printable_characters(gateway, key):
    answer = await gateway.post("/payments", PAY, key=None, headers={"Idempotency-Key": key})
    assert code(answer) in ((422, "invalid_request"), (400, "idempotency_key_missing"))
    assert answer.json()["param"] == "Idempotency-Key"
    assert await gateway.scalar("select count(*) from payments") == 0


async def test_a_key_is_of_one_call_only(gateway):
    """Another path with the same key and body is another request."""
    payment = await gateway.pay()
    await gateway.post("/refunds", {"payment": payment["id"], "amount": 1_00}, key="one")
    other = await gateway.post(f"/payments/{payment['id']}/capture", {}, key="one")
    assert code(other) == (422, "idempotency_key_reused")


async def test_a_refund_is_made_once(gateway):
    payment = await gateway.pay(10_00)
    body = {"payment": payment["id"], "amount": 10_00}
    assert code(await gateway.post("/refunds", body, key=None)) == (400, "idempotency_key_missing")
    first = await gateway.post("/refunds", body, key="back")
    again = await gateway.post("/refunds", body, key="back")  # nothing is left to refund by now
    assert (first.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await gateway.post("/refunds", body | {"amount": 9_00}, key="back")
    assert code(other) == (422, "idempotency_key_reused")
    assert (await gateway.payment(payment["id"]))["amount_refunded"] == 10_00


async def test_many_at_once_make_one_payment(gateway):
    answers = await asyncio.gather(
        *(gateway.post("/payments", PAY, key="storm") for _ in range(20))
    )
    statuses = {answer.status_code for answer in answers}
    assert 201 in statuses
    assert statuses <= {201, 409}
    assert len({a.json()["id"] for a in answers if a.status_code == 201}) == 1
    assert await gateway.scalar("select count(*) from payments") == 1


# ── what is stored as final ──────────────────────────────────────────────────────────────


async def test_a_5xx_is_never_the_final_answer(gateway):
    routing = gateway.services.routing
    for route, _ in product(routing.names, range(20)):
        routing.record(route, "authorize", UNKNOWN, 1)
    refused = await gateway.post("/payments", PAY, key="later")
    assert code(refused) == (503, "route_unavailable")
    assert (await gateway.get("/idempotency-keys/later")).status_code == 404
    routing._book = LocalBreakers()  # the rails are well again
    paid = await gateway.post("/payments", PAY, key="later")
    assert (paid.status_code, paid.json()["status"]) == (201, "captured")
    assert "Idempotent-Replayed" not in paid.headers


async def test_a_refused_request_leaves_its_key_free(gateway):
    refused = await gateway.post("/payments", PAY | {"amount": 0}, key="typo")
    assert refused.status_code == 422
    assert (await gateway.post("/payments", PAY, key="typo")).status_code == 201


async def test_an_unknown_outcome_is_answered_by_the_payment_as_it_is(gateway):
    body = {"amount": 5_00, "payment_method": upi("timeout@khata")}
    first = await gateway.post("/payments", body, key="slow")
    assert (first.status_code, first.json()["status"]) == (202, "unknown")
    again = await gateway.post("/payments", body, key="slow")
    assert (again.status_code, again.json()["status"]) == (202, "unknown")
    await gateway.recover()
    resolved = await gateway.post("/payments", body, key="slow")
    assert (resolved.status_code, resolved.json()["status"]) == (201, "captured")
    assert resolved.json()["id"] == first.json()["id"]
    assert await gateway.scalar("select count(*) from payments") == 1


# ── GET /idempotency-keys/{key} ──────────────────────────────────────────────────────────


async def test_a_lost_answer_is_found_by_its_key(gateway):
    answer = await gateway.post("/payments", PAY, key="lost")
    found = await look_up(gateway, "lost")
    assert (found["key"], found["status"], found["livemode"]) == ("lost", "done", False)
    assert found["resource"] == {"type": "payment", "id": answer.json()["id"]}
    assert found["response"] == {
        "status": 201,
        "sha256": hashlib.sha256(answer.content).hexdigest(),
        "body": answer.json(),
    }
    (made,) = await gateway.rows("select created_at from idempotency_keys where key = 'lost'")
    assert datetime.fromisoformat(found["created_at"]) == made[0]
    assert datetime.fromisoformat(found["expires_at"]) == made[0] + A_DAY


async def test_each_kind_of_call_names_what_it_made(gateway):
    payment = await gateway.pay()
    refund = await gateway.post(
        "/refunds", {"payment": payment["id"], "amount": 1_00}, key="refund"
    )
    intent = await gateway.post("/intents", {"amount": 5_00}, key="intent")
    path = f"/intents/{intent.json()['id']}/confirm"
    confirmed = await gateway.post(path, {"payment_method": UPI}, key="confirm")
    assert {key: (await look_up(gateway, key))["resource"] for key in
            ("refund", "intent", "confirm")} == {
        "refund": {"type": "refund", "id": refund.json()["id"]},
        "intent": {"type": "intent", "id": intent.json()["id"]},
        "confirm": {"type": "payment", "id": confirmed.json()["payment_id"]},
    }  # fmt: skip


async def test_a_call_at_the_rail_is_in_flight(gateway):
    rail = gateway.hold("upi_hdfc")
    first = asyncio.ensure_future(gateway.post("/payments", PAY, key="slow"))
    await rail.asked.wait()
    found = await look_up(gateway, "slow")
    assert (found["status"], found["response"]) == ("in_flight", None)
    assert found["resource"]["type"] == "payment"
    rail.let_go.set()
    paid = (await first).json()
    found = await look_up(gateway, "slow")
    assert (found["status"], found["resource"]["id"]) == ("done", paid["id"])


async def test_a_call_that_recovery_ended_is_done_without_a_stored_answer(gateway):
    body = {"amount": 5_00, "payment_method": upi("timeout@khata")}
    await gateway.post("/payments", body, key="slow")
    assert (await look_up(gateway, "slow"))["status"] == "in_flight"
    await gateway.recover()
    found = await look_up(gateway, "slow")
    assert (found["status"], found["response"]) == ("done", None)
    assert (await gateway.payment(found["resource"]["id"]))["status"] == "captured"


@pytest.mark.parametrize(
    "key", ["a/b", "a//b/", "..", "50% off?", "a b", "#1&x=y", "%2F", "~'(*)!", "a+b", "{k}"]
)
async def test_odd_characters_are_percent_encoded(gateway, key):
    paid = await gateway.post("/payments", PAY, key=key)
    assert paid.status_code == 201, paid.text
    found = await look_up(gateway, key)
    assert (found["key"], found["resource"]["id"]) == (key, paid.json()["id"])


async def test_a_key_is_nobody_elses_business(gateway):
    await gateway.post("/payments", PAY, key="ours")
    other = await gateway.another_merchant()
    assert code(await other.get("/idempotency-keys/ours")) == (404, "not_found")
    assert code(await gateway.get("/idempotency-keys/never")) == (404, "not_found")
    assert code(await gateway.get("/idempotency-keys/%00")) == (404, "not_found")
    assert code(await gateway.get("/idempotency-keys/%ff%fe")) == (404, "not_found")
    for headers in (gateway.publishable, await gateway.credentials("service")):
        answer = await gateway.get("/idempotency-keys/ours", headers=headers)
        assert code(answer) == (403, "forbidden")


# ── how long a key is kept ───────────────────────────────────────────────────────────────


async def kept(gateway):
    return {key for (key,) in await gateway.rows("select key from idempotency_keys")}


async def test_keys_are_kept_a_day_and_then_forgotten(gateway):
    await gateway.post("/payments", PAY, key="old")
    calls, now = gateway.services.calls, gateway.services.clock.now()
    assert await calls.purge_expired(now + A_DAY - timedelta(minutes=1)) == 0
    gateway.later(timedelta(hours=12))
    await gateway.sign_in()
    await gateway.post("/payments", PAY, key="young")
    assert await calls.purge_expired(now + A_DAY + timedelta(minutes=1)) == 1
    assert await kept(gateway) == {"young"}
    again = await gateway.post("/payments", PAY, key="old")  # a new request by now
    assert again.status_code == 201
    assert "Idempotent-Replayed" not in again.headers


async def test_a_key_whose_money_is_still_at_the_rail_is_not_forgotten(gateway):
    rail = gateway.hold("upi_hdfc")
    first = asyncio.ensure_future(gateway.post("/payments", PAY, key="open"))
    await rail.asked.wait()
    calls, later = gateway.services.calls, gateway.services.clock.now() + 3 * A_DAY
    assert await calls.purge_expired(later) == 0
    assert await kept(gateway) == {"open"}
    rail.let_go.set()
    assert (await first).status_code == 201
    assert await calls.purge_expired(later) == 1
    assert await kept(gateway) == set()


async def test_a_key_that_recovery_settled_is_forgotten_like_any_other(gateway):
    """No answer was ever stored for it; an open refund of the same payment is not its business."""
    body = {"amount": 5_00, "payment_method": upi("timeout@khata")}
    paid = await gateway.post("/payments", body, key="slow")
    calls, later = gateway.services.calls, gateway.services.clock.now() + 3 * A_DAY
    assert await calls.purge_expired(later) == 0
    await gateway.recover()
    rail = gateway.hold("upi_hdfc", "refund")
    refund = {"payment": paid.json()["id"], "amount": 1_00}
    first = asyncio.ensure_future(gateway.post("/refunds", refund, key="back"))
    await rail.asked.wait()
    assert await calls.purge_expired(later) == 1
    assert await kept(gateway) == {"back"}
    rail.let_go.set()
    assert json.loads((await first).content)["status"] == "succeeded"
