"""Delegations over HTTP: who may pay for whom, how much, what the primary approves, sees, stops."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from online.kernel.clock import IST
from online.operations.verify import verify_books
from online.operations.worker import expire_once
from tests.circle import (
    A_DAY,
    Person,
    approval,
    by_delegation,
    delegation,
    made,
    pass_time,
    person,
    request,
)
from tests.gateways import Gateway, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gateway(database_url: str, tmp_path: Path, owner_url: str) -> AsyncIterator[Gateway]:
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        assert (await verify_books(owner_url)).holds


@pytest.fixture
async def primary(gateway: Gateway) -> Person:
    return await person(gateway, "max")


@pytest.fixture
async def secondary(gateway: Gateway) -> Person:
    return await person(gateway, "mini")


async def mid_month(gateway: Gateway) -> None:
    """To the tenth of the next month, so that a few days more are in the same one."""
    now = gateway.services.clock.now().astimezone(IST)
    goal = (now.replace(day=1) + timedelta(days=32)).replace(day=10, hour=10)
    await pass_time(gateway, goal - now)


async def refused(gateway: Gateway, path: str, body: dict[str, Any]) -> tuple[int, str, str | None]:
    answer = await gateway.post(path, body)
    problem = answer.json()
    return answer.status_code, problem["code"], problem.get("param")


def paying(under: dict[str, Any], by: Person, amount: int) -> dict[str, Any]:
    method = by_delegation(under["id"])
    return {"amount": amount, "payment_method": method, "device_id": by.device}


async def test_a_secondary_pays_from_the_primarys_account(gateway, primary, secondary):
    await mid_month(gateway)
    under = await delegation(gateway, primary, secondary)
    assert under["max_per_payment"] == 5_000_00
    await pass_time(gateway, A_DAY)
    body = paying(under, secondary, 5_000_00)
    paid = (await gateway.post("/payments", body)).json()
    assert (paid["status"], paid["customer_id"]) == ("captured", secondary.id)
    assert paid["authority"] == {
        "kind": "delegation",
        "id": under["id"],
        "customer_id": secondary.id,
        "payer_id": primary.id,
        "delegation": "full",
        "rule": "delegation@2024-08-13",
    }
    assert paid["instrument"] == "as***@okbank"
    over = paying(under, secondary, 5_000_01)
    assert await refused(gateway, "/payments", over) == (422, "limit_exceeded", "amount")
    for _ in range(2):
        assert (await gateway.post("/payments", body)).status_code == 201
    one_more = paying(under, secondary, 1)
    expected = (422, "limit_exceeded", "delegation_month")
    assert await refused(gateway, "/payments", one_more) == expected
    shown = (await gateway.get(f"/delegations/{under['id']}")).json()
    assert [(c["rule"], c["used"], c["left"]) for c in shown["caps"]] == [
        ("delegation_month", 15_000_00, 0)
    ]
    seen = (await gateway.get(f"/delegations/{under['id']}/payments?limit=2")).json()
    assert (len(seen["data"]), seen["has_more"]) == (2, True)
    # The primary's own day counts what was paid for them.
    own = await gateway.rows(
        "select distinct used from limit_counters where subject like 'customer:%%'"
        " and rule like '%%amount_per_day' and used > 0"
    )
    assert own == [(15_000_00,)]
    # A new month begins anew; making the delegation anew does not.
    await made(gateway, f"/delegations/{under['id']}/revoke", {}, key=None)
    again = await delegation(gateway, primary, secondary)
    body = paying(again, secondary, 1)
    assert await refused(gateway, "/payments", body) == expected
    await pass_time(gateway, timedelta(days=25))
    assert (await gateway.post("/payments", body)).status_code == 201


async def test_the_first_day_is_small(gateway, primary, secondary):
    await mid_month(gateway)
    under = await delegation(gateway, primary, secondary)
    assert (await gateway.post("/payments", paying(under, secondary, 5_000_00))).status_code == 201
    more = paying(under, secondary, 1)
    assert await refused(gateway, "/payments", more) == (
        422,
        "limit_exceeded",
        "delegation_cooling",
    )
    await pass_time(gateway, A_DAY)
    assert (await gateway.post("/payments", more)).status_code == 201


async def test_caps_of_its_own_are_lower_never_higher(gateway, primary, secondary):
    terms = {"max_per_payment": 10_000_00, "max_per_month": 1_500_00}
    under = await delegation(gateway, primary, secondary, **terms)
    assert under["max_per_payment"] == 5_000_00
    assert {c["rule"]: c["cap"] for c in under["caps"]} == {
        "delegation_month": 1_500_00,
        "delegation_cooling": 5_000_00,
    }
    pay = paying(under, secondary, 1_500_01)
    expected = (422, "limit_exceeded", "delegation_month")
    assert await refused(gateway, "/payments", pay) == expected


async def test_what_fails_gives_back_what_it_took(gateway, primary, secondary):
    under = await delegation(gateway, primary, secondary, vpa="decline@khata")
    paid = (await gateway.post("/payments", paying(under, secondary, 100_00))).json()
    assert paid["status"] == "failed"
    shown = (await gateway.get(f"/delegations/{under['id']}")).json()
    assert {c["used"] for c in shown["caps"]} == {0}


async def test_a_secondary_pays_on_a_linked_device_of_their_own(gateway, primary, secondary):
    under = await delegation(gateway, primary, secondary)
    pay = paying(under, secondary, 100)
    without = {name: value for name, value in pay.items() if name != "device_id"}
    assert await refused(gateway, "/payments", without) == (422, "invalid_request", "device_id")
    theirs = pay | {"device_id": primary.device}
    assert await refused(gateway, "/payments", theirs) == (409, "device_not_trusted", "device_id")
    by_name = pay | {"device_id": secondary.installation}
    assert (await gateway.post("/payments", by_name)).status_code == 201
    await made(gateway, f"/devices/{secondary.device}/suspend", {}, key=None)
    assert (await gateway.post("/payments", pay)).status_code == 409
    somebody = pay | {"customer_id": primary.id}
    assert (await gateway.post("/payments", somebody)).status_code in {409, 422}


async def test_who_may_be_what(gateway, primary, secondary):
    body = {"vpa": "asha@okbank", "kind": "full"}
    mini = body | {"primary_id": secondary.id, "secondary_id": primary.id}
    assert await refused(gateway, "/delegations", mini) == (403, "not_for_this_user", "customer_id")
    self_ = body | {"primary_id": primary.id, "secondary_id": primary.id}
    assert (await refused(gateway, "/delegations", self_))[0] == 422
    nobody = "cus_01h455vb4pex5vsknk084sn02q"
    for pair in ((nobody, secondary.id), (primary.id, nobody)):
        unknown = body | {"primary_id": pair[0], "secondary_id": pair[1]}
        assert (await refused(gateway, "/delegations", unknown))[:2] == (404, "not_found")
    stranger = await gateway.another_merchant()
    theirs = body | {"primary_id": primary.id, "secondary_id": secondary.id}
    assert (await stranger.post("/delegations", theirs)).status_code == 404
    under = await delegation(gateway, primary, secondary)
    other = await person(gateway, "max", phone=False)
    theirs = body | {"primary_id": other.id, "secondary_id": secondary.id}
    assert (await refused(gateway, "/delegations", theirs))[:2] == (409, "has_primary")
    assert (await stranger.get(f"/delegations/{under['id']}")).status_code == 404
    assert (await stranger.get(f"/delegations/{under['id']}/payments")).status_code == 404
    # One who is not MAX any more lets nobody pay.
    await made(gateway, f"/customers/{primary.id}", {"upi_type": None}, key=None)
    await made(
        gateway, f"/customers/{primary.id}", {"upi_type": "mini", "kyc_level": "minimum"}, key=None
    )
    pay = paying(under, secondary, 100)
    assert (await refused(gateway, "/payments", pay))[:2] == (403, "not_for_this_user")


async def test_five_secondaries_and_a_place_comes_free(gateway, primary):
    people = [await person(gateway, "mini", phone=False) for _ in range(6)]
    made_ = [await delegation(gateway, primary, each) for each in people[:5]]
    body = {"vpa": "asha@okbank", "kind": "partial", "primary_id": primary.id}
    sixth = body | {"secondary_id": people[5].id}
    assert (await refused(gateway, "/delegations", sixth))[:2] == (409, "too_many_secondaries")
    await made(gateway, f"/delegations/{made_[0]['id']}/revoke", {}, key=None)
    assert (await gateway.post("/delegations", sixth)).status_code == 201
    mine = (await gateway.get(f"/delegations?customer_id={primary.id}&status=active")).json()
    assert len(mine["data"]) == 5
    of_first = (await gateway.get(f"/delegations?customer_id={people[0].id}")).json()["data"]
    assert [each["status"] for each in of_first] == ["revoked"]


async def test_paused_resumed_revoked(gateway, primary, secondary):
    under = await delegation(gateway, primary, secondary)
    path, pay = f"/delegations/{under['id']}", paying(under, secondary, 100)
    closed = (409, "delegation_closed", None)
    paused = await made(gateway, f"{path}/pause", {"reason": "on holiday"}, key=None)
    assert (paused["status"], paused["reason"]) == ("paused", "on holiday")
    assert await refused(gateway, "/payments", pay) == closed
    assert (await made(gateway, f"{path}/pause", {}, key=None))["reason"] == "on holiday"
    assert (await made(gateway, f"{path}/resume", {}, key=None))["status"] == "active"
    assert (await gateway.post("/payments", pay)).status_code == 201
    await made(gateway, f"{path}/pause", {}, key=None)
    assert (await made(gateway, f"{path}/revoke", {}, key=None))["status"] == "revoked"
    assert (await made(gateway, f"{path}/revoke", {}, key=None))["status"] == "revoked"
    assert await refused(gateway, "/payments", pay) == closed
    assert (await gateway.post(f"{path}/resume", {}, key=None)).status_code == 409
    assert (await gateway.post(f"{path}/pause", {}, key=None)).status_code == 409
    counters = dict(
        await gateway.rows("select rule, used from limit_counters where subject !~ '^customer'")
    )
    assert (counters["closed"], counters["secondaries"], counters["primaries"]) == (1, 0, 0)


# ── what the primary approves ────────────────────────────────────────────────────────────


@pytest.fixture
async def partial(gateway, primary, secondary) -> dict[str, Any]:
    """A partial delegation whose people's phones have cooled."""
    under = await delegation(gateway, primary, secondary, "partial")
    await mid_month(gateway)
    return under


