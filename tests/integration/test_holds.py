"""Holds over HTTP: placed, taken and let go in parts, kept for longer, ended; and their books."""

from datetime import timedelta

import pytest

from online.operations.recovery import recover_once
from online.operations.verify import verify_books
from online.operations.worker import expire_once
from tests.gateways import UPI, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


async def placed(gateway, amount=1_000, method=None):
    body = {"amount": amount, "payment_method": method or await gateway.card()}
    answer = await gateway.post("/holds", body)
    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert shown["status"] == "placed", shown
    assert shown["amount_held"] == amount
    return shown


async def act(gateway, hold, what, body=None, key=""):
    return await gateway.post(f"/holds/{hold['id']}/{what}", body or {}, key=key)


async def read(gateway, hold):
    answer = await gateway.get(f"/holds/{hold['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def amounts(shown):
    return tuple(shown[f"amount_{part}"] for part in ("held", "captured", "released"))


async def test_a_hold_is_taken_and_let_go_in_parts(gateway):
    hold = await placed(gateway)
    first = (await act(gateway, hold, "capture", {"amount": 300})).json()
    assert (first["status"], *amounts(first)) == ("placed", 700, 300, 0)
    second = (await act(gateway, hold, "release", {"amount": 250})).json()
    assert (second["status"], *amounts(second)) == ("placed", 450, 300, 250)
    too_much = await act(gateway, hold, "release", {"amount": 451})
    assert (too_much.status_code, too_much.json()["code"]) == (422, "over_release")
    third = (await act(gateway, hold, "capture", {"amount": 400})).json()
    assert amounts(third) == (50, 700, 250)
    last = (await act(gateway, hold, "release")).json()
    assert (last["status"], *amounts(last)) == ("captured", 0, 700, 300)
    payment = await gateway.payment(hold["payment"])
    assert (payment["amount_authorized"], payment["amount_captured"]) == (700, 700)
    assert await pending_layer(gateway) == 0


async def pending_layer(gateway):
    return await gateway.scalar(
        "select coalesce(sum(pending), 0) from ledger_accounts where code like 'merchant:%%'"
    )


async def test_what_is_let_go_leaves_the_pending_layer_by_as_much(gateway):
    hold = await placed(gateway)
    assert await pending_layer(gateway) == 1_000
    await act(gateway, hold, "release", {"amount": 1})
    assert await pending_layer(gateway) == 999


async def test_all_of_it_let_go_is_a_hold_that_was_canceled(gateway):
    hold = await placed(gateway)
    await act(gateway, hold, "release", {"amount": 400})
    shown = (await act(gateway, hold, "release")).json()
    assert (shown["status"], *amounts(shown)) == ("canceled", 0, 0, 1_000)
    assert (await gateway.payment(hold["payment"]))["status"] == "canceled"
    again = await act(gateway, hold, "release")
    assert (again.status_code, again.json()["code"]) == (409, "illegal_state")
    assert await pending_layer(gateway) == 0


async def test_a_hold_is_canceled_whole(gateway):
    hold = await placed(gateway)
    shown = (await act(gateway, hold, "cancel")).json()
    assert (shown["status"], *amounts(shown)) == ("canceled", 0, 0, 1_000)


async def test_a_declined_payment_is_a_hold_that_failed(gateway):
    body = {"amount": 100_051, "payment_method": await gateway.card()}
    shown = (await gateway.post("/holds", body)).json()
    assert (shown["status"], shown["amount_held"]) == ("failed", 0)
    assert shown["last_error"]["code"] == "insufficient_funds"


async def test_a_refused_release_leaves_it_as_it_was(gateway):
    hold = await placed(gateway, 300_000)
    no = await act(gateway, hold, "release", {"amount": 110_102})  # declined afterwards
    assert (no.status_code, no.json()["code"]) == (402, "refused_by_rail")
    shown = await read(gateway, hold)
    assert (shown["status"], *amounts(shown)) == ("placed", 300_000, 0, 0)


@pytest.mark.parametrize("what", ["release", "capture"])
async def test_an_unknown_answer_keeps_its_part_reserved_until_recovery_has_asked(gateway, what):
    hold = await placed(gateway, 300_000)
    lost = await act(gateway, hold, what, {"amount": 110_109})  # done, and the answer is lost
    assert lost.status_code == 202
    rest = await act(gateway, hold, "release", {"amount": 300_000 - 110_109 + 1})
    assert rest.json()["code"] == "over_release"
    gateway.later(timedelta(minutes=10))
    await gateway.sign_in()
    await recover_once(gateway.services)
    shown = await read(gateway, hold)
    done = {"release": (189_891, 0, 110_109), "capture": (189_891, 110_109, 0)}
    assert amounts(shown) == done[what]


async def test_a_release_that_is_done_after_it_had_failed_is_booked(gateway):
    hold = await placed(gateway, 300_000)
    late = await act(gateway, hold, "release", {"amount": 110_112})  # failed, and done later
    assert late.status_code == 402
    gateway.later(timedelta(minutes=10))
    await gateway.sign_in()
    id_ = await gateway.scalar("select id from attempts where operation = 'release'")
    async with gateway.services.database.connection() as connection:
        sent = await gateway.services.attempts.get(connection, id_)
    assert sent is not None
    await gateway.services.resolve(sent, "test")
    shown = await read(gateway, hold)
    assert amounts(shown) == (189_888, 0, 110_112)
    assert await pending_layer(gateway) == 189_888


async def test_the_same_key_lets_go_once(gateway):
    hold = await placed(gateway)
    first = await act(gateway, hold, "release", {"amount": 600}, key="once")
    again = await act(gateway, hold, "release", {"amount": 600}, key="once")
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert amounts(await read(gateway, hold)) == (400, 0, 600)


# ── time ─────────────────────────────────────────────────────────────────────────────────


async def test_its_time_ends_what_was_not_taken(gateway):
    hold = await placed(gateway)
    await act(gateway, hold, "capture", {"amount": 300})
    gateway.later(timedelta(days=8))
    await gateway.sign_in()
    await expire_once(gateway.services)
    shown = await read(gateway, hold)
    assert (shown["status"], *amounts(shown)) == ("captured", 0, 300, 700)
    assert await pending_layer(gateway) == 0


async def test_a_hold_that_nobody_took_expires(gateway):
    hold = await placed(gateway)
    gateway.later(timedelta(days=8))
    await gateway.sign_in()
    await expire_once(gateway.services)
    shown = await read(gateway, hold)
    assert (shown["status"], *amounts(shown)) == ("expired", 0, 0, 1_000)


async def mastercard(gateway):
    return await gateway.card(number="5555555555554444")


async def test_it_is_kept_for_longer_as_far_as_its_network_allows(gateway):
    hold = await placed(gateway, method=await mastercard(gateway))
    due = []
    for days in (3, 6, 6, 6, 5):
        gateway.later(timedelta(days=days))
        await gateway.sign_in()
        answer = await act(gateway, hold, "extend")
        assert answer.status_code == 200, answer.text
        due.append(answer.json()["expires_at"])
    assert due == sorted(set(due))
    kept = await gateway.scalar("select authorization_expires_at - created_at from payments")
    assert kept == timedelta(days=30)
    no = await act(gateway, hold, "extend")
    assert (no.status_code, no.json()["code"]) == (409, "not_extendable")
    assert await gateway.scalar("select count(*) from attempts where operation = 'extend'") == 5


async def test_a_network_that_knows_no_extension_says_so(gateway):
    hold = await placed(gateway)  # Visa, of a merchant that is no hotel
    no = await act(gateway, hold, "extend")
    assert (no.status_code, no.json()["code"]) == (409, "not_extendable")


async def test_it_does_not_expire_while_its_rail_is_asked(gateway):
    hold = await placed(gateway, 110_109, await mastercard(gateway))  # answered late afterwards
    lost = await act(gateway, hold, "extend")
    assert lost.status_code in (200, 202)
    gateway.later(timedelta(days=5))
    await gateway.sign_in()
    await expire_once(gateway.services)
    assert (await read(gateway, hold))["status"] == "placed"


# ── by UPI ───────────────────────────────────────────────────────────────────────────────


async def test_a_block_by_upi_has_its_purpose_by_the_merchant_s_category(gateway):
    hold = await placed(gateway, method=upi("success@khata"))
    assert hold["purpose"] == "77"
    data = await gateway.scalar(
        "select data ->> 'purpose' from payment_events where event_type = 'payment.created'"
    )
    assert data == "77"
    longer = (await act(gateway, hold, "extend")).json()
    assert longer["expires_at"] > hold["expires_at"]


async def test_a_block_that_waits_for_its_payer_is_pending(gateway):
    body = {"amount": 1_000, "payment_method": upi("pending@khata")}
    shown = (await gateway.post("/holds", body)).json()
    assert (shown["status"], shown["amount_held"]) == ("pending", 0)
    assert shown["next_action"] is not None


async def test_an_ordinary_payment_has_no_hold(gateway):
    await gateway.pay(1_000, UPI)
    assert await gateway.scalar("select count(*) from holds") == 0
