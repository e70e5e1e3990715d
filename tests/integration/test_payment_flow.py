"""Payments over HTTP, from the request to the books, with rails in the process.

After each test the books are derived again from the log, rows and balances alike.
"""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from online.kernel import ids
from online.operations.verify import verify_books
from tests.gateways import UPI, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


@pytest.fixture
def merchant_id(gateway):
    return ids.encode("mrc", gateway.merchant.merchant.id)


async def balances(gateway):
    found = await gateway.rows(
        "select code, sum(posted)::bigint, sum(pending)::bigint from ledger_accounts group by code"
    )
    return {code: (posted, pending) for code, posted, pending in found if posted or pending}


# ── one call ─────────────────────────────────────────────────────────────────────────────


async def test_an_approved_upi_payment_is_captured_at_once(gateway, merchant_id):
    answer = await gateway.post("/payments", {"amount": 1_234_50, "payment_method": UPI})
    assert answer.status_code == 201, answer.text
    paid = answer.json()
    assert paid == await gateway.payment(paid["id"])
    assert {
        "status": "captured", "amount": 1_234_50, "currency": "INR", "method": "upi",
        "merchant_id": merchant_id, "amount_authorized": 1_234_50, "amount_captured": 1_234_50,
        "amount_refunded": 0, "fee": 0, "tax": 0, "rail": "upi_hdfc", "last_error": None,
        "livemode": False,
    }.items() <= paid.items()  # fmt: skip
    assert paid["risk"]["decision"] == "allow"
    assert await balances(gateway) == {
        "rail:upi_hdfc:receivable": (-1_234_50, 0),
        f"merchant:{merchant_id}:pending": (1_234_50, 0),
    }


async def test_a_card_payment_pays_its_fee_and_the_tax_on_it(gateway, merchant_id):
    paid = await gateway.pay(10_000_00, await gateway.card())
    assert (paid["status"], paid["fee"], paid["tax"]) == ("captured", 180_00, 32_40)
    assert paid["instrument"].endswith("4242")
    assert await balances(gateway) == {
        "rail:card_a:receivable": (-10_000_00, 0),
        f"merchant:{merchant_id}:pending": (10_000_00 - 212_40, 0),
        "fees:mdr": (180_00, 0),
        "tax:igst": (32_40, 0),
    }


@pytest.mark.parametrize(
    ("vpa", "code", "decline_code"),
    [
        ("decline@khata", "payment_declined", "declined_by_payer"),
        ("insufficient@khata", "insufficient_funds", "insufficient_funds"),
        ("wrongpin@khata", "payment_declined", "wrong_pin"),
        ("techfail@khata", "rail_failed", None),
    ],
)
async def test_a_decline_leaves_a_failed_payment_and_no_money(gateway, vpa, code, decline_code):
    failed = await gateway.pay(500_00, upi(vpa), customer_id=None, device_id="phone-1")
    assert failed["status"] == "failed"
    assert failed["last_error"]["code"] == code
    assert decline_code is None or failed["last_error"]["decline_code"]
    assert await balances(gateway) == {}
    # What it took from the payer's limits has gone back.
    assert set(await gateway.rows("select used from limit_counters")) == {(0,)}


async def test_every_step_is_in_the_log_with_who_asked(gateway):
    paid = await gateway.pay()
    id_ = ids.decode("pay", paid["id"])
    events = await gateway.rows(
        "select event_type, version, metadata ->> 'actor', metadata ->> 'request_id'"
        " from payment_events where aggregate_id = %s order by version", id_,
    )  # fmt: skip
    assert [(kind, version) for kind, version, *_ in events] == [
        ("payment.created", 1), ("payment.processing", 2), ("payment.captured", 3),
    ]  # fmt: skip
    assert {actor for *_, actor, _ in events} == {f"merchant:{gateway.merchant.client.client_id}"}
    assert len({request for *_, request in events}) == 1
    processing = await gateway.scalar(
        "select data from payment_events where event_type = 'payment.processing'"
    )
    assert processing["risk"]["features"]
    assert processing["route_decision"]["candidates"]


