"""Fifty at once on one period of a mandate, on its schedule, on its revocation: over HTTP and by
workers, against two services on one database. `verify-books` passes after each.
"""

import asyncio
from collections import Counter

import pytest

from online.kernel import ids
from online.operations.verify import verify_books
from online.operations.worker import debit_once
from tests.gateways import Gateway, gateway_on, settings_for
from tests.mandates import ONE_DAY, Payers

pytestmark = pytest.mark.anyio

MANY = 50


class Town:
    """One merchant at two services, whose workers share the work; `payers` is at the first."""

    def __init__(self, payers: Payers, other: Gateway) -> None:
        self.payers = payers
        self.gateways = [payers.gateway, other]
        other.services.rails._rails = payers.gateway.services.rails._rails

    async def workers(self, rounds: int) -> None:
        """So many rounds of both workers, all at once."""
        turns = [self.gateways[n % 2].services for n in range(rounds)]
        await asyncio.gather(*[debit_once(services) for services in turns])

    async def count(self, what: str) -> int:
        return int(await self.payers.gateway.scalar(f"select count(*) from {what}"))


@pytest.fixture
async def town(database_url, owner_url, tmp_path):
    settings = settings_for(database_url, tmp_path)
    async with gateway_on(settings) as first, gateway_on(settings) as second:
        other = await Gateway(second.client, second.services, first.merchant).sign_in()
        yield Town(await Payers(first).settle_in(), other)
        report = await verify_books(owner_url)
        assert report.holds, report


async def test_fifty_executions_of_one_period_are_one(town):
    mandate = await town.payers.ask()
    path = f"/mandates/{mandate['id']}/executions"
    day = (town.payers.today + 3 * ONE_DAY).isoformat()
    answers = await asyncio.gather(*[
        town.gateways[n % 2].post(path, {"amount": 100 + n, "debit_on": day}, key=f"call-{n}")
        for n in range(MANY)
    ])  # fmt: skip
    told = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert told == {(201, None): 1, (409, "period_taken"): MANY - 1}
    assert await town.count("mandate_executions") == 1


