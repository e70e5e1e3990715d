"""Fifty transfers at once of one user: the day's amount and number are exact, the books hold."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from online.operations.recovery import recover_once
from online.operations.verify import verify_books
from tests.gateways import Gateway, gateway_on, settings_for
from tests.integration.test_races import Town

pytestmark = pytest.mark.anyio

MANY = 50
LAKH = 1_00_000_00
MOST = 20  # a day, by config/limits.yaml
PAYEES = (
    "select coalesce(sum(posted), 0)::bigint from ledger_accounts where code like 'p2p:%%:payee'"
)
SENT, OVER = (201, None), (422, "limit_exceeded")


@pytest.fixture(params=[1, 2], ids=["one service", "two services"])
async def town(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        settings = settings_for(database_url, tmp_path)
        gateways = [
            await stack.enter_async_context(gateway_on(settings)) for _ in range(request.param)
        ]
        for other in gateways[1:]:
            other.merchant = gateways[0].merchant
            await other.sign_in()
        yield Town(gateways)
        assert (await verify_books(database_url)).holds


async def untyped(gateway: Gateway) -> str:
    """A payer of whom nothing is known but that they are here: no first hours count."""
    return str((await gateway.post("/customers", {"name": "Asha"})).json()["id"])


def order(payer: str, amount: int, vpa: str = "asha@ybl") -> tuple[str, dict[str, Any]]:
    body = {
        "from": {"customer_id": payer, "vpa": vpa},
        "to": {"vpa": "ravi@oksbi"},
        "amount": amount,
        "device_id": "phone-1",
    }
    return "/transfers", body


async def sent(gateway: Gateway) -> tuple[int, int]:
    """How many transfers went out, and their sum."""
    rows = await gateway.rows(
        "select count(*), coalesce(sum(amount_minor), 0)::bigint from transfers"
        " where status not in ('failed', 'blocked', 'canceled')"
    )
    return rows[0][0], rows[0][1]


async def counted(gateway: Gateway) -> dict[str, int]:
    return dict(await gateway.rows("select rule, used from limit_counters where used > 0"))


async def test_the_number_a_day_is_exact(town: Town) -> None:
    payer = await untyped(town.first)

    answers = await town.race(*[order(payer, 100_00) for _ in range(MANY)])

    assert answers == {SENT: MOST, OVER: MANY - MOST}
    assert await sent(town.first) == (MOST, MOST * 100_00)
    assert await counted(town.first) == {
        "p2p.transactions_per_day": MOST,
        "p2p.amount_per_day": MOST * 100_00,
    }


async def test_the_amount_a_day_is_exact_to_the_paisa(town: Town) -> None:
    payer = await untyped(town.first)

    answers = await town.race(*[order(payer, LAKH // 8) for _ in range(MANY)])
    rest = await town.first.post(*order(payer, 1))

    assert answers == {SENT: 8, OVER: MANY - 8}
    assert await sent(town.first) == (8, LAKH)
    assert rest.json()["code"] == "limit_exceeded"
    assert rest.json()["limit"]["headroom"] == 0


async def test_what_comes_to_nothing_makes_room_again(town: Town) -> None:
    """Declines give back what they took: all of it may be sent once they are over."""
    payer = await untyped(town.first)

    first = await town.race(*[order(payer, LAKH // 20, "decline@khata") for _ in range(MANY)])
    then = await town.race(*[order(payer, LAKH // 20) for _ in range(MANY)])

    assert first[SENT] >= MOST
    assert then == {SENT: MOST, OVER: MANY - MOST}
    assert await sent(town.first) == (MOST, LAKH)


async def test_one_key_fifty_times_sends_once(town: Town) -> None:
    payer = await untyped(town.first)
    asked = [order(payer, 500_00)] * MANY

    answers = Counter(
        answer.status_code for answer in await town.at_once(asked, key="the same call")
    )

    assert set(answers) <= {201, 409}
    assert await sent(town.first) == (1, 500_00)


async def test_a_yes_and_a_cancellation_that_cross_leave_one_truth(town: Town) -> None:
    """The payer's yes comes by an enquiry while the cancellation is at the rail."""
    payer = await untyped(town.first)
    waiting = [
        (await town.first.post(*order(payer, 700_00, "pending@khata"))).json()["id"]
        for _ in range(MOST)
    ]
    canceling = [(f"/transfers/{id_}/cancel", {}) for id_ in waiting]

    await asyncio.gather(town.race(*canceling), recover_once(town.first.services))
    for _ in range(2):
        await town.first.recover()

    rows = await town.first.rows("select status, count(*) from transfers group by status")
    ended = Counter(dict(rows))
    assert set(ended) <= {"canceled", "succeeded"}
    assert sum(ended.values()) == MOST
    assert await town.first.scalar(PAYEES) == ended["succeeded"] * 700_00
    assert (await counted(town.first)).get("p2p.amount_per_day", 0) == ended["succeeded"] * 700_00
