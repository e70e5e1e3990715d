"""Wallets over HTTP: loading, paying, giving back, closing. After each test the books are derived
from the log."""

from datetime import timedelta

import pytest

from online.kernel import ids
from online.operations.verify import verify_books
from online.operations.worker import return_loads_once
from tests.fakes import APPROVED, DECLINED, PENDING, UNKNOWN, ScriptedRail
from tests.gateways import gateway_on, settings_for

pytestmark = pytest.mark.anyio
LITE = {"type": "upi", "upi": {"lite": True}}


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


@pytest.fixture
def rail(gateway):
    """The rail of UPI payments, which does as it is told."""
    scripted = ScriptedRail("upi_hdfc")
    gateway.services.rails._rails["upi_hdfc"] = scripted
    return scripted


async def user(gateway, upi_type="mini", **fields):
    answer = await gateway.post("/customers", {"upi_type": upi_type, **fields}, key=None)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def opened(gateway, kind="lite", **fields):
    """A customer with an open wallet."""
    customer = await user(gateway, **fields)
    answer = await gateway.post("/wallets", {"customer_id": customer, "kind": kind}, key=None)
    assert answer.status_code == 201, answer.text
    return customer


async def load(gateway, customer, amount, status=201, **more):
    answer = await gateway.post(f"/wallets/{customer}/top-ups", {"amount": amount}, **more)
    assert answer.status_code == status, answer.text
    return answer.json()