async def test_the_primary_approves_and_the_payment_is_made(gateway, primary, secondary, partial):
    pay = paying(partial, secondary, 100)
    assert (await refused(gateway, "/payments", pay))[:2] == (409, "approval_required")
    asked = await request(gateway, partial["id"], secondary, 8_000_00)
    assert asked["status"] == "pending"
    held = "select used from limit_counters where rule like '%%amount_per_day' and used > 0"
    assert await gateway.rows(held) == [(8_000_00,)]
    body = approval(asked, primary)
    path = f"/delegation-requests/{asked['id']}"
    answer = await gateway.post(f"{path}/approve", body, key="yes")
    assert answer.status_code == 201, answer.text
    paid = answer.json()
    assert (paid["status"], paid["customer_id"]) == ("captured", secondary.id)
    assert paid["authority"]["request_id"] == asked["id"]
    again = await gateway.post(f"{path}/approve", body, key="yes")
    assert (again.content, again.headers["Idempotent-Replayed"]) == (answer.content, "true")
    once_more = await gateway.post(f"{path}/approve", body)
    assert (once_more.status_code, once_more.json()["id"]) == (201, paid["id"])
    assert await gateway.scalar("select count(*) from payments") == 1
    shown = (await gateway.get(path)).json()
    assert (shown["status"], shown["payment_id"]) == ("approved", paid["id"])
    assert (shown["approved_by"], shown["challenge"]) == (primary.device, None)
    seen = (await gateway.get(f"/delegations/{partial['id']}/payments")).json()["data"]
    assert [each["id"] for each in seen] == [paid["id"]]
    # Held once, taken once.
    assert await gateway.rows(held) == [(8_000_00,)]
    rule = "select used from limit_counters where rule = 'open_requests'"
    assert await gateway.scalar(rule) == 0


