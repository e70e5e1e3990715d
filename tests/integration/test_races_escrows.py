"""Fifty at once on one escrow: every unit goes one way, once.

Over HTTP, against two services on one database, whose rails take their time.
"""

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from online.operations.verify import verify_books
from online.operations.worker import expire_once
from tests.gateways import UPI, Gateway, gateway_on, settings_for
from tests.integration.test_escrows import done, funded, name, read, terms
from tests.integration.test_races import MANY, Town, counted

pytestmark = pytest.mark.anyio

DONE, MADE = (200, None), (201, None)
OVER, FROZEN, ILLEGAL = (422, "over_release"), (409, "escrow_frozen"), (409, "illegal_state")
OVER_REFUND, OVER_ESCROWED = (422, "over_refund"), (422, "over_escrowed")
NO_FUNDS = (402, "insufficient_funds")


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
        below = "select code from ledger_accounts where code like '%%:escrow:%%' and posted < 0"
        assert await first.rows(below) == []
        # What an account of an escrow holds is what its escrow says.
        differs = await first.rows(
            "select e.id from escrows e left join ledger_accounts a on a.code like"
            " 'merchant:%%:escrow:%%' and a.merchant_id = e.merchant_id"
            " where (select count(*) from escrows) = 1 and coalesce(a.posted, 0) <> e.held_minor"
        )
        assert differs == []


async def ready(town: Town, sellers: int = 3, **fields):
    parties = [await town.first.another_merchant() for _ in range(sellers)]
    escrow = await funded(town.first, *parties, **fields)
    return escrow, parties


async def paid_out(town: Town, parties) -> int:
    codes = [f"merchant:{name(each)}:pending" for each in parties]
    sql = "select coalesce(sum(posted), 0)::bigint from ledger_accounts where code = any(%s)"
    return int(await town.first.scalar(sql, codes))


@pytest.mark.parametrize(("part", "fit"), [(300, 3), (70, 14), (601, 1)])
async def test_releases(town, part, fit):
    escrow, parties = await ready(town)
    await done(town.first, f"/escrows/{escrow['id']}/approve")
    answers = await town.race(*[(f"/escrows/{escrow['id']}/release", {"amount": part})] * MANY)
    assert answers == {DONE: fit, OVER: MANY - fit}
    found = await read(town.first, escrow)
    assert (found["amount_held"], found["amount_released"]) == (1_000 - part * fit, part * fit)
    assert await paid_out(town, parties) == part * fit


async def test_fundings_of_one_payment(town):
    """Fifty agreements over one payment, each of a third of it: three of them are funded."""
    seller = await town.first.another_merchant()
    payment = await town.first.pay(1_000, UPI)
    await town.first.pay(20_000, UPI)  # for want of money none is refused
    ids_ = []
    for _ in range(MANY):
        body = terms(town.first, seller, amount=333, payment=payment["id"])
        made = await done(town.first, "/escrows", body, 201)
        await done(seller, f"/escrows/{made['id']}/accept")
        ids_.append(made["id"])
    answers = await town.race(*[(f"/escrows/{id_}/fund", {}) for id_ in ids_])
    assert answers == {DONE: 3, OVER_ESCROWED: MANY - 3}


async def test_releases_refunds_and_freezes_together(town):
    escrow, parties = await ready(town)
    id_ = escrow["id"]
    refund = {"payment": escrow["payment"], "escrow": id_, "amount": 30}
    asked = [
        *[("/refunds", refund)] * 20,
        *[(f"/escrows/{id_}/approve", {})] * 5,
        *[(f"/escrows/{id_}/release", {"amount": 40})] * 20,
        *[(f"/escrows/{id_}/freeze", {"reason": "a complaint"})] * 5,
    ]
    random.Random(11).shuffle(asked)
    answers = await town.at_once(asked)
    told = counted(answers)
    assert set(told) <= {DONE, MADE, (202, None), OVER, FROZEN, ILLEGAL, OVER_REFUND,
                         (409, "conditions_not_met")}  # fmt: skip
    found = await read(town.first, escrow)
    assert found["status"] == "frozen"
    out = found["amount_released"] + found["amount_refunded"]
    assert found["amount_held"] + out == 1_000
    assert found["amount_released"] == await paid_out(town, parties)
    refunds = sum(answer.json().get("status") == "succeeded" for answer in answers)
    assert found["amount_refunded"] == 30 * refunds


async def test_resolutions_by_both_sides_split_it_once(town):
    escrow, (seller,) = await ready(town, 1)
    path = f"/escrows/{escrow['id']}"
    await done(town.first, f"{path}/freeze", {"reason": "x"})
    half = {
        "outcome": "split",
        "refund": 500,
        "shares": [{"merchant": name(seller), "amount": 500}],
    }
    calls = [
        (town.gateways[0] if n % 2 else seller).post(f"{path}/resolve", half) for n in range(MANY)
    ]
    told = counted(await asyncio.gather(*calls))
    assert set(told) <= {DONE, ILLEGAL}
    for gateway in town.gateways:
        await expire_once(gateway.services)
    found = await read(town.first, escrow)
    assert (found["status"], found["amount_released"], found["amount_refunded"]) == (
        "closed",
        500,
        500,
    )
    assert await paid_out(town, [seller]) == 500


async def test_workers_give_back_once_what_its_time_brings(town):
    escrow, _ = await ready(town)
    await town.later(timedelta(days=31))
    for _round in range(4):
        await asyncio.gather(*[expire_once(town.gateways[n % 2].services) for n in range(10)])
    found = await read(town.first, escrow)
    assert (found["status"], found["amount_refunded"]) == ("closed", 1_000)
    assert await town.attempts("refund") == 1