async def test_fifty_calls_with_one_key_are_one(town):
    mandate = await town.payers.ask()
    path = f"/mandates/{mandate['id']}/executions"
    body = {"amount": 100, "debit_on": (town.payers.today + 3 * ONE_DAY).isoformat()}
    answers = await asyncio.gather(
        *[town.gateways[n % 2].post(path, body, key="one") for n in range(MANY)]
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_fifty_rounds_of_two_workers_debit_once(town):
    execution = await town.payers.notified(await town.payers.ask())
    await town.workers(MANY)
    found = await town.payers.execution(execution)
    assert (found["status"], found["tried"]) == ("succeeded", 1)
    assert await town.count("payments") == 1
    assert await town.count("attempts where operation = 'authorize'") == 1


async def test_a_try_that_failed_is_not_tried_again_by_the_others(town):
    execution = await town.payers.notified(
        await town.payers.ask(vpa="mandate.insufficient_funds@khata")
    )
    await town.workers(MANY)
    found = await town.payers.execution(execution)
    assert (found["status"], found["tried"], len(found["payments"])) == ("retrying", 1, 1)
    assert await town.count("payments") == 1


async def test_schedules_and_notices_of_many_mandates_by_two_workers(town):
    day = (town.payers.today + 3 * ONE_DAY).isoformat()
    for _ in range(8):
        await town.payers.ask(
            frequency="daily", amount=10_00, start_on=day,
            end_on=(town.payers.today + 5 * ONE_DAY).isoformat(),
        )  # fmt: skip
    begins = town.payers.today
    for n in range(7):
        await town.payers.at(begins + n * ONE_DAY, "08:00")
        for _ in range(3):
            await town.workers(6)
    assert await town.count("mandate_executions") == 8 * 3
    assert await town.count("mandate_executions where status = 'succeeded' and tried = 1") == 8 * 3
    assert await town.count("payments where status = 'captured'") == 8 * 3
    assert await town.count(
        "(select from mandate_executions group by mandate_id, period having count(*) > 1) twice"
    ) == 0  # fmt: skip


async def test_a_revocation_among_tries_stops_them_or_comes_after(town):
    mandates, executions = [], []
    day = town.payers.today + 2 * ONE_DAY
    for _ in range(MANY):
        mandates.append(await town.payers.ask())
        executions.append(await town.payers.debit(mandates[-1], day))
    await town.payers.work()
    await town.payers.at(day, "08:00")
    await town.gateways[1].sign_in()

    async def revoke(n: int) -> int:
        gateway = town.gateways[n % 2]
        answer = await gateway.post(f"/mandates/{mandates[n]['id']}/revoke", {}, key=None)
        return answer.status_code

    *statuses, _ = await asyncio.gather(*[revoke(n) for n in range(MANY)], town.workers(10))
    assert set(statuses) == {200}
    await town.payers.work()
    ends = Counter()
    for execution in executions:
        found = await town.payers.execution(execution)
        ends[found["status"]] += 1
        assert (len(found["payments"]) == 1) == (found["status"] == "succeeded"), found
    assert set(ends) <= {"succeeded", "canceled"}
    assert await town.count("payments") == ends["succeeded"]


async def test_after_the_answer_to_a_revocation_nothing_begins(town):
    execution = await town.payers.notified(await town.payers.ask())
    services = town.gateways[1].services
    due = await services.mandates.trying._due()
    await town.payers.act(f"/mandates/{execution['mandate_id']}/revoke")
    # A worker that read it before tries it now.
    assert await services.mandates.trying._each(*due) == 0
    assert await town.count("payments") == 0
    assert await town.count("attempts where operation = 'authorize'") == 0


async def test_a_revocation_while_the_rail_holds_the_debit_leaves_that_one_alone(town):
    execution = await town.payers.notified(await town.payers.ask())
    gateway = town.payers.gateway
    held = gateway.hold((await town.payers.mandate(execution["mandate_id"]))["rail"])
    trying = asyncio.create_task(debit_once(gateway.services))
    await held.asked.wait()
    revoked = await town.payers.act(f"/mandates/{execution['mandate_id']}/revoke")
    assert revoked["status"] == "revoked"
    held.let_go.set()
    await trying
    found = await town.payers.execution(execution)
    # The rail was told of the revocation first, and refuses the debit.
    assert (found["status"], found["last_error"]["decline_code"]) == ("failed", "mandate_revoked")


async def test_fifty_revocations_are_one(town):
    mandate = await town.payers.ask()
    path = f"/mandates/{mandate['id']}/revoke"
    answers = await asyncio.gather(
        *[town.gateways[n % 2].post(path, {}, key=None) for n in range(MANY)]
    )
    assert {answer.status_code for answer in answers} == {200}
    assert await town.count("payment_events where event_type = 'mandate.revoked'") == 1
    assert await town.count("attempts where operation = 'mandate_revoke'") == 1


async def test_pauses_and_resumes_leave_the_counter_where_the_mandate_is(town):
    mandate = await town.payers.ask()
    paths = [f"/mandates/{mandate['id']}/{action}" for action in ("pause", "resume")]
    await asyncio.gather(
        *[town.gateways[n % 2].post(paths[n % 2], {}, key=None) for n in range(MANY)]
    )
    status = (await town.payers.mandate(mandate["id"]))["status"]
    closed = await town.payers.gateway.scalar(
        "select used from limit_counters where rule = 'closed' and subject = %s",
        f"mandate:{mandate['id']}",
    )
    assert (status, closed) in {("active", 0), ("paused", 1)}


async def test_the_payer_and_the_merchant_revoke_at_once(town):
    mandate = await town.payers.ask()
    services = town.gateways[1].services
    rows = await town.payers.gateway.rows("select attempt_id from mandates")
    reference = ids.encode("att", rows[0][0])
    services.rails[mandate["rail"]].mandates.set_status(reference, "revoked")
    heard = [services.mandates.mandates.hear(mandate["rail"], reference, "rail") for _ in range(9)]
    await asyncio.gather(town.payers.act(f"/mandates/{mandate['id']}/revoke"), *heard)
    await town.payers.recover()
    found = await town.payers.mandate(mandate["id"])
    assert (found["status"], found["told"]) == ("revoked", True)
    assert await town.count("payment_events where event_type = 'mandate.revoked'") == 1
