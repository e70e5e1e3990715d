"""What has no outcome yet, as people of the house see it; and asking a rail by hand."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from online.operations.verify import verify_books
from online.rails.domain import Outcome, OutcomeKind
from online.security.domain import STAFF_SCOPES
from tests.gateways import Gateway, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio


class Silent:
    """A rail whose enquiries fail too."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    async def enquire(self, _: str) -> Outcome:
        return Outcome(kind=OutcomeKind.UNKNOWN, code="no_answer")


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path) -> AsyncIterator[Gateway]:
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


@pytest.fixture
async def staff(gateway):
    return await gateway.credentials(*STAFF_SCOPES)


async def listed(gateway, staff, query: str = "") -> list[dict[str, object]]:
    answer = await gateway.get(f"/attempts?limit=100&{query}", headers=staff)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def ask(gateway, staff, attempt: str):
    return await gateway.post(f"/attempts/{attempt}/enquire", {}, key=None, headers=staff)


async def test_an_open_operation_is_seen_with_its_age_and_its_reason(gateway, staff):
    assert await listed(gateway, staff) == []
    lost = await gateway.pay(1_250_00, upi("timeout@khata"), priority="cost")
    waiting = await gateway.pay(90_00, upi("pending@khata"), priority="cost")
    gateway.later(timedelta(seconds=60))
    newest, oldest = await listed(gateway, staff)
    assert newest["payment"] == waiting["id"]
    assert (newest["status"], newest["why"]) == ("pending", "awaiting_payer")
    assert {
        "payment": lost["id"], "refund": None, "settlement": None, "operation": "authorize",
        "rail": "upi_hdfc", "amount": 1_250_00, "currency": "INR", "status": "unknown",
        "why": "outcome_unknown", "enquiries": 0, "overdue": False, "livemode": False,
    }.items() <= oldest.items()  # fmt: skip
    assert 60 <= oldest["age_s"] < 120
    assert oldest["next_enquiry_at"] > oldest["sent_at"]


async def test_the_list_is_filtered_and_comes_in_pages(gateway, staff):
    for _ in range(3):
        await gateway.pay(100, upi("timeout@khata"), priority="cost")
    await gateway.pay(100, upi("pending@khata"), priority="cost")
    assert len(await listed(gateway, staff, "status=unknown")) == 3
    assert len(await listed(gateway, staff, "status=pending")) == 1
    assert len(await listed(gateway, staff, "rail=upi_hdfc&operation=authorize")) == 4
    for nothing in ("status=sent", "rail=card_a", "operation=refund", "min_age=3600"):
        assert await listed(gateway, staff, nothing) == []
    first = (await gateway.get("/attempts?limit=3", headers=staff)).json()
    assert (len(first["data"]), first["has_more"]) == (3, True)
    after = first["data"][-1]["id"]
    rest = (await gateway.get(f"/attempts?starting_after={after}", headers=staff)).json()
    assert (len(rest["data"]), rest["has_more"]) == (1, False)
    assert rest["data"][0]["id"] < after


async def test_what_the_rails_own_enquiries_did_not_settle_is_overdue(gateway, staff):
    await gateway.pay(100, upi("timeout@khata"), priority="cost")
    rails = gateway.services.rails._rails
    rails["upi_hdfc"] = Silent(rails["upi_hdfc"])  # type: ignore[assignment]
    for enquiries in range(3):
        (only,) = await listed(gateway, staff)
        assert (only["enquiries"], only["overdue"]) == (enquiries, False)
        assert await gateway.recover() == 1
    assert len(await listed(gateway, staff, "overdue=true")) == 1
    assert await listed(gateway, staff, "overdue=false") == []


async def test_staff_asks_now_and_the_log_says_who(gateway, staff):
    paid = await gateway.pay(100, upi("timeout@khata"), priority="cost")
    (lost,) = await listed(gateway, staff)
    answer = await ask(gateway, staff, lost["id"])
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["why"]) == ("succeeded", "over")
    assert (await gateway.payment(paid["id"]))["status"] == "captured"
    assert await listed(gateway, staff) == []
    actor = "select metadata ->> 'actor' from payment_events where event_type = 'attempt.succeeded'"
    assert (await gateway.scalar(actor)).startswith("service:cli_")
    again = await ask(gateway, staff, lost["id"])
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_of_two_who_ask_at_once_one_is_told_to_wait(gateway, staff):
    await gateway.pay(100, upi("timeout@khata"), priority="cost")
    (lost,) = await listed(gateway, staff)
    answers = await asyncio.gather(*[ask(gateway, staff, lost["id"]) for _ in range(5)])
    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409, 409]
    assert await gateway.scalar("select max(enquiries) from attempts") == 1


async def test_a_call_on_the_line_is_left_alone(gateway, staff):
    held = gateway.hold("upi_hdfc")
    paying = asyncio.ensure_future(gateway.pay(100, priority="cost"))
    await held.asked.wait()
    (sent,) = await listed(gateway, staff)
    assert (sent["status"], sent["why"]) == ("sent", "awaiting_answer")
    assert (await ask(gateway, staff, sent["id"])).status_code == 409
    held.let_go.set()
    assert (await paying)["status"] == "captured"


async def test_merchants_and_readers_may_not(gateway, staff):
    await gateway.pay(100, upi("timeout@khata"), priority="cost")
    (lost,) = await listed(gateway, staff)
    assert (await gateway.get("/attempts")).status_code == 403
    assert (await gateway.get("/late-money")).status_code == 403
    assert (await ask(gateway, {}, lost["id"])).status_code == 403
    reader = await gateway.credentials("attempts:read")
    assert len(await listed(gateway, reader)) == 1
    assert (await ask(gateway, reader, lost["id"])).status_code == 403
    unknown = "att_01m840cpduf6z9j6g9b4r94e98"
    assert (await ask(gateway, staff, unknown)).status_code == 404