async def test_nothing_personal_is_written_down(gateway):
    """A VPA and a card number are nowhere in the database but sealed in the vault."""
    await gateway.pay(1_00, upi("very.personal@okbank"))
    await gateway.pay(1_00, await gateway.card("5555555555554444"))
    for table in ("payment_events", "payments", "attempts", "ledger_transactions",
                  "idempotency_keys", "risk_activity", "limit_counters"):  # fmt: skip
        text = await gateway.scalar(f"select string_agg({table}::text, ' ') from {table}")
        assert "very.personal@okbank" not in text
        assert "5555555555554444" not in text


# ── outcomes that are not known at once ──────────────────────────────────────────────────


async def test_an_unanswered_payment_is_unknown_until_recovery_asks(gateway):
    key = "unanswered"
    body = {"amount": 700_00, "payment_method": upi("timeout@khata")}
    answer = await gateway.post("/payments", body, key=key)
    assert (answer.status_code, answer.json()["status"]) == (202, "unknown")
    assert answer.json()["last_error"]["code"] == "payment_timeout"
    id_ = answer.json()["id"]
    assert await gateway.rows("select used from limit_counters where rule = 'amount_per_day'") == [
        (700_00,)  # held while nobody knows
    ]
    again = await gateway.post("/payments", body, key=key)
    assert (again.status_code, again.json()["id"]) == (202, id_)
    assert again.headers["Idempotent-Replayed"] == "true"

    assert await gateway.recover(timedelta(seconds=80)) == 0  # not before the rail may be asked
    assert await gateway.recover() == 1
    assert (await gateway.payment(id_))["status"] == "captured"
    assert await gateway.recover() == 0
    last = await gateway.post("/payments", body, key=key)
    assert (last.status_code, last.json()["status"], last.json()["id"]) == (201, "captured", id_)
    assert await gateway.scalar("select count(*) from attempts") == 1


async def test_not_found_becomes_a_failure_only_after_the_rails_window(gateway):
    lost = await gateway.pay(700_00, upi("lost@khata"))
    assert lost["status"] == "unknown"
    assert await gateway.recover() == 1
    assert (await gateway.payment(lost["id"]))["status"] == "unknown"
    assert await gateway.recover(timedelta(seconds=300)) == 1
    failed = await gateway.payment(lost["id"])
    assert (failed["status"], failed["last_error"]["code"]) == ("failed", "rail_failed")
    assert set(await gateway.rows("select used from limit_counters")) == {(0,)}
    assert await gateway.recover(timedelta(days=1)) == 0


async def test_a_payer_who_still_has_to_act(gateway):
    waiting = await gateway.pay(700_00, upi("pending@khata"))
    assert waiting["status"] == "requires_action"
    assert waiting["next_action"]["link"].startswith("upi://pay?")
    assert await gateway.recover() == 1
    paid = await gateway.payment(waiting["id"])
    assert (paid["status"], paid["next_action"]) == ("captured", None)


async def test_recovery_that_runs_twice_at_once_records_once(gateway):
    for _ in range(10):
        await gateway.pay(1_00, upi("timeout@khata"))
    gateway.later(timedelta(seconds=125))
    asked = await asyncio.gather(*(gateway.recover(timedelta()) for _ in range(4)))
    assert sum(asked) == 10  # each attempt is claimed by one
    assert await gateway.rows("select status, count(*) from payments group by 1") == [
        ("captured", 10)
    ]
    assert await gateway.scalar("select count(*) from ledger_transactions") == 10


async def test_what_a_dead_process_left_behind_is_finished(gateway):
    """Between the two commits a process may die: its attempt stays `sent` until it is asked for."""
    held = gateway.hold("card_a")
    task = asyncio.ensure_future(gateway.pay(900_00, await gateway.card()))
    await held.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gateway.rows("select status from attempts") == [("sent",)]
    # The rail never heard of it: final only after its window.
    assert await gateway.recover(timedelta(seconds=301)) == 1
    assert await gateway.rows("select p.status, a.status from payments p, attempts a") == [
        ("failed", "failed")
    ]