async def test_nobody_else_approves(gateway, primary, secondary, partial):
    asked = await request(gateway, partial["id"], secondary)
    path = f"/delegation-requests/{asked['id']}/approve"
    proof = (422, "proof_invalid", "signature")
    forged = {"device_id": primary.device, "signature": secondary.sign(asked["challenge"])}
    assert await refused(gateway, path, forged) == proof
    other = await request(gateway, partial["id"], secondary)
    of_other = {"device_id": primary.device, "signature": primary.sign(other["challenge"])}
    assert await refused(gateway, path, of_other) == proof
    untrusted = (409, "device_not_trusted", "device_id")
    assert await refused(gateway, path, approval(asked, secondary)) == untrusted
    new_phone = await Person(gateway, primary.id).link()
    assert await refused(gateway, path, approval(asked, new_phone)) == untrusted
    await made(gateway, f"/devices/{primary.device}/suspend", {}, key=None)
    assert await refused(gateway, path, approval(asked, primary)) == untrusted
    stranger = await gateway.another_merchant()
    assert (await stranger.post(path, approval(asked, primary))).status_code == 404
    assert await gateway.scalar("select count(*) from payments") == 0


async def test_declined_and_expired_give_back_what_was_held(gateway, primary, secondary, partial):
    lasting = "(secondar|primar)ies|devices"
    used = f"select subject, rule, used from limit_counters where rule !~ '{lasting}'"
    first, second = [await request(gateway, partial["id"], secondary) for _ in range(2)]
    path = f"/delegation-requests/{first['id']}"
    declined = await made(gateway, f"{path}/decline", {"reason": "too dear"}, key=None)
    assert (declined["status"], declined["reason"]) == ("declined", "too dear")
    assert (await made(gateway, f"{path}/decline", {}, key=None))["reason"] == "too dear"
    assert await refused(gateway, f"{path}/approve", approval(first, primary)) == (
        409,
        "illegal_state",
        None,
    )
    assert len(await gateway.rows(f"{used} and used > 0")) > 1
    await pass_time(gateway, timedelta(minutes=10))
    path = f"/delegation-requests/{second['id']}"
    late = (409, "request_expired", None)
    assert await refused(gateway, f"{path}/approve", approval(second, primary)) == late
    assert (await refused(gateway, f"{path}/decline", {})) == late
    shown = (await gateway.get(path)).json()
    assert (shown["status"], shown["challenge"]) == ("expired", None)
    listed = await gateway.get(f"/delegations/{partial['id']}/requests?status=expired")
    assert [each["id"] for each in listed.json()["data"]] == [second["id"]]
    assert await expire_once(gateway.services) >= 1
    assert await gateway.rows(f"{used} and used > 0") == []
    assert await gateway.scalar("select count(*) from payments") == 0