async def wallet(gateway, customer):
    answer = await gateway.get(f"/wallets/{customer}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def spend(gateway, customer, amount, **more):
    body = {"amount": amount, "payment_method": LITE, "customer_id": customer, **more}
    return await gateway.post("/payments", body)


def code(answer):
    return answer.status_code, answer.json().get("code")


async def test_money_is_loaded_and_paid_without_a_rail(gateway, rail):
    customer = await opened(gateway)
    made = await load(gateway, customer, 2_000_00)
    assert (made["status"], made["credited"], made["purpose"]) == ("succeeded", True, "41")
    answer = await spend(gateway, customer, 300_00)
    assert answer.status_code == 201, answer.text
    paid = answer.json()
    assert (paid["status"], paid["rail"], paid["funding"]) == ("captured", "onus", "lite")
    assert len(rail.asked) == 1  # the top-up
    now = await wallet(gateway, customer)
    assert (now["balance"], now["pending"], now["headroom"]) == (1_700_00, 0, 3_300_00)


async def test_a_wallet_holds_no_more_than_its_rule_says_and_pays_no_more_than_it_holds(
    gateway, rail
):
    customer = await opened(gateway)
    gateway.later(timedelta(hours=25))  # a user's first day has a limit of its own
    await gateway.sign_in()
    await load(gateway, customer, 4_999_00)
    over = await gateway.post(f"/wallets/{customer}/top-ups", {"amount": 1_01})
    assert code(over) == (422, "limit_exceeded")
    assert over.json()["limit"] == {
        "rule": "wallet.balance", "cap": 5_000_00, "headroom": 1_00, "window_end": None,
    }  # fmt: skip
    await load(gateway, customer, 1_00)
    assert code(await spend(gateway, customer, 1_000_01)) == (422, "limit_exceeded")
    for _ in range(5):
        assert code(await spend(gateway, customer, 1_000_00)) == (201, None)
    assert code(await spend(gateway, customer, 1)) == (402, "insufficient_funds")
    assert (await wallet(gateway, customer))["balance"] == 0
    assert await gateway.scalar("select count(*) from payments") == 5


async def test_what_waits_for_its_rail_counts_against_the_ceiling(gateway, rail):
    customer = await opened(gateway)
    rail.next.append(PENDING)
    waiting = await load(gateway, customer, 3_000_00)
    assert waiting["status"] == "requires_action"
    now = await wallet(gateway, customer)
    assert (now["balance"], now["pending"], now["headroom"]) == (0, 3_000_00, 2_000_00)
    over = await gateway.post(f"/wallets/{customer}/top-ups", {"amount": 2_000_01})
    assert code(over) == (422, "limit_exceeded")
    assert code(await spend(gateway, customer, 1)) == (402, "insufficient_funds")
    rail.enquiries.append(DECLINED)
    await gateway.recover()
    await gateway.sign_in()
    failed = (await gateway.get(f"/top-ups/{waiting['id']}")).json()
    assert (failed["status"], failed["last_error"]["decline_code"]) == ("failed", "do_not_honor")
    assert (await wallet(gateway, customer))["headroom"] == 5_000_00
    await load(gateway, customer, 5_000_00)


async def test_an_unknown_outcome_is_asked_about_and_counts_once(gateway, rail):
    customer = await opened(gateway)
    rail.next.append(UNKNOWN)
    waiting = await load(gateway, customer, 3_000_00, 202, key="one")
    assert waiting["status"] == "unknown"
    again = await load(gateway, customer, 3_000_00, 202, key="one")
    assert again == waiting
    rail.enquiries.append(APPROVED)
    await gateway.recover()
    await gateway.sign_in()
    done = await load(gateway, customer, 3_000_00, 201, key="one")
    assert (done["status"], done["credited"]) == ("succeeded", True)
    assert (await wallet(gateway, customer))["balance"] == 3_000_00
    assert len(rail.asked) == 1


async def late_yes(gateway, rail, customer, amount):
    """A top-up that its rail had refused, and did after all."""
    rail.next.append(DECLINED)
    made = await load(gateway, customer, amount)
    assert made["status"] == "failed"
    attempt = (await gateway.rows("select attempt_id from top_ups order by id desc limit 1"))[0][0]
    async with gateway.services.database.connection() as connection:
        found = await gateway.services.attempts.get(connection, attempt)
    await gateway.services.resolve(found, "test", APPROVED)
    return (await gateway.get(f"/top-ups/{made['id']}")).json()


async def test_money_that_comes_late_is_the_wallets_where_it_has_room(gateway, rail):
    customer = await opened(gateway)
    late = await late_yes(gateway, rail, customer, 3_000_00)
    assert (late["status"], late["credited"]) == ("succeeded", True)
    assert (await wallet(gateway, customer))["balance"] == 3_000_00


async def test_money_that_comes_late_and_has_no_room_goes_back(gateway, rail):
    customer = await opened(gateway)
    rail.next.append(DECLINED)
    made = await load(gateway, customer, 3_000_00)
    await load(gateway, customer, 4_000_00)
    attempt = await gateway.scalar(
        "select attempt_id from top_ups where id = %s", ids.decode("top", made["id"])
    )
    async with gateway.services.database.connection() as connection:
        found = await gateway.services.attempts.get(connection, attempt)
    await gateway.services.resolve(found, "test", APPROVED)
    back = (await gateway.get(f"/top-ups/{made['id']}")).json()
    assert (back["status"], back["credited"], back["amount_returned"]) == (
        "returned", False, 3_000_00,
    )  # fmt: skip
    assert (await wallet(gateway, customer))["balance"] == 4_000_00


async def test_a_refund_goes_back_into_the_wallet_above_its_ceiling_too(gateway, rail):
    customer = await opened(gateway)
    await load(gateway, customer, 5_000_00)
    paid = (await spend(gateway, customer, 900_00)).json()
    await load(gateway, customer, 900_00)
    answer = await gateway.post("/refunds", {"payment": paid["id"], "amount": 400_00}, key="r")
    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded"), answer.text
    again = await gateway.post("/refunds", {"payment": paid["id"], "amount": 400_00}, key="r")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (answer.json(), "true")
    now = await wallet(gateway, customer)
    assert (now["balance"], now["headroom"]) == (5_400_00, 0)
    assert (await gateway.payment(paid["id"]))["amount_refunded"] == 400_00
    assert code(await spend(gateway, customer, 1_000_00)) == (201, None)
    more = await gateway.post(f"/wallets/{customer}/top-ups", {"amount": 600_01})
    assert code(more) == (422, "limit_exceeded")
    assert len(rail.asked) == 2


async def test_a_payment_is_reversed_into_the_wallet(gateway, rail):
    customer = await opened(gateway, "ppi", kyc_level="minimum")
    await load(gateway, customer, 9_000_00)
    paid = (await spend(gateway, customer, 500_00)).json()
    assert paid["funding"] == "ppi"
    assert code(await gateway.post(f"/payments/{paid['id']}/cancel", {})) == (409, "illegal_state")
    assert code(await gateway.post(f"/payments/{paid['id']}/capture", {})) == (422, "over_capture")
    done = await gateway.post(f"/payments/{paid['id']}/reverse", {})
    assert (done.status_code, done.json()["status"]) == (200, "reversed"), done.text
    assert (await wallet(gateway, customer))["balance"] == 9_000_00
    again = await gateway.post(f"/payments/{paid['id']}/reverse", {})
    assert code(again) == (409, "illegal_state")


async def test_history_tells_what_moved_the_money(gateway, rail):
    customer = await opened(gateway)
    await load(gateway, customer, 1_000_00)
    paid = (await spend(gateway, customer, 300_00)).json()
    await gateway.post("/refunds", {"payment": paid["id"]})
    told = (await gateway.get(f"/wallets/{customer}/history?limit=2")).json()
    assert [(e["kind"], e["amount"], e["balance_after"]) for e in told["data"]] == [
        ("refund_to_wallet", 300_00, 1_000_00), ("capture", -300_00, 700_00),
    ]  # fmt: skip
    assert told["has_more"] is True
    last = told["data"][-1]["id"]
    rest = (await gateway.get(f"/wallets/{customer}/history?starting_after={last}")).json()
    assert [(e["kind"], e["balance_after"]) for e in rest["data"]] == [("top_up", 1_000_00)]


async def test_closing_sends_the_money_back_where_it_came_from(gateway, rail):
    customer = await opened(gateway)
    first = await load(gateway, customer, 1_000_00)
    second = await load(gateway, customer, 500_00)
    await spend(gateway, customer, 700_00)
    closed = await gateway.post(f"/wallets/{customer}/close", {}, key="close")
    assert closed.status_code == 200, closed.text
    now = closed.json()
    assert (now["status"], now["balance"], now["returning"]) == ("closed", 0, 800_00)
    again = await gateway.post(f"/wallets/{customer}/close", {}, key="close")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (now, "true")
    assert code(await gateway.post(f"/wallets/{customer}/close", {})) == (409, "wallet_closed")
    parts = [(await gateway.get(f"/top-ups/{each['id']}")).json() for each in (first, second)]
    assert [(p["status"], p["amount_returned"]) for p in parts] == [
        ("succeeded", 300_00), ("returned", 500_00),
    ]  # fmt: skip
    assert (await wallet(gateway, customer))["returning"] == 0
    assert code(await spend(gateway, customer, 1)) == (409, "wallet_closed")
    loading = await gateway.post(f"/wallets/{customer}/top-ups", {"amount": 1})
    assert code(loading) == (409, "wallet_closed")
    reopened = await gateway.post("/wallets", {"customer_id": customer}, key=None)
    assert (reopened.status_code, reopened.json()["id"]) == (201, now["id"])
    await load(gateway, customer, 1_00)


async def test_what_comes_in_after_closing_goes_back_too(gateway, rail):
    customer = await opened(gateway)
    await load(gateway, customer, 1_000_00)
    paid = (await spend(gateway, customer, 400_00)).json()
    rail.next.append(UNKNOWN)
    waiting = await load(gateway, customer, 50_00, 202)
    closed = await gateway.post(f"/wallets/{customer}/close", {})
    assert closed.status_code == 200, closed.text
    rail.enquiries.append(APPROVED)
    await gateway.recover()
    await gateway.sign_in()
    late = (await gateway.get(f"/top-ups/{waiting['id']}")).json()
    assert (late["status"], late["credited"]) == ("returned", False)
    refunded = await gateway.post("/refunds", {"payment": paid["id"]})
    assert refunded.status_code == 201, refunded.text
    assert (await wallet(gateway, customer))["balance"] == 400_00
    assert await return_loads_once(gateway.services) == 1
    now = await wallet(gateway, customer)
    assert (now["balance"], now["returning"], now["pending"]) == (0, 0, 0)
    assert await return_loads_once(gateway.services) == 0
    back = await gateway.scalar("select sum(returned_minor)::bigint from top_ups")
    assert back == 1_050_00


async def test_a_return_that_the_rail_refuses_is_begun_again(gateway, rail):
    customer = await opened(gateway)
    made = await load(gateway, customer, 1_000_00)
    rail.next.append(DECLINED)
    await gateway.post(f"/wallets/{customer}/close", {})
    refused = (await gateway.get(f"/top-ups/{made['id']}")).json()
    assert (refused["status"], refused["amount_returning"]) == ("succeeded", 1_000_00)
    assert (await wallet(gateway, customer))["returning"] == 1_000_00
    assert await gateway.services.top_ups.return_due() == 0  # not yet
    await gateway.recover()
    await gateway.sign_in()
    assert await gateway.services.top_ups.return_due() == 1
    done = (await gateway.get(f"/top-ups/{made['id']}")).json()
    assert (done["status"], done["amount_returned"]) == ("returned", 1_000_00)
    assert await gateway.scalar(
        "select posted from ledger_accounts where code = 'refunds:upi_hdfc:payable'"
    ) == 0  # fmt: skip


async def test_mini_becomes_max_with_all_money_kept(gateway, rail):
    customer = await opened(gateway, "ppi", kyc_level="minimum")
    await load(gateway, customer, 9_000_00)
    rail.next.append(UNKNOWN)
    waiting = await load(gateway, customer, 1_000_00, 202)
    over = await gateway.post(f"/wallets/{customer}/top-ups", {"amount": 1})
    assert code(over) == (422, "limit_exceeded")
    alone = await gateway.post(f"/customers/{customer}", {"upi_type": "max"}, key=None)
    assert (code(alone), alone.json()["param"]) == ((422, "invalid_request"), "kyc_level")
    upgraded = await gateway.post(
        f"/customers/{customer}", {"upi_type": "max", "kyc_level": "full"}, key=None
    )
    assert upgraded.status_code == 200, upgraded.text
    now = await wallet(gateway, customer)
    assert (now["balance"], now["pending"], now["ceiling"]) == (9_000_00, 1_000_00, 2_00_000_00)
    rail.enquiries.append(APPROVED)
    await gateway.recover()
    await gateway.sign_in()
    assert (await gateway.get(f"/top-ups/{waiting['id']}")).json()["credited"] is True
    await load(gateway, customer, 50_000_00)
    assert (await wallet(gateway, customer))["balance"] == 60_000_00
    back = {"upi_type": "mini", "kyc_level": "minimum"}
    refused = await gateway.post(f"/customers/{customer}", back, key=None)
    assert code(refused) == (409, "conflict")


async def test_nobody_is_erased_with_an_open_wallet(gateway, rail):
    customer = await opened(gateway)
    await load(gateway, customer, 10_00)
    refused = await gateway.post(f"/customers/{customer}/erase", {}, key=None)
    assert code(refused) == (409, "conflict")
    await gateway.post(f"/wallets/{customer}/close", {})
    erased = await gateway.post(f"/customers/{customer}/erase", {}, key=None)
    assert erased.status_code == 200, erased.text
    again = await gateway.post("/wallets", {"customer_id": customer}, key=None)
    assert code(again) == (403, "not_for_this_user")
    assert code(await spend(gateway, customer, 1)) == (403, "not_for_this_user")


async def test_who_may_have_which(gateway):
    untyped = await user(gateway, None)
    refused = await gateway.post("/wallets", {"customer_id": untyped}, key=None)
    assert code(refused) == (403, "not_for_this_user")
    unknown = await user(gateway)
    refused = await gateway.post("/wallets", {"customer_id": unknown, "kind": "ppi"}, key=None)
    assert code(refused) == (409, "conflict")
    contradicting = {"upi_type": "mini", "kyc_level": "full"}
    refused = await gateway.post("/customers", contradicting, key=None)
    assert (code(refused), refused.json()["param"]) == ((422, "invalid_request"), "kyc_level")
    other = await gateway.another_merchant()
    mine = await opened(gateway)
    assert code(await other.get(f"/wallets/{mine}")) == (404, "not_found")
    assert code(await spend(other, mine, 1)) == (404, "not_found")
    manual = await spend(gateway, mine, 1, capture_method="manual")
    assert (code(manual), manual.json()["param"]) == ((422, "invalid_request"), "capture_method")


async def test_the_same_key_pays_once(gateway, rail):
    customer = await opened(gateway)
    await load(gateway, customer, 100_00)
    body = {"amount": 60_00, "payment_method": LITE, "customer_id": customer}
    first = await gateway.post("/payments", body, key="tea")
    again = await gateway.post("/payments", body, key="tea")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await gateway.post("/payments", body | {"amount": 1}, key="tea")
    assert code(other) == (422, "idempotency_key_reused")
    # A refusal keeps no key: the same one pays once there is enough.
    poor = await gateway.post("/payments", body, key="cake")
    assert code(poor) == (402, "insufficient_funds")
    await load(gateway, customer, 100_00)
    assert code(await gateway.post("/payments", body, key="cake")) == (201, None)
    assert (await wallet(gateway, customer))["balance"] == 80_00


async def test_an_intent_is_paid_from_a_wallet_and_its_payment_can_be_traced(gateway, rail):
    customer = await opened(gateway)
    await load(gateway, customer, 100_00)
    asked = {"amount": 60_00, "customer_id": customer, "payment_methods": ["upi"]}
    intent = (await gateway.post("/intents", asked)).json()
    confirmed = await gateway.post(f"/intents/{intent['id']}/confirm", {"payment_method": LITE})
    assert confirmed.status_code == 200, confirmed.text
    assert confirmed.json()["status"] == "succeeded"
    poor = (await gateway.post("/intents", asked)).json()
    refused = await gateway.post(f"/intents/{poor['id']}/confirm", {"payment_method": LITE})
    assert code(refused) == (402, "insufficient_funds")
    paid = (await gateway.get(f"/payments?intent_id={intent['id']}")).json()["data"][0]
    assert paid["authority"]["kind"] == "lite"
    trace = await gateway.get(f"/payments/{paid['id']}/trace")
    assert trace.status_code == 200, trace.text


async def test_a_payment_from_a_wallet_is_one_commit(gateway, rail):
    customer = await opened(gateway)
    await load(gateway, customer, 100_00)
    paid = (await spend(gateway, customer, 60_00)).json()
    written = await gateway.scalar(
        "select count(distinct xid) from payment_events where aggregate_id in ("
        " select id from payments union select id from attempts where rail = 'onus')"
    )
    assert written == 1
    kinds = await gateway.rows(
        "select event_type from payment_events where aggregate_id = %s order by version",
        ids.decode("pay", paid["id"]),
    )
    assert [kind for (kind,) in kinds] == [
        "payment.created", "payment.processing", "payment.captured",
    ]  # fmt: skip
