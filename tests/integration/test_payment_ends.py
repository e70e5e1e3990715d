"""How payments end otherwise than paid: reversed, refused by the rail, expired; over HTTP."""

import asyncio
from datetime import timedelta

import pytest

from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.events import Metadata
from online.ledger.pending import Span
from online.ledger.reading import standings
from online.operations.verify import verify_books
from online.operations.worker import expire_once
from online.settlements.domain import Batch
from online.settlements.periods import cutoff_at
from tests.fakes import APPROVED, DECLINED, FAILED, UNKNOWN, ScriptedRail
from tests.gateways import gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


def script(gateway, rail, *outcomes):
    """From here on this rail answers so, and then approves."""
    scripted = ScriptedRail(rail)
    scripted.next.extend(outcomes)
    gateway.services.rails._rails[rail] = scripted
    return scripted


async def later(gateway, by):
    """Days later, with a new access token."""
    gateway.later(by)
    await gateway.sign_in()


async def balances(gateway):
    found = await gateway.rows(
        "select code, sum(posted)::bigint, sum(pending)::bigint from ledger_accounts group by code"
    )
    return {code: (posted, pending) for code, posted, pending in found if posted or pending}


async def authorized(gateway, amount=10_000_00):
    held = await gateway.pay(amount, await gateway.card(), capture_method="manual")
    assert held["status"] == "authorized"
    return held["id"]


async def settle_today(gateway):
    """Takes in the batch of the business day that has just ended."""
    day = business_date(gateway.services.clock.now())
    await later(gateway, DAY)
    merchant = gateway.merchant.merchant
    span = Span(
        merchant_id=merchant.id,
        currency="INR",
        livemode=merchant.livemode,
        starts_at=None,
        ends_at=cutoff_at(day, merchant.cutoff),
    )
    async with gateway.services.database.connection() as connection:
        sums = (await standings(connection, [span]))[0].sums
    batch = Batch(
        merchant_id=merchant.id,
        business_date=day,
        currency="INR",
        sums=sums,
        net_minor=sums.net_minor,
        count=1,
        snapshot=None,
    )
    (receipt,) = await gateway.services.settlements.take_in([batch], Metadata(actor="test"))
    assert receipt.status == "accepted", receipt


# ── reversal ─────────────────────────────────────────────────────────────────────────────


async def test_a_reversal_leaves_nothing_behind(gateway):
    paid = await gateway.pay(10_000_00, await gateway.card())
    assert paid["fee"] > 0
    assert paid["tax"] > 0
    answer = await gateway.post(f"/payments/{paid['id']}/reverse", {})
    assert answer.status_code == 200, answer.text
    undone = answer.json()
    assert (undone["status"], undone["amount_reversed"]) == ("reversed", 10_000_00)
    assert undone["amount_refundable"] == 0
    assert await balances(gateway) == {}
    again = await gateway.post(f"/payments/{paid['id']}/reverse", {})
    assert (again.status_code, again.json()["code"]) == (409, "illegal_state")
    refund = await gateway.post("/refunds", {"payment": paid["id"]})
    assert refund.status_code == 409


async def test_a_reversal_undoes_all_captures_and_lets_the_rest_go(gateway):
    id_ = await authorized(gateway)
    for part in (3_000_00, 2_000_01):
        taken = await gateway.post(f"/payments/{id_}/capture", {"amount": part})
        assert taken.status_code == 200, taken.text
    answer = await gateway.post(f"/payments/{id_}/reverse", {})
    assert answer.json()["status"] == "reversed"
    assert await balances(gateway) == {}
    late = await gateway.post(f"/payments/{id_}/capture", {"amount": 1})
    assert late.status_code == 409


