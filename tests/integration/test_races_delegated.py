"""Fifty at once on one handle, one delegation, one request: caps are exact to the paisa.

Over HTTP, against two services on one database, whose rails take their time.
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

import pytest

from online.operations.verify import verify_books
from online.operations.worker import expire_once
from tests.circle import (
    A_DAY,
    approval,
    by_delegation,
    by_handle,
    delegation,
    handle,
    made,
    person,
    request,
)
from tests.gateways import Gateway, gateway_on, settings_for
from tests.integration.test_races import MANY, Town, counted

pytestmark = pytest.mark.anyio
OVER = (422, "limit_exceeded")
PAID = (201, None)
ILLEGAL, LATE = (409, "illegal_state"), (409, "request_expired")


@pytest.fixture
async def town(database_url, owner_url, tmp_path):
    async with AsyncExitStack() as stack:
        settings = settings_for(database_url, tmp_path)
        opened = [await stack.enter_async_context(gateway_on(settings)) for _ in range(2)]
        first = opened[0]
        other = Gateway(opened[1].client, opened[1].services, first.merchant)
        yield Town([first, await other.sign_in()])
        report = await verify_books(owner_url)
        assert report.holds, report
        assert await first.rows("select subject from limit_counters where used > cap") == []


async def used(town: Town, rule: str) -> int:
    sql = "select coalesce(sum(used), 0)::bigint from limit_counters where rule = %s"
    return int(await town.first.scalar(sql, rule))


async def captured(town: Town) -> tuple[int, int]:
    """How many payments took money, and how much."""
    sql = "select count(*), coalesce(sum(captured_minor), 0)::bigint from payments"
    ((many, amount),) = await town.first.rows(f"{sql} where status = 'captured'")
    return many, amount


# ── handles ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("terms", "amount", "fit"),
    [
        ({"max_uses": 7}, 30, 7),
        ({"max_uses": 1}, 30, 1),
        ({"max_uses": 100, "max_total": 1000}, 30, 33),
        ({"max_uses": 20, "max_total": 1000}, 51, 19),
    ],
    ids=["uses", "one use", "total", "whichever comes first"],
)
async def test_payments_by_one_handle(town, terms, amount, fit):
    payer = await person(town.first, phone=False)
    new = await handle(town.first, payer.id, max_amount=100, **terms)
    pay = {"amount": amount, "payment_method": by_handle(new["alias"])}
    answers = await town.race(*[("/payments", pay)] * MANY)
    assert answers == {PAID: fit, OVER: MANY - fit}
    assert await captured(town) == (fit, fit * amount)
    assert await used(town, "handle_uses") == fit
    if "max_total" in terms:
        assert await used(town, "handle_total") == fit * amount


async def test_payments_by_a_handle_that_is_revoked_in_the_middle(town):
    """What was answered before the revocation was answered stays; what comes after is refused."""
    payer = await person(town.first, phone=False)
    for _ in range(3):
        new = await handle(town.first, payer.id)
        pay = {"amount": 30, "payment_method": by_handle(new["alias"])}
        path = f"/handles/{new['id']}/revoke"
        before = await captured(town)
        asked = [("/payments", pay)] * 25 + [(path, {})] * 2 + [("/payments", pay)] * 25
        answers = await town.at_once(asked)
        found = counted(answers)
        assert set(found) <= {PAID, (200, None), (409, "handle_revoked")}
        assert found[200, None] == 2
        after = await captured(town)
        assert after[0] - before[0] == found[PAID]
        assert await town.race(("/payments", pay | {"amount": 9})) == {(409, "handle_revoked"): 1}
        # In the log: no payment under it is younger than its end, by the database's own order.
        late = await town.first.rows(
            "select p.aggregate_id from payment_events p, payment_events h"
            " where p.event_type = 'payment.created' and h.event_type = 'handle.revoked'"
            " and p.data -> 'authority' ->> 'id' = %s and h.aggregate_id = ("
            "   select id from handles where alias_hash = %s) and p.xid > h.xid",
            new["id"],
            town.first.services.vault.alias_hash(new["alias"]),
        )
        assert late == []


# ── delegations ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("terms", "amount", "fit"),
    [({}, 400_00, 12), ({"max_per_month": 1_000}, 30, 33), ({"max_per_month": 1_000}, 1_000, 1)],
    ids=["the first day's 5,000", "a month of its own", "all at once"],
)
async def test_payments_under_one_delegation(town, terms, amount, fit):
    primary, secondary = await person(town.first, "max"), await person(town.first, "mini")
    under = await delegation(town.first, primary, secondary, **terms)
    pay = {
        "amount": amount,
        "payment_method": by_delegation(under["id"]),
        "device_id": secondary.device,
    }
    answers = await town.race(*[("/payments", pay)] * MANY)
    assert answers == {PAID: fit, OVER: MANY - fit}
    assert await captured(town) == (fit, fit * amount)
    assert await used(town, "delegation_month") == fit * amount


async def test_the_month_of_the_rules(town):
    """Fifteen thousand, in fifty payments of 700 from two phones of two services."""
    primary, secondary = await person(town.first, "max"), await person(town.first, "mini")
    under = await delegation(town.first, primary, secondary)
    await town.later(A_DAY)
    pay = {
        "amount": 700_00,
        "payment_method": by_delegation(under["id"]),
        "device_id": secondary.device,
    }
    answers = await town.race(*[("/payments", pay)] * MANY)
    assert answers == {PAID: 21, OVER: MANY - 21}
    assert await captured(town) == (21, 21 * 700_00)


async def test_the_primarys_day_is_one_for_all_their_secondaries(town):
    """Five secondaries, each within their own caps, share what the primary may spend in a day."""
    primary = await person(town.first, "max")
    calls = []
    for _ in range(5):
        secondary = await person(town.first, "mini")
        under = await delegation(town.first, primary, secondary)
        pay = {
            "amount": 490_00,
            "payment_method": by_delegation(under["id"]),
            "device_id": secondary.device,
        }
        calls += [("/payments", pay)] * 10
    answers = await town.at_once(calls)
    found = counted(answers)
    assert set(found) <= {PAID, OVER}
    rules = {answer.json()["limit"]["rule"] for answer in answers if answer.status_code == 422}
    many, amount = await captured(town)
    assert (many, amount) == (found[PAID], found[PAID] * 490_00)
    day = await town.first.rows(
        "select used, cap from limit_counters where subject like 'customer:%%'"
        " and rule like '%%amount_per_%%' and used > 0"
    )
    assert day
    assert all(taken == amount <= cap for taken, cap in day), (day, rules)


async def test_revoked_in_the_middle(town):
    primary, secondary = await person(town.first, "max"), await person(town.first, "mini")
    for stop in ("revoke", "pause"):
        under = await delegation(town.first, primary, secondary)
        pay = {
            "amount": 10,
            "payment_method": by_delegation(under["id"]),
            "device_id": secondary.device,
        }
        asked = [("/payments", pay)] * 25
        asked += [(f"/delegations/{under['id']}/{stop}", {}), *asked]
        before = await captured(town)
        found = await town.race(*asked)
        assert set(found) <= {PAID, (200, None), (409, "delegation_closed")}
        assert (await captured(town))[0] - before[0] == found[PAID]
        assert await town.race(("/payments", pay | {"amount": 9})) == {
            (409, "delegation_closed"): 1
        }
        await made(town.first, f"/delegations/{under['id']}/revoke", {}, key=None)


async def test_a_phone_that_is_stopped_in_the_middle(town):
    primary, secondary = await person(town.first, "max"), await person(town.first, "mini")
    under = await delegation(town.first, primary, secondary)
    pay = {
        "amount": 10,
        "payment_method": by_delegation(under["id"]),
        "device_id": secondary.device,
    }
    stop = (f"/devices/{secondary.device}/suspend", {})
    found = await town.race(*[("/payments", pay)] * 25, stop, *[("/payments", pay)] * 25)
    assert found[200, None] == 1
    assert {code for status, code in found if status == 409} <= {
        "device_not_trusted",
        "device_closed",
    }
    assert (await captured(town))[0] == found[PAID]


async def test_five_places_among_fifty_who_want_one(town):
    primary = await person(town.first, "max", phone=False)
    people = [await person(town.first, "mini", phone=False) for _ in range(10)]
    body = {"vpa": "asha@okbank", "kind": "full", "primary_id": primary.id}
    calls = [("/delegations", body | {"secondary_id": each.id}) for each in people * 5]
    found = await town.race(*calls)
    assert found[PAID] == 5
    assert set(found) <= {PAID, (409, "has_primary"), (409, "too_many_secondaries")}
    assert await town.first.scalar("select count(distinct secondary_id) from delegations") == 5


async def test_one_primary_among_fifty_who_want_the_same_secondary(town):
    people = [await person(town.first, "max", phone=False) for _ in range(10)]
    secondary = await person(town.first, "mini", phone=False)
    body = {"vpa": "asha@okbank", "kind": "full", "secondary_id": secondary.id}
    calls = [("/delegations", body | {"primary_id": each.id}) for each in people * 5]
    assert await town.race(*calls) == {PAID: 1, (409, "has_primary"): MANY - 1}


# ── approvals ────────────────────────────────────────────────────────────────────────────


async def asked_of(town, **terms):
    """A primary and a secondary whose phones have cooled, under a partial delegation."""
    primary, secondary = await person(town.first, "max"), await person(town.first, "mini")
    under = await delegation(town.first, primary, secondary, "partial", **terms)
    await town.later(A_DAY)
    return primary, secondary, under


async def test_fifty_approve_the_same(town):
    primary, secondary, under = await asked_of(town)
    asked = await request(town.first, under["id"], secondary)
    path = f"/delegation-requests/{asked['id']}/approve"
    answers = await town.at_once([(path, approval(asked, primary))] * MANY)
    # 202: the payment of the first was under way when they asked.
    assert set(counted(answers)) <= {PAID, (202, None)}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await captured(town) == (1, 100_00)
    assert await used(town, "open_requests") == 0


async def test_approvals_against_refusals(town):
    primary, secondary, under = await asked_of(town)
    for turn in range(3):
        asked = await request(town.first, under["id"], secondary)
        path = f"/delegation-requests/{asked['id']}"
        yes, no = (f"{path}/approve", approval(asked, primary)), (f"{path}/decline", {})
        answers = await town.race(*[yes, no] * (MANY // 2))
        shown = (await town.first.get(path)).json()
        if shown["status"] == "approved":
            assert set(answers) <= {PAID, (202, None), ILLEGAL}
            assert answers[ILLEGAL] == MANY // 2
        else:
            assert answers == {(200, None): MANY // 2, ILLEGAL: MANY // 2}, turn
    assert await used(town, "open_requests") == 0


async def test_approvals_against_the_end_of_their_time(town):
    """Workers record the end while approvals come in: each request has one end, and what it held
    is back or in a payment."""
    primary, secondary, under = await asked_of(town, max_per_month=1_000_00)
    asked = [await request(town.first, under["id"], secondary, 100_00) for _ in range(10)]
    bodies = [(f"/delegation-requests/{a['id']}/approve", approval(a, primary)) for a in asked]
    # So that the time ends while the calls are under way.
    clock = town.first.services.clock
    ends = min(a["expires_at"] for a in asked)
    left = datetime.fromisoformat(ends) - clock.now() - timedelta(milliseconds=150)
    await town.later(left)

    async def sweep() -> None:
        for _ in range(20):
            await asyncio.gather(*(expire_once(g.services) for g in town.gateways))
            await asyncio.sleep(0.02)

    answers, *_ = await asyncio.gather(town.at_once(bodies * 5), sweep(), sweep())
    found = counted(answers)
    assert set(found) <= {PAID, (202, None), ILLEGAL, LATE}
    paid = {answer.json()["id"] for answer in answers if answer.status_code < 300}
    await town.later(timedelta(minutes=1))
    await expire_once(town.first.services)
    ends_ = dict(
        await town.first.rows("select status, count(*) from delegation_requests group by 1")
    )
    assert set(ends_) <= {"approved", "expired"}
    assert ends_.get("approved", 0) == len(paid)
    assert await captured(town) == (len(paid), len(paid) * 100_00)
    assert await used(town, "delegation_month") == len(paid) * 100_00
    assert await used(town, "open_requests") == 0


async def test_requests_hold_what_payments_would_take(town):
    """Fifty requests of 30 on a month of 1,000, ten may wait: whatever is held is never passed."""
    _, secondary, under = await asked_of(town, max_per_month=200)
    path = f"/delegations/{under['id']}/requests"
    body = {"amount": 30, "device_id": secondary.device}
    found = await town.race(*[(path, body)] * MANY)
    assert found == {PAID: 6, OVER: MANY - 6}
    assert await used(town, "delegation_month") == 180
    await town.later(timedelta(minutes=10))
    found = await town.race(*[(path, body | {"note": "again"})] * MANY)
    assert found == {PAID: 6, OVER: MANY - 6}
    ends = await town.first.rows("select status, count(*) from delegation_requests group by 1")
    assert sorted(ends) == [("expired", 6), ("pending", 6)]


async def test_one_key_is_one_request_and_one_payment(town):
    primary, secondary, under = await asked_of(town)
    path = f"/delegations/{under['id']}/requests"
    body = {"amount": 30, "device_id": secondary.device}
    answers = await town.at_once([(path, body)] * MANY, key="ask once")
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    asked = answers[0].json()
    yes = (f"/delegation-requests/{asked['id']}/approve", approval(asked, primary))
    answers = await town.at_once([yes] * MANY, key="approve once")
    done = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in done}) == 1
    assert set(counted(answers)) <= {PAID, (409, "idempotency_in_flight")}
    assert await captured(town) == (1, 30)
