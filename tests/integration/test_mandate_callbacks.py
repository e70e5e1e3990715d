"""A payer stops a mandate in their app: the bank tells by a signed callback, the service asks and
believes, with a real sandbox process on the other side.
"""

from datetime import timedelta

import pytest

from online.kernel import ids
from online.kernel.clock import business_date
from tests.integration.fault_world import _until, world_on

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(database_url, tmp_path):
    async with world_on(database_url, tmp_path) as world:
        yield world


async def ask(world, vpa="asha@ybl"):
    gateway = world.gateway
    customer = (await gateway.post("/customers", {"name": "Asha"}, key=None)).json()["id"]
    today = business_date(world.services.clock.now())
    answer = await gateway.post(
        "/mandates",
        {
            "customer_id": customer,
            "max_amount": 500_00,
            "frequency": "monthly",
            "start_on": today.isoformat(),
            "end_on": (today + timedelta(days=300)).isoformat(),
            "purpose": "Magazine",
            "vpa": vpa,
        },
    )
    assert answer.status_code in (201, 202), answer.text
    attempt = await gateway.scalar("select attempt_id from mandates")
    return answer.json(), ids.encode("att", attempt)


async def shows(world, mandate, status):
    """Soon, by the callback alone: no clock is moved and no enquiry is due."""

    async def holds():
        shown = (await world.gateway.get(f"/mandates/{mandate['id']}")).json()
        return shown["status"] == status

    await _until(holds)


async def payer(world, path, reference):
    answer = await world.bank.post(f"/payer/{path}", json={"reference": reference})
    assert answer.status_code == 200, answer.text


async def test_what_the_payer_does_is_told_and_counts(world):
    mandate, reference = await ask(world)
    assert mandate["status"] == "active"
    assert mandate["umn"].partition("@")[2] in {"hdfc", "icic"}
    for action, status in (("pause", "paused"), ("resume", "active"), ("revoke", "revoked")):
        await payer(world, f"mandates/{action}", reference)
        await shows(world, mandate, status)
    shown = (await world.gateway.get(f"/mandates/{mandate['id']}")).json()
    assert (shown["revoked_by"], shown["told"]) == ("payer", True)


@pytest.mark.parametrize(("says", "status"), [("approve", "active"), ("decline", "failed")])
async def test_a_link_and_the_payers_answer(world, says, status):
    mandate, reference = await ask(world, vpa=None)
    assert mandate["status"] == "pending"
    assert mandate["next_action"]["link"].startswith("upi://mandate?pa=")
    await payer(world, says, reference)
    await shows(world, mandate, status)


async def test_the_merchants_revocation_reaches_the_bank(world):
    mandate, reference = await ask(world)
    revoked = await world.gateway.post(f"/mandates/{mandate['id']}/revoke", {}, key=None)
    assert (revoked.json()["status"], revoked.json()["told"]) == ("revoked", True)
    at_bank = await world.bank.get(f"/rails/{mandate['rail']}/mandates/{reference}")
    assert at_bank.json()["status"] == "revoked"
