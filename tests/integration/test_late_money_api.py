"""Late money as a merchant sees it, and where an authorization was carried on to another rail."""

from collections import deque

import pytest

from online.kernel import ids
from online.operations.verify import verify_books
from tests.callbacks import body_of, tell
from tests.fakes import APPROVED, DECLINED, FAILED, ScriptedRail
from tests.gateways import gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio

RAILS = ("upi_hdfc", "upi_icici")


class Truthful(ScriptedRail):
    """An enquiry says what it is told to say of a reference."""

    def __init__(self, name, answers):
        super().__init__(name)
        self.next, self.truth = answers, {}

    async def enquire(self, reference):
        return self.truth.get(reference, DECLINED)


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        answers = deque()  # whichever rail is asked first
        for name in RAILS:
            opened.services.rails._rails[name] = Truthful(name, answers)
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


def rails_of(gateway):
    return [gateway.services.rails[name] for name in RAILS]


async def cascaded(gateway):
    """A payment that the first rail failed and the second took; the failed attempt and its rail."""
    rails_of(gateway)[0].next.append(FAILED)
    paid = await gateway.pay(500_00, upi("asha@khata"))
    assert paid["status"] == "captured"
    (first,) = await gateway.rows(
        "select id, rail from attempts where status = 'failed' and operation = 'authorize'"
    )
    assert first[1] != paid["rail"]
    return paid, ids.encode("att", first[0]), gateway.services.rails[first[1]]


async def test_a_rail_that_had_failed_a_payment_carried_on_elsewhere(gateway):
    paid, reference, rail = await cascaded(gateway)
    rail.truth[reference] = APPROVED
    for _ in range(2):  # it says so twice
        answer = await tell(
            gateway.services, gateway.client, rail.name, body_of(reference, "approved")
        )
        assert answer.status_code == 202
    shown = await gateway.payment(paid["id"])
    assert (shown["status"], shown["amount_captured"], shown["rail"]) == (
        "captured", 500_00, paid["rail"],
    )  # fmt: skip
    assert (shown["amount_late"], shown["amount_late_returned"]) == (500_00, 500_00)
    (back,) = [each for each in rail.asked if each.reference != reference]
    assert (type(back).__name__, back.original_reference) == ("ReverseRequest", reference)
    posted = await gateway.rows("select kind from ledger_transactions order by kind")
    assert posted == [("capture",), ("late_money",), ("late_money_reversed",)]
    owed = await gateway.rows(
        "select code, sum(posted)::bigint from ledger_accounts where code ~ '^(rail|refunds)'"
        " group by code having sum(posted) <> 0"
    )
    assert owed == [(f"rail:{paid['rail']}:receivable", -500_00)]


async def test_a_refund_afterwards_is_of_the_money_that_the_merchant_has(gateway):
    paid, reference, rail = await cascaded(gateway)
    rail.truth[reference] = APPROVED
    await tell(gateway.services, gateway.client, rail.name, body_of(reference, "approved"))
    refund = await gateway.post("/refunds", {"payment": paid["id"]})
    assert (refund.status_code, refund.json()["status"]) == (201, "succeeded")
    shown = await gateway.payment(paid["id"])
    assert (shown["status"], shown["amount_refunded"]) == ("refunded", 500_00)
    taking = gateway.services.rails[paid["rail"]]
    assert [type(each).__name__ for each in taking.asked] == ["AuthorizeRequest", "RefundRequest"]


async def test_a_second_no_of_the_failed_rail_moves_nothing(gateway):
    paid, reference, rail = await cascaded(gateway)
    before = await gateway.payment(paid["id"])
    for status in ("declined", "failed", "pending"):
        await tell(gateway.services, gateway.client, rail.name, body_of(reference, status))
    assert await gateway.payment(paid["id"]) == before


async def test_the_trace_tells_the_whole_story(gateway):
    paid, reference, rail = await cascaded(gateway)
    rail.truth[reference] = APPROVED
    await tell(gateway.services, gateway.client, rail.name, body_of(reference, "approved"))
    trace = await gateway.get(f"/payments/{paid['id']}/trace")
    assert trace.status_code == 200, trace.text
    for told in ("payment.late_money", "payment.late_money_returned"):
        assert told in trace.text
