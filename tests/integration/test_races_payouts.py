"""Fifty at once on one payable balance, one beneficiary: never below zero, exact, and booked once.

Over HTTP, against two services on one database.
"""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from online.operations.verify import verify_books
from online.operations.worker import pay_once
from tests.gateways import Gateway, gateway_on, settings_for
from tests.integration.test_payouts_http import ASHA, STORES, funded, on_demand, payable, usable

pytestmark = pytest.mark.anyio

MANY = 50
PAID = (201, None)
NO_FUNDS = (402, "insufficient_funds")
STOPPED = (409, "beneficiary_not_usable")


class Pair:
    """Two services, one merchant."""

    def __init__(self, gateways: list[Gateway]) -> None:
        self.gateways = gateways
        self.first = gateways[0]

    async def race(self, calls: list[tuple[str, dict[str, object]]]) -> Counter[object]:
        """How often each answer came."""
        answers = await asyncio.gather(
            *(self.gateways[n % 2].post(*call, key=f"call-{n}") for n, call in enumerate(calls))
        )
        return Counter((each.status_code, each.json().get("code")) for each in answers)

    async def sign_in(self) -> None:
        for gateway in self.gateways:
            await gateway.sign_in()


@pytest.fixture
async def pair(database_url, owner_url, tmp_path):
    async with AsyncExitStack() as stack:
        settings = settings_for(database_url, tmp_path)
        opened = [await stack.enter_async_context(gateway_on(settings)) for _ in range(2)]
        other = Gateway(opened[1].client, opened[1].services, opened[0].merchant)
        await on_demand(opened[0])
        yield Pair([opened[0], await other.sign_in()])
        report = await verify_books(owner_url)
        assert report.holds, report


@pytest.mark.parametrize(("amount", "fit"), [(30, 3), (7, 14), (101, 0), (2, 50)])
async def test_payouts_of_one_balance(pair, amount, fit):
    await funded(pair.first, 100)
    to = await usable(pair.first, STORES)
    await pair.sign_in()
    answers = await pair.race([("/payouts", {"beneficiary": to, "amount": amount})] * MANY)
    expected = {PAID: fit, NO_FUNDS: MANY - fit}
    assert answers == {said: times for said, times in expected.items() if times}
    assert await payable(pair.first) == 100 - amount * fit
    (lowest,) = await pair.first.rows(
        "select min(e.balance_after) from ledger_entries e join ledger_accounts a"
        " on a.id = e.account_id where a.code like '%%:payable'"
    )
    assert lowest == (100 - amount * fit if fit else 100,)
    sent = "select count(*) from attempts where order_id like 'pout%%'"
    assert await pair.first.scalar(sent) == fit


async def test_the_same_key_pays_once(pair):
    await funded(pair.first, 100)
    to = await usable(pair.first)
    await pair.sign_in()
    order = {"beneficiary": to, "amount": 10}
    answers = await asyncio.gather(
        *(pair.gateways[n % 2].post("/payouts", order, key="one") for n in range(MANY))
    )
    assert {each.status_code for each in answers} <= {201, 202, 409}
    assert {each.json()["id"] for each in answers if each.status_code < 300} != set()
    assert await payable(pair.first) == 90


@pytest.mark.parametrize("round_", range(3))
async def test_payouts_against_a_change_of_their_account(pair, round_):
    """What began before the change goes to the account before it; nothing begins after it."""
    await funded(pair.first, 1_000)
    to = await usable(pair.first)
    await pair.sign_in()
    changed = (f"/payout-beneficiaries/{to}", {**ASHA, "vpa": f"thief{round_}@khata"})
    orders = [("/payouts", {"beneficiary": to, "amount": 10})] * (MANY - 1)
    place = (5, 25, 45)[round_]
    answers = await pair.race([*orders[:place], changed, *orders[place:]])
    assert answers.pop((200, None)) == 1
    assert set(answers) <= {PAID, STOPPED}
    assert await payable(pair.first) == 1_000 - 10 * answers[PAID]
    # In the order of their commits: no payout after the change.
    events = await pair.first.rows(
        "select event_type from payment_events where event_type in"
        " ('payout.sent', 'beneficiary.changed') order by xid, id"
    )
    kinds = [kind for (kind,) in events]
    assert kinds.count("payout.sent") == answers[PAID]
    editions = await pair.first.rows("select distinct edition from payouts")
    assert editions in ([(1,)], [])
    late = await pair.first.post("/payouts", {"beneficiary": to, "amount": 10})
    assert (late.status_code, late.json()["code"]) == STOPPED


async def test_payouts_against_a_stop(pair):
    await funded(pair.first, 1_000)
    to = await usable(pair.first)
    await pair.sign_in()
    orders = [("/payouts", {"beneficiary": to, "amount": 10})] * 25
    stops = [(f"/payout-beneficiaries/{to}/disable", {})] * 25
    answers = await pair.race([call for both in zip(orders, stops, strict=True) for call in both])
    assert answers.pop((200, None)) == 25  # the same again is no news
    assert set(answers) <= {PAID, STOPPED}
    assert await payable(pair.first) == 1_000 - 10 * answers[PAID]
    closed = "select used from limit_counters where subject like 'bnf%%' and rule = 'closed'"
    assert await pair.first.rows(closed) == [(1,)]


async def test_two_workers_and_a_change_of_mind(pair):
    """Fifty scheduled, some canceled while two workers send what is due: each ends once."""
    await funded(pair.first, 300)
    to = await usable(pair.first)
    await pair.sign_in()
    at = (pair.first.services.clock.now() + timedelta(hours=1)).isoformat()
    body = {"beneficiary": to, "amount": 10, "scheduled_at": at}
    made = [await pair.first.post("/payouts", body) for _ in range(MANY)]
    pair.first.later(timedelta(hours=2))
    await pair.sign_in()
    wanted = [each.json()["id"] for each in made[:10]]
    await asyncio.gather(
        *(pay_once(gateway.services) for gateway in pair.gateways),
        *(pair.first.post(f"/payouts/{id_}/cancel", {}, key=None) for id_ in wanted),
    )
    await pay_once(pair.first.services)
    ends = dict(await pair.first.rows("select status, count(*) from payouts group by status"))
    assert sum(ends.values()) == MANY
    assert ends["paid"] == 30
    assert await payable(pair.first) == 0
    assert set(ends) <= {"paid", "failed", "canceled"}
