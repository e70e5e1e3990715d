"""Fifty at once on one hold: what is taken, let go and kept is what was authorized, to the unit.

Over HTTP, against two services on one database, whose rails take their time.
"""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from online.operations.verify import verify_books
from online.operations.worker import expire_once
from tests.gateways import Gateway, gateway_on, settings_for
from tests.integration.test_races import MANY, Town

pytestmark = pytest.mark.anyio

DONE = (200, None)
OVER_CAPTURE, OVER_RELEASE = (422, "over_capture"), (422, "over_release")
ILLEGAL, ENOUGH = (409, "illegal_state"), (409, "not_extendable")


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
        held = await first.scalar(
            "select coalesce(sum(authorized_minor - captured_minor), 0)::bigint from payments"
        )
        pending = await first.scalar(
            "select coalesce(sum(pending), 0)::bigint from ledger_accounts"
            " where code like 'merchant:%%'"
        )
        assert held == pending


async def placed(town: Town, amount: int = 1_000, number: str = "4242424242424242") -> str:
    method = await town.first.card(number)
    answer = await town.first.post("/holds", {"amount": amount, "payment_method": method})
    assert answer.json()["status"] == "placed", answer.text
    return str(answer.json()["id"])


async def shown(town: Town, id_: str) -> tuple[str, int, int, int]:
    found = (await town.first.get(f"/holds/{id_}")).json()
    parts = (found[f"amount_{part}"] for part in ("held", "captured", "released"))
    return (found["status"], *parts)  # type: ignore[return-value]


@pytest.mark.parametrize(("part", "fit"), [(300, 3), (70, 14), (600, 1)])
async def test_releases(town, part, fit):
    id_ = await placed(town)
    answers = await town.race(*[(f"/holds/{id_}/release", {"amount": part})] * MANY)
    assert answers == {DONE: fit, OVER_RELEASE: MANY - fit}
    assert await shown(town, id_) == ("placed", 1_000 - part * fit, 0, part * fit)
    assert await town.attempts("release") == fit


async def test_captures_and_releases_together_never_pass_what_is_held(town):
    id_ = await placed(town)
    asked = [
        *[(f"/holds/{id_}/capture", {"amount": 70})] * (MANY // 2),
        *[(f"/holds/{id_}/release", {"amount": 60})] * (MANY // 2),
    ]
    random.Random(7).shuffle(asked)
    answers = await town.race(*asked)
    assert set(answers) <= {DONE, OVER_CAPTURE, OVER_RELEASE}
    status, held, captured, released = await shown(town, id_)
    assert status == ("placed" if held else "captured")
    assert captured == 70 * await town.attempts("capture")
    assert released == 60 * await town.attempts("release")
    assert held == 1_000 - captured - released
    assert held < 70
    assert answers[DONE] == captured // 70 + released // 60


async def test_all_of_it_is_taken_or_let_go_by_one_of_fifty(town):
    id_ = await placed(town)
    what = [f"/holds/{id_}/capture", f"/holds/{id_}/release", f"/holds/{id_}/cancel"]
    answers = await town.race(*[(what[n % 3], {}) for n in range(MANY)])
    assert answers[DONE] == 1
    assert set(answers) <= {DONE, OVER_CAPTURE, OVER_RELEASE, ILLEGAL}
    status, held, captured, released = await shown(town, id_)
    assert (held, captured + released) == (0, 1_000)
    assert status == ("captured" if captured else "canceled")


async def test_it_is_kept_for_longer_or_expires_and_never_both(town):
    id_ = await placed(town, number="5555555555554444")
    await town.later(timedelta(days=4, seconds=-1))
    calls = [
        *(town.gateways[n % 2].post(f"/holds/{id_}/extend", {}) for n in range(20)),
        *(town.gateways[n % 2].post(f"/holds/{id_}/release", {"amount": 90}) for n in range(20)),
    ]
    told = asyncio.gather(*calls)
    await asyncio.sleep(0.02)
    town.first.later(timedelta(seconds=2))
    workers = [expire_once(gateway.services) for gateway in town.gateways]
    answers, *_ = await asyncio.gather(told, *workers)
    found = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert set(found) <= {DONE, OVER_RELEASE, ILLEGAL, ENOUGH}
    extended = await town.first.scalar(
        "select count(*) from attempts where operation = 'extend' and status = 'succeeded'"
    )
    for gateway in town.gateways:
        while await expire_once(gateway.services):
            pass
    status, held, _, released = await shown(town, id_)
    assert (status == "placed") == (extended > 0)
    assert held + released == 1_000