async def test_a_repeated_reversal_is_answered_alike(gateway):
    paid = await gateway.pay(500_00)
    first = await gateway.post(f"/payments/{paid['id']}/reverse", {}, key="undo")
    again = await gateway.post(f"/payments/{paid['id']}/reverse", {}, key="undo")
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_what_is_settled_or_refunded_is_not_reversed(gateway):
    settled = await gateway.pay(500_00)
    refunded = await gateway.pay(500_00)
    await gateway.post("/refunds", {"payment": refunded["id"], "amount": 1})
    answer = await gateway.post(f"/payments/{refunded['id']}/reverse", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_state")
    await settle_today(gateway)
    answer = await gateway.post(f"/payments/{settled['id']}/reverse", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_settled")
    assert (await gateway.payment(settled["id"]))["status"] == "captured"


async def test_a_reversal_of_what_is_only_held_says_to_cancel(gateway):
    answer = await gateway.post(f"/payments/{await authorized(gateway)}/reverse", {})
    assert answer.status_code == 409
    assert "cancel" in answer.json()["detail"]


@pytest.mark.parametrize("refusal", [DECLINED, FAILED])
@pytest.mark.parametrize("operation", ["reverse", "capture", "cancel"])
async def test_what_the_rail_refuses_is_no_success(gateway, operation, refusal):
    manual = "automatic" if operation == "reverse" else "manual"
    before = await gateway.pay(10_000_00, await gateway.card(), capture_method=manual)
    books = await balances(gateway)
    script(gateway, "card_a", refusal)
    path = f"/payments/{before['id']}/{operation}"
    answer = await gateway.post(path, {}, key="once")
    assert (answer.status_code, answer.json()["code"]) == (402, "refused_by_rail"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    again = await gateway.post(path, {}, key="once")
    assert (again.status_code, again.content) == (402, answer.content)
    assert again.headers["content-type"] == "application/problem+json"
    after = await gateway.payment(before["id"])
    assert {**after, "updated_at": 0} == {**before, "updated_at": 0}
    assert await balances(gateway) == books
    # And it may be asked for again, by another key.
    assert (await gateway.post(path, {})).status_code == 200


@pytest.mark.parametrize("operation", ["reverse", "capture", "cancel"])
async def test_what_nobody_knows_is_held_and_not_called_done(gateway, operation):
    manual = "automatic" if operation == "reverse" else "manual"
    before = await gateway.pay(10_000_00, await gateway.card(), capture_method=manual)
    rail = script(gateway, "card_a", UNKNOWN)
    path = f"/payments/{before['id']}/{operation}"
    answer = await gateway.post(path, {}, key="once")
    assert (answer.status_code, answer.json()["status"]) == (202, before["status"])
    # Nothing else can take what it holds.
    other = "capture" if operation != "reverse" else "reverse"
    assert (await gateway.post(f"/payments/{before['id']}/{other}", {})).status_code in {409, 422}
    assert (await gateway.post("/refunds", {"payment": before["id"]})).status_code in {409, 422}
    assert (await gateway.post(path, {}, key="once")).status_code == 409  # still in flight
    rail.enquiries.append(APPROVED)
    assert await gateway.recover() == 1
    after = await gateway.payment(before["id"])
    done = {"reverse": "reversed", "capture": "captured", "cancel": "canceled"}
    assert after["status"] == done[operation]
    assert (await gateway.post(path, {}, key="once")).status_code == 200
    assert len(rail.asked) == 1


# ── the end of an authorization ──────────────────────────────────────────────────────────


async def test_an_authorization_ends_by_its_networks_rule(gateway):
    visa = await authorized(gateway)
    mastercard = await gateway.pay(
        500_00, await gateway.card("5555555555554444"), capture_method="manual"
    )
    await later(gateway, 4 * DAY)
    assert await expire_once(gateway.services) == 1
    assert (await gateway.payment(mastercard["id"]))["status"] == "expired"
    assert (await gateway.payment(visa))["status"] == "authorized"
    await later(gateway, 3 * DAY)
    assert await expire_once(gateway.services) == 1
    assert await expire_once(gateway.services) == 0
    over = await gateway.payment(visa)
    assert (over["status"], over["amount_capturable"]) == ("expired", 0)
    assert await balances(gateway) == {}
    assert await gateway.scalar("select max(used) from limit_counters") == 0
    late = await gateway.post(f"/payments/{visa}/capture", {})
    assert late.status_code == 409


async def test_the_rest_of_a_partly_captured_authorization_goes_back(gateway):
    await gateway.pay(5_000_00)  # for the fee that a refund does not return
    id_ = await authorized(gateway)
    await gateway.post(f"/payments/{id_}/capture", {"amount": 4_000_00})
    await gateway.post("/refunds", {"payment": id_})
    assert (await gateway.payment(id_))["status"] == "partially_refunded"
    await later(gateway, 8 * DAY)
    assert await expire_once(gateway.services) == 1
    over = await gateway.payment(id_)
    assert (over["status"], over["amount_capturable"]) == ("refunded", 0)
    assert all(pending == 0 for _, pending in (await balances(gateway)).values())


async def test_a_capture_under_way_outlives_the_end(gateway):
    id_ = await authorized(gateway)
    rail = script(gateway, "card_a", UNKNOWN)
    await gateway.post(f"/payments/{id_}/capture", {"amount": 4_000_00})
    await later(gateway, 8 * DAY)
    assert await expire_once(gateway.services) == 0
    rail.enquiries.append(APPROVED)
    await gateway.recover(timedelta())
    assert (await gateway.payment(id_))["amount_captured"] == 4_000_00
    assert await expire_once(gateway.services) == 1
    assert (await gateway.payment(id_))["amount_capturable"] == 0


async def test_an_intent_expires_with_its_authorization(gateway):
    made = await gateway.post("/intents", {"amount": 500_00, "capture_method": "manual"})
    id_ = made.json()["id"]
    body = {"payment_method": await gateway.card()}
    held = await gateway.post(f"/intents/{id_}/confirm", body)
    assert held.json()["status"] == "requires_capture"
    await later(gateway, 8 * DAY)
    assert await expire_once(gateway.services) == 1
    assert (await gateway.get(f"/intents/{id_}")).json()["status"] == "expired"


# ── cancel while the payer may still act ─────────────────────────────────────────────────


async def test_an_overdue_intent_takes_its_payment_back_first(gateway):
    made = await gateway.post("/intents", {"amount": 500_00, "expires_in_s": 60})
    id_ = made.json()["id"]
    waits = await gateway.post(f"/intents/{id_}/confirm", {"payment_method": upi("pending@khata")})
    assert waits.json()["status"] == "requires_action"
    script(gateway, waits.json() and "upi_hdfc", APPROVED)
    gateway.later(timedelta(seconds=61))
    assert await expire_once(gateway.services) == 1
    over = (await gateway.get(f"/intents/{id_}")).json()
    assert over["status"] == "expired"
    assert (await gateway.payment(over["payment_id"]))["status"] == "canceled"


async def test_only_one_cancellation_goes_to_the_rail(gateway):
    waits = await gateway.pay(500_00, upi("pending@khata"))
    assert waits["status"] == "requires_action"
    rail = script(gateway, waits["rail"], UNKNOWN)
    first = await gateway.post(f"/payments/{waits['id']}/cancel", {})
    assert first.status_code == 202
    second = await gateway.post(f"/payments/{waits['id']}/cancel", {})
    assert second.status_code == 409
    assert len(rail.asked) == 1


# ── lists ────────────────────────────────────────────────────────────────────────────────


async def test_payments_are_listed_by_cursor_and_narrowed(gateway):
    made = [(await gateway.pay(100_00 + n))["id"] for n in range(5)]
    declined = (await gateway.pay(100_00, upi("decline@khata")))["id"]
    seen, after = [], ""
    while True:
        page = (await gateway.get(f"/payments?limit=2{after}")).json()
        seen += [payment["id"] for payment in page["data"]]
        if not page["has_more"]:
            break
        after = f"&starting_after={seen[-1]}"
    assert seen == [declined, *reversed(made)]
    failed = (await gateway.get("/payments?status=failed")).json()
    assert [payment["id"] for payment in failed["data"]] == [declined]
    assert (await gateway.get("/payments?method=card")).json()["data"] == []
    stranger = await gateway.another_merchant()
    assert (await stranger.get("/payments")).json()["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "starting_after=nonsense",
        "status=paid",
        f"starting_after={ids.encode('rfd', ids.derived('x'))}",
        "created_from=yesterday",
    ],
)
async def test_a_list_refuses_what_it_does_not_know(gateway, query):
    answer = await gateway.get(f"/payments?{query}")
    assert answer.status_code in {400, 422}, answer.text
    assert answer.json()["code"] in {"invalid_request", "bad_request"}


# ── updates of intents ───────────────────────────────────────────────────────────────────


async def test_an_intent_is_updated_until_it_is_confirmed(gateway):
    made = (await gateway.post("/intents", {"amount": 500_00})).json()
    path = f"/intents/{made['id']}"
    read = await gateway.get(path)
    etag = read.headers["ETag"]
    change = {"amount": 700_00, "priority": "cost", "capture_method": "manual"}
    updated = await gateway.post(path, change, headers={"If-Match": etag})
    assert updated.status_code == 200, updated.text
    assert change.items() <= updated.json().items()
    lost = await gateway.post(path, {"amount": 1}, headers={"If-Match": etag})
    assert (lost.status_code, lost.json()["code"]) == (412, "precondition_failed")
    odd = await gateway.post(path, {"amount": 1}, headers={"If-Match": "7"})
    assert odd.status_code == 422
    held = await gateway.post(f"{path}/confirm", {"payment_method": await gateway.card()})
    assert held.json()["status"] == "requires_capture"
    payment = await gateway.payment(held.json()["payment_id"])
    assert (payment["amount"], payment["priority"]) == (700_00, "cost")
    late = await gateway.post(path, {"amount": 1})
    assert (late.status_code, late.json()["code"]) == (409, "illegal_state")


async def test_a_declined_intent_can_be_paid_again_on_other_terms(gateway):
    made = (await gateway.post("/intents", {"amount": 500_00})).json()
    path = f"/intents/{made['id']}"
    method = {"payment_method": upi("decline@khata")}
    declined = (await gateway.post(f"{path}/confirm", method)).json()
    assert declined["status"] == "requires_payment_method"
    assert declined["last_payment_error"]["decline_code"] == "declined_by_payer"
    assert (await gateway.post(path, {"amount": 400_00})).status_code == 200
    paid = (await gateway.post(f"{path}/confirm", {"payment_method": upi("asha@ybl")})).json()
    assert (paid["status"], paid["amount"]) == ("succeeded", 400_00)
    payments = (await gateway.get(f"/payments?intent_id={made['id']}")).json()["data"]
    assert [payment["status"] for payment in payments] == ["captured", "failed"]


async def test_intents_are_listed_with_their_customers(gateway):
    customer = await gateway.post("/customers", {"name": "Asha"}, key=None)
    body = {"amount": 1_00, "customer_id": customer.json()["id"]}
    first = (await gateway.post("/intents", body)).json()
    second = (await gateway.post("/intents", {"amount": 2_00})).json()
    listed = (await gateway.get("/intents?limit=1")).json()
    assert ([each["id"] for each in listed["data"]], listed["has_more"]) == ([second["id"]], True)
    rest = (await gateway.get(f"/intents?starting_after={second['id']}")).json()
    assert [each["customer"]["name"] for each in rest["data"]] == ["Asha"]
    assert rest["data"][0]["id"] == first["id"]


# ── news that cross ──────────────────────────────────────────────────────────────────────


async def test_an_answer_still_counts_when_an_enquiry_came_before_it(gateway):
    """Recovery asks while the call hangs, and learns nothing; then the call itself answers."""
    held = gateway.hold("card_a")
    call = asyncio.ensure_future(gateway.pay(10_000_00, await gateway.card()))
    await held.asked.wait()
    assert await gateway.recover() == 1  # the rail behind has not heard of it yet
    assert await gateway.rows("select status from payments") == [("unknown",)]
    held.let_go.set()
    paid = await call
    assert paid["status"] == "captured"
    assert await gateway.rows("select status from attempts") == [("succeeded",)]
