"""Fifty at once on one wallet: never below nothing, never above its ceiling, exact to the unit.

Over HTTP, against two services on one database, whose rails take their time.
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from online.operations.verify import verify_books
from online.operations.worker import return_loads_once
from tests.gateways import Gateway, gateway_on, settings_for
from tests.integration.test_races import MANY, NO_FUNDS, Town, counted

pytestmark = pytest.mark.anyio

LITE = {"type": "upi", "upi": {"lite": True}}
PAID, LOADED = (201, None), (201, None)
FULL, CLOSED = (422, "limit_exceeded"), (409, "wallet_closed")
CEILING = 5_000_00

# The balance as each entry left it, promised money in it and not.
RUNNING = """
    select coalesce(min(posted), 0)::bigint, coalesce(max(greatest(posted, held)), 0)::bigint
    from (
        select sum(amount_cents) filter (where layer = 'posted') over w as posted,
            sum(amount_cents) over w as held
        from ledger_entries e join ledger_accounts a on a.id = e.account_id
        where a.code = %s
        window w as (partition by account_id order by account_version)) running"""


@pytest.fixture
async def town(database_url, owner_url, tmp_path):
    async with AsyncExitStack() as stack:
        settings = settings_for(database_url, tmp_path)
        opened = [await stack.enter_async_context(gateway_on(settings)) for _ in range(2)]
        first = opened[0]
        others = [Gateway(o.client, o.services, first.merchant) for o in opened[1:]]
        yield Town([first, *[await other.sign_in() for other in others]])
        report = await verify_books(owner_url)
        assert report.holds, report


async def user(town, kind="lite", **fields):
    """A user whose first day is over, with an open wallet."""
    body = {"upi_type": "mini", **fields}
    customer = (await town.first.post("/customers", body, key=None)).json()["id"]
    await town.later(timedelta(hours=25))
    answer = await town.first.post("/wallets", {"customer_id": customer, "kind": kind}, key=None)
    assert answer.status_code == 201, answer.text
    return customer


def load(customer, amount):
    return f"/wallets/{customer}/top-ups", {"amount": amount}


def spend(customer, amount):
    return "/payments", {"amount": amount, "payment_method": LITE, "customer_id": customer}


async def loaded(town, customer, amount):
    answer = await town.first.post(*load(customer, amount))
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def wallet(town, customer):
    return (await town.first.get(f"/wallets/{customer}")).json()


async def bounds(town, customer):
    (found,) = await town.first.rows(RUNNING, f"customer:{customer}:lite")
    return found


async def test_fifty_payments_from_one_balance_take_what_is_there_and_no_more(town):
    customer = await user(town)
    await loaded(town, customer, 20_00)
    assert await town.race(*[spend(customer, 1_00)] * MANY) == {PAID: 20, NO_FUNDS: 30}
    assert (await wallet(town, customer))["balance"] == 0
    assert await town.first.scalar("select count(*) from payments") == 20


async def test_fifty_top_ups_fill_a_wallet_to_its_ceiling_and_no_further(town):
    customer = await user(town)
    assert await town.race(*[load(customer, 300_00)] * MANY) == {LOADED: 16, FULL: 34}
    now = await wallet(town, customer)
    assert (now["balance"], now["pending"], now["headroom"]) == (4_800_00, 0, 200_00)
    assert await bounds(town, customer) == (300_00, 4_800_00) or (await bounds(town, customer)) == (
        0,
        4_800_00,
    )


async def test_payments_and_top_ups_together_stay_between_nothing_and_the_ceiling(town):
    customer = await user(town)
    await loaded(town, customer, 2_000_00)
    asked = [load(customer, 330_00), spend(customer, 210_00)] * (MANY // 2)
    answers = await town.at_once(asked)
    came = counted(answers[0::2])
    went = counted(answers[1::2])
    assert set(came) <= {LOADED, FULL}
    assert set(went) <= {PAID, NO_FUNDS}
    held = 2_000_00 + 330_00 * came[LOADED] - 210_00 * went[PAID]
    now = await wallet(town, customer)
    assert (now["balance"], now["pending"]) == (held, 0)
    least, most = await bounds(town, customer)
    assert least >= 0
    assert most <= CEILING


async def test_payments_race_with_closing(town):
    customer = await user(town)
    for _ in range(3):
        await loaded(town, customer, 10_00)
    asked = [spend(customer, 1_00)] * (MANY // 2)
    asked.insert(12, (f"/wallets/{customer}/close", {}))
    answers = await town.at_once(asked)
    closed = answers.pop(12)
    assert closed.status_code == 200, closed.text
    tally = counted(answers)
    assert set(tally) <= {PAID, CLOSED}
    back = await town.first.scalar("select sum(returned_minor)::bigint from top_ups")
    assert back + 1_00 * tally[PAID] == 30_00
    now = await wallet(town, customer)
    assert (now["status"], now["balance"], now["returning"]) == ("closed", 0, 0)
    assert await return_loads_once(town.first.services) == 1  # looks, and finds nothing
    assert await return_loads_once(town.first.services) == 0
    assert (await bounds(town, customer))[0] >= 0


async def test_refunds_race_with_closing_and_all_of_it_goes_back(town):
    customer = await user(town)
    await loaded(town, customer, 50_00)
    paid = [(await town.first.post(*spend(customer, 2_00))).json()["id"] for _ in range(20)]
    asked = [("/refunds", {"payment": each}) for each in paid]
    asked.insert(7, (f"/wallets/{customer}/close", {}))
    asked += [load(customer, 3_00)] * 10
    answers = await town.at_once(asked)
    assert {answer.status_code for answer in answers[:21]} == {200, 201}
    late = counted(answers[21:])
    assert set(late) <= {LOADED, CLOSED}
    while await return_loads_once(town.first.services):
        pass
    now = await wallet(town, customer)
    assert (now["balance"], now["pending"], now["returning"]) == (0, 0, 0)
    back = await town.first.scalar("select sum(returned_minor)::bigint from top_ups")
    assert back == 50_00 + 3_00 * late[LOADED]


async def test_top_ups_and_payments_race_with_becoming_max(town):
    customer = await user(town, "ppi", kyc_level="minimum")
    await loaded(town, customer, 5_000_00)
    upgrade = (f"/customers/{customer}", {"upi_type": "max", "kyc_level": "full"})
    asked = [load(customer, 1_000_00), spend(customer, 150_00)] * (MANY // 2)
    asked.insert(20, upgrade)
    answers = await town.at_once(asked)
    assert answers.pop(20).status_code == 200
    came, went = counted(answers[0::2]), counted(answers[1::2])
    assert set(came) <= {LOADED, FULL}
    assert set(went) <= {PAID, NO_FUNDS, FULL}
    now = await wallet(town, customer)
    held = 5_000_00 + 1_000_00 * came[LOADED] - 150_00 * went[PAID]
    assert (now["balance"], now["ceiling"]) == (held, 2_00_000_00)
    assert await loaded(town, customer, 20_000_00)


async def test_nobody_is_erased_while_their_wallet_is_opened(town):
    for _ in range(10):
        body = {"upi_type": "mini"}
        customer = (await town.first.post("/customers", body, key=None)).json()["id"]
        opening, erasing = await asyncio.gather(
            town.gateways[0].post("/wallets", {"customer_id": customer}, key=None),
            town.gateways[1].post(f"/customers/{customer}/erase", {}, key=None),
        )
        assert sorted([opening.status_code, erasing.status_code]) in (
            [200, 403],
            [200, 409],
            [201, 409],
        )
    both = await town.first.scalar(
        "select count(*) from wallets w join customers c on c.id = w.customer_id"
        " where w.status = 'open' and c.erased_at is not null"
    )
    assert both == 0