async def test_what_ran_out_makes_room_for_what_is_asked_next(gateway, primary, secondary):
    await pass_time(gateway, A_DAY)
    under = await delegation(gateway, primary, secondary, "partial", max_per_month=1_000_00)
    await request(gateway, under["id"], secondary, 900_00)
    more = {"amount": 200_00, "device_id": secondary.device}
    path = f"/delegations/{under['id']}/requests"
    expected = (422, "limit_exceeded", "delegation_month")
    assert await refused(gateway, path, more) == expected
    await pass_time(gateway, timedelta(minutes=10))
    assert (await gateway.post(path, more)).status_code == 201


async def test_revoked_is_approved_no_more(gateway, primary, secondary, partial):
    asked = await request(gateway, partial["id"], secondary)
    await made(gateway, f"/delegations/{partial['id']}/revoke", {}, key=None)
    path = f"/delegation-requests/{asked['id']}/approve"
    closed = (409, "delegation_closed", None)
    assert await refused(gateway, path, approval(asked, primary)) == closed


async def test_an_approved_payment_that_fails_gives_everything_back(gateway, primary, secondary):
    under = await delegation(
        gateway, primary, secondary, "partial", vpa="decline@khata", max_per_month=1_000_00
    )
    await mid_month(gateway)
    asked = await request(gateway, under["id"], secondary, 500_00)
    path = f"/delegation-requests/{asked['id']}/approve"
    paid = await made(gateway, path, approval(asked, primary))
    assert paid["status"] == "failed"
    shown = (await gateway.get(f"/delegations/{under['id']}")).json()
    assert [(c["rule"], c["used"]) for c in shown["caps"]] == [("delegation_month", 0)]


async def test_a_full_delegation_needs_no_approval(gateway, primary, secondary):
    under = await delegation(gateway, primary, secondary)
    body = {"amount": 100, "device_id": secondary.device}
    path = f"/delegations/{under['id']}/requests"
    assert (await refused(gateway, path, body))[:2] == (409, "conflict")


async def test_ten_requests_wait_at_most(gateway, primary, secondary, partial):
    for _ in range(10):
        await request(gateway, partial["id"], secondary, 1_00)
    body = {"amount": 1_00, "device_id": secondary.device}
    path = f"/delegations/{partial['id']}/requests"
    assert (await refused(gateway, path, body))[:2] == (409, "too_many_requests_open")


async def test_the_switch_is_told_the_purpose(gateway, primary, secondary):
    """59 stands for full delegation; whatever else was asked for."""
    under = await delegation(gateway, primary, secondary)
    await made(gateway, "/payments", paying(under, secondary, 100))
    event = "select data ->> 'purpose' from payment_events where event_type = 'payment.created'"
    assert await gateway.rows(event) == [("59",)]
    await gateway.pay(100, upi("someone@okbank"))
    assert await gateway.rows(f"{event} order by id") == [("59",), (None,)]