# ── capture and cancel ───────────────────────────────────────────────────────────────────


async def authorized(gateway, amount=100_00):
    held = await gateway.pay(amount, await gateway.card(), capture_method="manual")
    assert held["status"] == "authorized"
    return held["id"]


async def test_an_authorization_is_held_and_captured_in_parts(gateway, merchant_id):
    id_ = await authorized(gateway)
    pending, receivable = f"merchant:{merchant_id}:pending", "rail:card_a:receivable"
    assert await balances(gateway) == {receivable: (0, -100_00), pending: (0, 100_00)}
    part = await gateway.post(f"/payments/{id_}/capture", {"amount": 30_00})
    assert part.status_code == 200, part.text
    assert (part.json()["status"], part.json()["amount_captured"]) == ("captured", 30_00)
    assert await balances(gateway) == {
        receivable: (-30_00, -70_00), pending: (30_00 - 54, 70_00), "fees:mdr": (54, 0),
    }  # fmt: skip
    rest = await gateway.post(f"/payments/{id_}/capture", {})
    assert rest.json()["amount_captured"] == 100_00
    assert rest.json()["fee"] == 54 + 126
    assert await balances(gateway) == {
        receivable: (-100_00, 0), pending: (100_00 - 180, 0), "fees:mdr": (180, 0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("taken", "asked", "status", "code"),
    [
        (None, 100_01, 422, "over_capture"),
        (30_00, 70_01, 422, "over_capture"),
        (100_00, 1, 422, "over_capture"),
        (None, 0, 422, "invalid_request"),
        (None, -5, 422, "invalid_request"),
    ],
)
async def test_no_more_is_captured_than_was_authorized(gateway, taken, asked, status, code):
    id_ = await authorized(gateway)
    if taken:
        await gateway.post(f"/payments/{id_}/capture", {"amount": taken})
    before = await balances(gateway)
    answer = await gateway.post(f"/payments/{id_}/capture", {"amount": asked})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await balances(gateway) == before


async def test_a_canceled_authorization_holds_nothing(gateway):
    id_ = await authorized(gateway)
    answer = await gateway.post(f"/payments/{id_}/cancel", {})
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert await balances(gateway) == {}
    assert set(await gateway.rows("select used from limit_counters")) == {(0,)}
    for path in ("capture", "cancel"):
        again = await gateway.post(f"/payments/{id_}/{path}", {})
        assert (again.status_code, again.json()["code"]) == (409, "illegal_state")


async def test_captured_money_is_not_canceled(gateway):
    paid = await gateway.pay()
    answer = await gateway.post(f"/payments/{paid['id']}/cancel", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_state")


async def test_a_canceled_wait_is_over_for_recovery_too(gateway):
    """The rail may still answer for the attempt that the payer was waited for with."""
    waiting = await gateway.pay(700_00, upi("pending@khata"))
    rail = gateway.services.rails["upi_hdfc"]
    canceled = await gateway.post(f"/payments/{waiting['id']}/cancel", {})
    assert canceled.json()["status"] == "canceled"
    rail._done.clear()  # a switch that forgets what was withdrawn
    for _ in range(3):
        await gateway.recover(timedelta(seconds=301))
    await gateway.sign_in()
    assert await gateway.rows("select status from attempts order by operation") == [
        ("failed",), ("succeeded",),
    ]  # fmt: skip
    assert (await gateway.payment(waiting["id"]))["status"] == "canceled"
    assert set(await gateway.rows("select used from limit_counters")) == {(0,)}


async def test_fifty_captures_of_thirty_on_a_hundred(gateway):
    """Three fit, whoever comes first; the others are told so."""
    id_ = await authorized(gateway, 100)
    answers = await asyncio.gather(
        *(gateway.post(f"/payments/{id_}/capture", {"amount": 30}) for _ in range(50))
    )
    counts = Counter((a.status_code, a.json().get("code")) for a in answers)
    assert counts == {(200, None): 3, (422, "over_capture"): 47}
    assert (await gateway.payment(id_))["amount_captured"] == 90
    assert await gateway.scalar("select count(*) from attempts where operation = 'capture'") == 3


async def test_a_capture_and_a_cancel_that_race_never_both_win(gateway):
    for _ in range(5):
        id_ = await authorized(gateway)
        answers = await asyncio.gather(
            *(gateway.post(f"/payments/{id_}/{path}", {}) for path in ("capture", "cancel") * 3)
        )
        assert sorted(a.status_code for a in answers).count(200) == 1
        assert (await gateway.payment(id_))["status"] in {"captured", "canceled"}


# ── idempotency ──────────────────────────────────────────────────────────────────────────


async def calls(gateway):
    """Every call that moves money, each ready to be made for the first time."""
    intents = [(await gateway.post("/intents", {"amount": 5_00})).json()["id"] for _ in range(2)]
    first, second = await authorized(gateway), await authorized(gateway)
    return {
        "pay": ("/payments", {"amount": 5_00, "payment_method": UPI}),
        "declined": ("/payments", {"amount": 5_00, "payment_method": upi("decline@khata")}),
        "capture": (f"/payments/{first}/capture", {}),
        "cancel": (f"/payments/{second}/cancel", {}),
        "confirm": (f"/intents/{intents[0]}/confirm", {"payment_method": UPI}),
        "cancel intent": (f"/intents/{intents[1]}/cancel", {}),
    }


@pytest.mark.parametrize(
    "name", ["pay", "declined", "capture", "cancel", "confirm", "cancel intent"]
)
async def test_the_same_key_gets_the_first_answer_to_the_byte(gateway, name):
    path, body = (await calls(gateway))[name]
    first = await gateway.post(path, body, key="once")
    assert first.status_code in (200, 201), first.text
    assert "Idempotent-Replayed" not in first.headers
    count = "select count(*) from payment_events"
    before = await gateway.scalar(count)
    for sent in ("once", '"once"'):  # bare, and as a structured field
        again = await gateway.post(path, body, key=sent)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["Idempotent-Replayed"] == "true"
    assert await gateway.scalar(count) == before


@pytest.mark.parametrize("name", ["pay", "capture", "cancel", "confirm", "cancel intent"])
async def test_the_same_key_with_another_request_is_refused(gateway, name):
    path, body = (await calls(gateway))[name]
    await gateway.post(path, body, key="once")
    other = {**body, "device_id": "another"} if name in ("pay", "confirm") else {"amount": 1}
    path_too = "/payments" if "cancel" in name else path
    if path_too != path:
        other = {"amount": 1, "payment_method": UPI}
    answer = await gateway.post(path_too, other, key="once")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("name", ["pay", "capture", "cancel", "confirm", "cancel intent"])
async def test_without_a_key_no_money_moves(gateway, name):
    path, body = (await calls(gateway))[name]
    before = await gateway.scalar("select count(*) from payment_events")
    answer = await gateway.post(path, body, key=None)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert await gateway.scalar("select count(*) from payment_events") == before


async def test_a_key_belongs_to_its_merchant(gateway):
    body = {"amount": 5_00, "payment_method": UPI}
    ours = await gateway.post("/payments", body, key="k")
    theirs = await (await gateway.another_merchant()).post("/payments", body, key="k")
    assert (ours.status_code, theirs.status_code) == (201, 201)
    assert ours.json()["id"] != theirs.json()["id"]


async def test_while_the_first_call_runs_the_second_is_told_to_wait(gateway):
    rail = gateway.hold("upi_hdfc")
    body = {"amount": 5_00, "payment_method": UPI}
    first = asyncio.ensure_future(gateway.post("/payments", body, key="slow"))
    await rail.asked.wait()
    second = await gateway.post("/payments", body, key="slow")
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_flight")
    assert second.json()["retryable"] is True
    rail.let_go.set()
    answer = await first
    third = await gateway.post("/payments", body, key="slow")
    assert (answer.status_code, third.content) == (201, answer.content)


async def test_no_transaction_is_open_while_the_rail_is_asked(gateway):
    rail = gateway.hold("upi_hdfc")
    paying = asyncio.ensure_future(gateway.pay())
    await rail.asked.wait()
    assert await gateway.rows("select status from attempts") == [("sent",)]  # written down before
    assert not await gateway.rows(
        "select query from pg_stat_activity where datname = current_database()"
        " and xact_start is not null and pid <> pg_backend_pid()"
    )
    rail.let_go.set()
    assert (await paying)["status"] == "captured"


async def test_who_records_first_wins_when_recovery_and_the_call_meet(gateway):
    """The rail is slow, recovery asks it, and then the first answer comes after all."""
    rail = gateway.hold("upi_hdfc")
    paying = asyncio.ensure_future(gateway.pay())
    await rail.asked.wait()
    assert await gateway.recover(timedelta(seconds=301)) == 1  # the rail knows nothing: failed
    rail.let_go.set()
    paid = await paying
    shown = await gateway.payment(paid["id"])
    assert paid["status"] == shown["status"] == "failed"
    assert shown["amount_late"] == shown["amount_late_returned"] == paid["amount"]
    posted = await gateway.rows("select kind from ledger_transactions order by id")
    assert posted == [("late_money",), ("late_money_reversed",)]


async def test_twenty_of_one_key_pay_once(gateway):
    body = {"amount": 5_00, "payment_method": UPI}
    answers = await asyncio.gather(
        *(gateway.post("/payments", body, key="same") for _ in range(20))
    )
    assert {a.status_code for a in answers} <= {201, 409}
    assert len({a.json()["id"] for a in answers if a.status_code == 201}) == 1
    assert await gateway.scalar("select count(*) from payments") == 1


# ── intents ──────────────────────────────────────────────────────────────────────────────


async def new_intent(gateway, **fields):
    answer = await gateway.post("/intents", {"amount": 250_00, **fields}, key=None)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_intent_from_creation_to_success(gateway):
    made = await new_intent(gateway, description="Two teas")
    assert (made["status"], made["payment_id"]) == ("requires_payment_method", None)
    path = f"/intents/{made['id']}"
    declined = await gateway.post(f"{path}/confirm", {"payment_method": upi("decline@khata")})
    assert declined.status_code == 200
    assert declined.json()["status"] == "requires_payment_method"
    assert declined.json()["last_payment_error"]["code"] == "payment_declined"
    paid = await gateway.post(f"{path}/confirm", {"payment_method": UPI})
    assert (paid.json()["status"], paid.json()["last_payment_error"]) == ("succeeded", None)
    assert paid.json() == (await gateway.get(path)).json()
    payment = await gateway.payment(paid.json()["payment_id"])
    assert (payment["status"], payment["intent_id"]) == ("captured", made["id"])
    for what, body in (("confirm", {"payment_method": UPI}), ("cancel", {})):
        again = await gateway.post(f"{path}/{what}", body)
        assert (again.status_code, again.json()["code"]) == (409, "illegal_state")


async def test_an_intent_that_is_captured_later(gateway):
    made = await new_intent(gateway, capture_method="manual", payment_methods=["card"])
    path = f"/intents/{made['id']}"
    wrong = await gateway.post(f"{path}/confirm", {"payment_method": UPI})
    assert (wrong.status_code, wrong.json()["param"]) == (422, "payment_method.type")
    held = await gateway.post(f"{path}/confirm", {"payment_method": await gateway.card()})
    assert held.json()["status"] == "requires_capture"
    await gateway.post(f"/payments/{held.json()['payment_id']}/capture", {"amount": 100_00})
    assert (await gateway.get(path)).json()["status"] == "succeeded"


async def test_an_intent_that_waits_for_its_payer(gateway):
    made = await new_intent(gateway)
    path = f"/intents/{made['id']}"
    waits = await gateway.post(f"{path}/confirm", {"payment_method": upi("pending@khata")})
    assert waits.json()["status"] == "requires_action"
    assert waits.json()["next_action"]["type"] == "upi_intent"
    assert await gateway.recover() == 1
    done = (await gateway.get(path)).json()
    assert (done["status"], done["next_action"]) == ("succeeded", None)


@pytest.mark.parametrize("manual", [False, True])
async def test_an_intent_is_canceled_with_what_is_held_under_it(gateway, manual):
    made = await new_intent(gateway, capture_method="manual" if manual else "automatic")
    path = f"/intents/{made['id']}"
    if manual:
        await gateway.post(f"{path}/confirm", {"payment_method": await gateway.card()})
    canceled = await gateway.post(f"{path}/cancel", {})
    assert canceled.json()["status"] == "canceled"
    assert await balances(gateway) == {}


async def test_an_intent_expires(gateway):
    made = await new_intent(gateway, expires_in_s=60)
    gateway.later(timedelta(seconds=61))
    late = await gateway.post(f"/intents/{made['id']}/confirm", {"payment_method": UPI})
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    assert await gateway.services.intents.expire_due() == 1
    assert (await gateway.get(f"/intents/{made['id']}")).json()["status"] == "expired"
    assert await gateway.services.intents.expire_due() == 0


async def test_a_browser_pays_with_a_publishable_key_and_the_client_secret(gateway):
    made, other = await new_intent(gateway), await new_intent(gateway)
    browser = {"Authorization": f"Bearer {gateway.merchant.publishable_key}"}

    async def confirm(secret):
        body = {"payment_method": UPI} | ({"client_secret": secret} if secret else {})
        return await gateway.post(f"/intents/{made['id']}/confirm", body, headers=browser)

    for wrong in (None, "", other["client_secret"], f"{made['client_secret']}x"):
        answer = await confirm(wrong)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), answer.text
    answer = await confirm(made["client_secret"])
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded"), answer.text
    refused = await gateway.post("/payments", {"amount": 1, "payment_method": UPI}, headers=browser)
    assert refused.status_code == 403


async def test_what_belongs_to_another_merchant_is_not_there(gateway):
    made, id_ = await new_intent(gateway), await authorized(gateway)
    token = (await gateway.card())["card"]["token"]
    stranger = await gateway.another_merchant()
    answers = [
        await stranger.get(f"/intents/{made['id']}"),
        await stranger.post(f"/intents/{made['id']}/confirm", {"payment_method": UPI}),
        await stranger.post(f"/intents/{made['id']}/cancel", {}),
        await stranger.get(f"/payments/{id_}"),
        await stranger.post(f"/payments/{id_}/capture", {}),
        await stranger.post(f"/payments/{id_}/cancel", {}),
        await stranger.post(
            "/payments",
            {"amount": 1, "payment_method": {"type": "card", "card": {"token": token}}},
        ),
    ]
    assert {a.status_code for a in answers} == {404}
    missing = await gateway.get(f"/payments/{ids.encode('pay', ids.derived('none'))}")
    alike = ("code", "title", "detail", "status")
    assert [missing.json()[name] for name in alike] == [answers[3].json()[name] for name in alike]


async def test_confirmations_that_meet_pay_once(gateway):
    for round_ in range(1, 9):
        made = await new_intent(gateway)
        answers = await asyncio.gather(
            *(
                gateway.post(f"/intents/{made['id']}/confirm", {"payment_method": UPI})
                for _ in range(10)
            )
        )
        assert Counter(a.status_code for a in answers) == {200: 1, 409: 9}
        assert await gateway.scalar("select count(*) from payments") == round_


async def test_a_confirmation_that_meets_a_cancellation(gateway):
    for _ in range(8):
        made = await new_intent(gateway)
        path = f"/intents/{made['id']}"
        confirmed, canceled = await asyncio.gather(
            gateway.post(f"{path}/confirm", {"payment_method": UPI}),
            gateway.post(f"{path}/cancel", {}),
        )
        assert sorted((confirmed.status_code, canceled.status_code)) == [200, 409]
        paid = await gateway.scalar(
            "select count(*) from payments where intent_id = %s", ids.decode("pi", made["id"])
        )
        status = (await gateway.get(path)).json()["status"]
        assert (status, paid) in {("succeeded", 1), ("canceled", 0)}
