"""Answers that come late, and money that has moved when the books would rather refuse it.

Each of these was a run of the simulation first.
"""

import asyncio
from datetime import timedelta

import pytest

from online.operations.verify import verify_books
from tests.gateways import UPI, gateway_on, settings_for

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


async def test_a_reversal_is_recorded_though_the_merchant_s_money_is_spent(gateway):
    """The rail has undone the payment: what is missing for it is what the merchant owes."""
    card = await gateway.card()
    first, second = await gateway.pay(10_000_00, card), await gateway.pay(10_000_00, card)
    fee = first["fee"] + first["tax"]
    assert fee > 0
    back = await gateway.post("/refunds", {"payment": second["id"]})
    assert back.status_code == 201, back.text
    undone = await gateway.post(f"/payments/{first['id']}/reverse", {})
    assert (undone.status_code, undone.json()["status"]) == (200, "reversed"), undone.text
    assert await gateway.rows(
        "select posted, forced from ledger_accounts where code ~ '^merchant:.*:pending$'"
    ) == [(-fee, fee)]  # fmt: skip
    more = await gateway.pay(1_000_00)
    refused = await gateway.post("/refunds", {"payment": more["id"]})
    assert (refused.status_code, refused.json()["code"]) == (402, "insufficient_funds")


@pytest.mark.parametrize("operation", ["capture", "void", "reverse", "refund"])
async def test_a_late_answer_counts_though_an_enquiry_knew_nothing(gateway, operation):
    """The call hangs, recovery asks, the rail knows nothing yet; then the call is answered."""
    card, manual = await gateway.card(), operation in {"capture", "void"}
    paid = await gateway.pay(100_00, card, capture_method="manual" if manual else "automatic")
    path, body, status = {
        "capture": (f"/payments/{paid['id']}/capture", {}, "captured"),
        "void": (f"/payments/{paid['id']}/cancel", {}, "canceled"),
        "reverse": (f"/payments/{paid['id']}/reverse", {}, "reversed"),
        "refund": ("/refunds", {"payment": paid["id"], "amount": 10_00}, "partially_refunded"),
    }[operation]
    rail = gateway.hold(paid["rail"], operation)
    call = asyncio.ensure_future(gateway.post(path, body, key="late"))
    await rail.asked.wait()
    assert await gateway.recover(timedelta(seconds=125)) == 1
    rail.let_go.set()
    answer = await call
    assert answer.status_code in {200, 201}, answer.text
    assert (await gateway.payment(paid["id"]))["status"] == status
    again = await gateway.post(path, body, key="late")
    assert (again.status_code, again.content) == (answer.status_code, answer.content)


async def test_an_intent_s_first_payment_is_answered_late_while_its_second_is_under_way(gateway):
    intent = (await gateway.post("/intents", {"amount": 100_00})).json()
    path = f"/intents/{intent['id']}"
    rail = gateway.hold("upi_hdfc")
    body = {"payment_method": UPI}
    first = asyncio.ensure_future(gateway.post(f"{path}/confirm", body))
    await rail.asked.wait()
    # The rail never heard of it within its window: failed, and the intent may be paid again.
    assert await gateway.recover(timedelta(seconds=301)) == 1
    assert (await gateway.get(path)).json()["status"] == "requires_payment_method"
    second = await gateway.post(f"{path}/confirm", {"payment_method": await gateway.card()})
    assert second.json()["status"] == "succeeded"
    rail.let_go.set()
    late = await first
    assert late.status_code == 200, late.text
    assert late.json()["status"] == "succeeded"
    assert await gateway.rows("select status from payments order by id") == [
        ("failed",), ("captured",),
    ]  # fmt: skip
