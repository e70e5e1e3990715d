"""Mandates over HTTP, from the payer's yes to the last retry, with rails in the process."""

from datetime import date, timedelta

import pytest

from online.kernel import ids
from online.operations.verify import verify_books
from online.platform.settings import Breakers
from online.rails.domain import Outcome, OutcomeKind
from online.routing.breakers import LocalBreakers
from tests.gateways import gateway_on, settings_for
from tests.mandates import ONE_DAY, Payers

pytestmark = pytest.mark.anyio


@pytest.fixture
async def payers(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as gateway:
        yield await Payers(gateway).settle_in()
        report = await verify_books(owner_url)
        assert report.holds, report


async def test_a_mandate_is_approved_told_of_and_debited(payers):
    mandate = await payers.ask()
    assert (mandate["status"], mandate["instrument"]) == ("active", "as***@khata")
    made = await payers.debit(mandate, payers.today + 2 * ONE_DAY)
    assert made["status"] == "scheduled"
    assert await payers.work() == 1
    told = await payers.execution(made)
    assert told["status"] == "notified"
    day = date.fromisoformat(made["debit_on"])
    await payers.at(day, "00:01")
    assert await payers.work() == 1
    done = await payers.execution(made)
    assert (done["status"], done["tried"], len(done["payments"])) == ("succeeded", 1, 1)
    payment = await payers.gateway.payment(done["payments"][0])
    assert (payment["status"], payment["amount"]) == ("captured", 499_00)
    assert payment["authority"]["id"] == mandate["id"]
    await payers.work()
    assert (await payers.execution(made))["tried"] == 1


# ── asking ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("vpa", "status", "code", "decline_code"),
    [
        ("asha@khata", "active", None, None),
        ("decline@khata", "failed", "mandate_declined", "declined_by_payer"),
        ("technical_decline@khata", "failed", "rail_failed", "psp_timeout"),
        ("pending_then_success@khata", "pending", None, None),
    ],
)
async def test_what_the_payer_answers(payers, vpa, status, code, decline_code):
    mandate = await payers.ask(vpa=vpa)
    error = mandate["last_error"] or {"code": None, "decline_code": None}
    assert (mandate["status"], error["code"], error["decline_code"]) == (
        status, code, decline_code,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("vpa", "ends"),
    [
        ("pending_then_success@khata", "active"),
        ("pending_then_decline@khata", "failed"),
        ("success_then_timeout@khata", "active"),
        ("decline_then_timeout@khata", "failed"),
        ("bad_answer@khata", "active"),
        ("lost@khata", "failed"),
    ],
)
async def test_recovery_learns_what_became_of_a_mandate(payers, vpa, ends):
    waits = vpa.startswith("pending")
    mandate = await payers.ask(201 if waits else 202, vpa=vpa)
    assert mandate["status"] == ("pending" if waits else "created")
    await payers.recover()
    assert (await payers.mandate(mandate["id"]))["status"] == ends


async def test_the_same_key_asks_once(payers):
    body = {
        "customer_id": payers.customer, "max_amount": 100_00, "frequency": "monthly",
        "start_on": payers.today.isoformat(), "end_on": payers.today.isoformat(),
        "purpose": "Magazine", "vpa": "asha@khata",
    }  # fmt: skip
    first = await payers.gateway.post("/mandates", body, key="once")
    again = await payers.gateway.post("/mandates", body, key="once")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    assert await payers.gateway.scalar("select count(*) from mandates") == 1
    await payers.at(payers.today + 5 * ONE_DAY, "12:00")  # it would be too late to ask now
    late = await payers.gateway.post("/mandates", body, key="once")
    assert late.json()["id"] == first.json()["id"]
    other = await payers.gateway.post("/mandates", {**body, "max_amount": 1}, key="once")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


WRONG = [
    ({"start_on": "2020-01-01"}, "start_on"),
    ({"end_on": "2020-01-01"}, "end_on"),
    ({"end_on": "2099-01-01"}, "end_on"),
    ({"debit_day": 5}, "debit_day"),
    ({"debit_rule": "on"}, "debit_day"),
    ({"debit_rule": "on", "debit_day": 8, "frequency": "weekly"}, "debit_day"),
    ({"debit_rule": "on", "debit_day": 1, "frequency": "daily"}, "debit_day"),
    ({"debit_rule": "on", "debit_day": 32}, "debit_day"),
    ({"amount": 500_01}, "amount"),
    ({"amount": 499_00, "amount_rule": "exact"}, "amount"),
    ({"amount": 1, "frequency": "as_presented"}, "amount"),
    ({"purpose": "<script>"}, "purpose"),
    ({"frequency": "hourly"}, "frequency"),
    ({"vpa": "no vpa"}, "vpa"),
    ({"handle": "tok_01234567890", "vpa": "asha@khata"}, "handle"),
    ({"max_amount": 0}, "max_amount"),
]


@pytest.mark.parametrize(("fields", "param"), WRONG)
async def test_what_cannot_be_meant_is_refused_by_its_field(payers, fields, param):
    problem = await payers.ask(422, **fields)
    assert problem["code"] == "invalid_request"
    assert problem.get("param") == param or problem["errors"][0]["param"] == param


async def test_a_mandate_is_of_a_customer_of_the_merchant_who_may_have_one(payers):
    stranger = await payers.gateway.another_merchant()
    assert (await stranger.post("/mandates", {
        "customer_id": payers.customer, "max_amount": 1, "frequency": "daily",
        "start_on": payers.today.isoformat(), "end_on": payers.today.isoformat(),
        "purpose": "Magazine",
    })).status_code == 404  # fmt: skip
    answer = await payers.gateway.post("/customers", {"name": "Mini", "upi_type": "mini"}, key=None)
    mini = await payers.ask(403, customer_id=answer.json()["id"])
    assert mini["code"] == "not_for_this_user"
    mandate = await payers.ask()
    for path in ("", "/executions"):
        assert (await stranger.get(f"/mandates/{mandate['id']}{path}")).status_code == 404
    for path in ("/pause", "/resume", "/revoke"):
        answer = await stranger.post(f"/mandates/{mandate['id']}{path}", {}, key=None)
        assert answer.status_code == 404


async def test_no_vpa_is_stored_anywhere(payers, owner_url):
    mandate = await payers.ask(vpa="rosalind.unusual@khata")
    await payers.notified(mandate)
    await payers.work()
    for table in ("payment_events", "mandates", "mandate_executions", "payments", "attempts"):
        assert not await payers.gateway.rows(
            f"select id from {table} t where t::text ilike %s", "%rosalind.unusual%"
        )


# ── what may be debited, and when ────────────────────────────────────────────────────────


async def test_only_what_the_payer_permitted(payers):
    mandate = await payers.ask(debit_rule="on", debit_day=31)
    last = (payers.today.replace(day=1) + timedelta(days=62)).replace(day=1) - ONE_DAY
    path = f"/mandates/{mandate['id']}/executions"

    async def refused(amount: int, day: date) -> tuple[int, str, str]:
        answer = await payers.gateway.post(path, {"amount": amount, "debit_on": day.isoformat()})
        return answer.status_code, answer.json()["code"], answer.json().get("param", "")

    assert await refused(500_01, last) == (422, "invalid_request", "amount")
    assert await refused(499_00, last - ONE_DAY) == (422, "invalid_request", "debit_on")
    assert await refused(499_00, payers.today - ONE_DAY) == (422, "invalid_request", "debit_on")
    assert (await payers.debit(mandate, last))["period"] == last.replace(day=1).isoformat()
    assert await refused(1, last) == (409, "period_taken", "debit_on")
    exact = await payers.ask(amount_rule="exact")
    path = f"/mandates/{exact['id']}/executions"
    assert await refused(499_99, last) == (422, "invalid_request", "amount")


async def test_a_debit_that_the_payer_cannot_be_told_of_in_time_is_refused(payers):
    mandate = await payers.ask(frequency="daily")
    for hours, refusal in (("23:58", None), ("00:00", "notice_too_late")):
        day = payers.today + ONE_DAY
        await payers.at(day, hours)
        debit_on = day + ONE_DAY if refusal is None else day
        answer = await payers.gateway.post(
            f"/mandates/{mandate['id']}/executions",
            {"amount": 1_00, "debit_on": debit_on.isoformat()},
        )
        assert answer.json().get("code") == refusal


async def test_a_worker_that_comes_too_late_to_tell_cancels(payers):
    mandate = await payers.ask(frequency="daily")
    made = await payers.debit(mandate, payers.today + 3 * ONE_DAY)
    await payers.at(payers.today + 3 * ONE_DAY, "00:00")
    await payers.work()
    late = await payers.execution(made)
    assert (late["status"], late["last_error"]["code"]) == ("canceled", "notice_too_late")
    assert await payers.debit(mandate, payers.today + 2 * ONE_DAY)


@pytest.mark.parametrize(
    ("hour", "runs"),
    [("09:59:59", True), ("10:00:00", False), ("12:59:59", False), ("13:00:00", True),
     ("16:59:59", True), ("17:00:00", False), ("21:29:59", False), ("21:30:00", True)],
)  # fmt: skip
async def test_executions_run_in_the_hours_for_them(payers, hour, runs):
    execution = await payers.notified(await payers.ask())
    await payers.at(payers.today, hour)
    await payers.work()
    found = await payers.execution(execution)
    assert found["status"] == ("succeeded" if runs else "notified")


async def test_an_execution_whose_day_passed_without_a_worker_fails(payers):
    execution = await payers.notified(await payers.ask())
    await payers.at(payers.today + ONE_DAY, "08:00")
    await payers.work()
    found = await payers.execution(execution)
    assert (found["status"], found["last_error"]["code"], found["tried"]) == (
        "failed", "window_missed", 0,
    )  # fmt: skip


# ── tries ────────────────────────────────────────────────────────────────────────────────


async def test_one_try_and_three_retries_then_it_is_over(payers):
    execution = await payers.notified(await payers.ask(vpa="mandate.insufficient_funds@khata"))
    times = []
    for _ in range(6):
        await payers.work()
        found = await payers.execution(execution)
        if found["next_try_at"] is None:
            break
        times.append(found["next_try_at"])
        await payers.later(timedelta(minutes=1))
        await payers.work()
        assert (await payers.execution(execution))["tried"] == found["tried"], "not before its time"
        await payers.at(payers.today, "13:30" if found["tried"] == 1 else
                        "16:45" if found["tried"] == 2 else "23:30")  # fmt: skip
    assert (found["status"], found["tried"], len(found["payments"])) == ("failed", 4, 4)
    assert found["last_error"]["decline_code"] == "insufficient_funds"
    assert len(times) == 3
    for id_ in found["payments"]:
        assert (await payers.gateway.payment(id_))["status"] == "failed"
    assert await payers.gateway.scalar(
        "select coalesce(sum(used), 0) from limit_counters where rule = 'amount_per_period'"
    ) == 0  # fmt: skip


async def test_a_retry_may_succeed(payers):
    execution = await payers.notified(await payers.ask(vpa="mandate.recovers@khata"))
    await payers.work()
    waits = await payers.execution(execution)
    assert (waits["status"], waits["tried"]) == ("retrying", 1)
    await payers.later(timedelta(minutes=61))
    await payers.work()
    done = await payers.execution(execution)
    assert (done["status"], done["tried"], done["last_error"]) == ("succeeded", 2, None)


async def test_what_will_not_change_is_not_tried_again(payers):
    mandate = await payers.ask()
    execution = await payers.notified(mandate)
    rail = payers.gateway.services.rails[mandate["rail"]]
    attempt = await payers.gateway.scalar("select attempt_id from mandates")
    rail.mandates.set_status(_att(attempt), "revoked")
    await payers.work()
    found = await payers.execution(execution)
    assert (found["status"], found["tried"]) == ("failed", 1)
    assert found["last_error"]["decline_code"] == "mandate_revoked"


@pytest.mark.parametrize(
    ("vpa", "ends"),
    [("mandate.success_then_timeout@khata", "succeeded"),
     ("mandate.timeout_then_success@khata", "succeeded"),
     ("mandate.decline_then_timeout@khata", "failed"),
     ("mandate.lost@khata", "retrying")],
)  # fmt: skip
async def test_nothing_is_tried_while_the_outcome_of_a_try_is_not_known(payers, vpa, ends):
    execution = await payers.notified(await payers.ask(vpa=vpa))
    await payers.work()
    assert (await payers.execution(execution))["status"] == "unknown"
    await payers.at(payers.today, "08:02")
    assert await payers.work() == 0
    assert (await payers.execution(execution))["tried"] == 1
    for _ in range(4):
        await payers.recover(130)
    found = await payers.execution(execution)
    assert (found["status"], found["tried"]) == (ends, 1)


async def test_a_debit_above_the_threshold_waits_for_the_payers_pin(payers):
    mandate = await payers.ask(max_amount=20_000_00)
    execution = await payers.notified(mandate, 15_000_01)
    await payers.work()
    waits = await payers.execution(execution)
    assert (waits["status"], waits["factor_required"]) == ("requires_action", True)
    payment = await payers.gateway.payment(waits["payments"][0])
    assert payment["status"] == "requires_action"
    await payers.recover()
    assert (await payers.execution(execution))["status"] == "succeeded"


async def test_a_debit_at_the_threshold_does_not(payers):
    execution = await payers.notified(await payers.ask(max_amount=20_000_00), 15_000_00)
    await payers.work()
    found = await payers.execution(execution)
    assert (found["status"], found["factor_required"]) == ("succeeded", False)


# ── a schedule of its own ────────────────────────────────────────────────────────────────


async def test_a_mandate_debits_by_its_own_schedule_month_after_month(payers):
    begins = payers.today.replace(day=1) + timedelta(days=32)
    begins = begins.replace(day=1)
    mandate = await payers.ask(
        amount=299_00, debit_rule="on", debit_day=31, start_on=begins.isoformat(),
        end_on=(begins + timedelta(days=75)).isoformat(),
    )  # fmt: skip
    days = []
    while (due := (await payers.mandate(mandate["id"]))["next_debit_on"]) is not None:
        days.append(due)
        day = date.fromisoformat(due)
        await payers.at(day - 3 * ONE_DAY, "23:59")
        await payers.work()
        assert (await payers.mandate(mandate["id"]))["next_debit_on"] == due or days
        await payers.at(day - 2 * ONE_DAY, "00:00")
        await payers.work()
        await payers.at(day, "00:00")
        await payers.work()
    assert len(days) == 2
    listed = (await payers.gateway.get(f"/mandates/{mandate['id']}/executions")).json()["data"]
    assert sorted(each["debit_on"] for each in listed) == days
    assert {(each["status"], each["scheduled_by"], each["amount"]) for each in listed} == {
        ("succeeded", "schedule", 299_00)
    }
    await payers.at(begins + timedelta(days=76), "00:00")
    await payers.work()
    assert (await payers.mandate(mandate["id"]))["status"] == "expired"


async def test_a_period_that_the_merchant_took_is_not_debited_by_the_schedule_too(payers):
    day = payers.today + 5 * ONE_DAY
    mandate = await payers.ask(frequency="daily", amount=10_00, start_on=day.isoformat(),
                               end_on=day.isoformat())  # fmt: skip
    await payers.debit(mandate, day, 5_00)
    await payers.at(day - 2 * ONE_DAY, "00:00")
    await payers.work()
    listed = (await payers.gateway.get(f"/mandates/{mandate['id']}/executions")).json()["data"]
    assert [each["scheduled_by"] for each in listed] == ["merchant"]
    assert await payers.gateway.scalar(
        "select data ->> 'reason' from payment_events where event_type = 'mandate.skipped'"
    ) == "period_taken"  # fmt: skip


async def test_a_one_time_mandate_is_completed_by_its_debit(payers):
    mandate = await payers.ask(frequency="one_time")
    await payers.notified(mandate)
    await payers.work()
    assert (await payers.mandate(mandate["id"]))["status"] == "completed"


# ── rests, ends ──────────────────────────────────────────────────────────────────────────


async def test_what_comes_due_while_a_mandate_rests_is_canceled(payers):
    mandate = await payers.ask()
    execution = await payers.notified(mandate)
    paused = await payers.act(f"/mandates/{mandate['id']}/pause")
    assert (paused["status"], paused["paused_by"]) == ("paused", "merchant")
    refused = await payers.gateway.post(
        f"/mandates/{mandate['id']}/executions",
        {"amount": 1, "debit_on": (payers.today + 9 * ONE_DAY).isoformat()},
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "mandate_not_active")
    await payers.work()
    found = await payers.execution(execution)
    assert (found["status"], found["last_error"]["code"]) == ("canceled", "mandate_paused")
    assert (await payers.act(f"/mandates/{mandate['id']}/resume"))["status"] == "active"
    again = await payers.notified(mandate, 1_00)
    await payers.work()
    assert (await payers.execution(again))["status"] == "succeeded"


async def test_revoking_is_at_once_and_the_rail_is_told(payers):
    mandate = await payers.ask()
    execution = await payers.notified(mandate)
    revoked = await payers.act(f"/mandates/{mandate['id']}/revoke")
    assert (revoked["status"], revoked["revoked_by"], revoked["told"]) == (
        "revoked", "merchant", True,
    )  # fmt: skip
    assert (await payers.execution(execution))["status"] == "canceled"
    assert await payers.work() == 0
    assert (await payers.act(f"/mandates/{mandate['id']}/revoke"))["status"] == "revoked"
    for action in ("pause", "resume"):
        await payers.act(f"/mandates/{mandate['id']}/{action}", 409)
    refused = await payers.gateway.post(
        f"/mandates/{mandate['id']}/executions",
        {"amount": 1, "debit_on": (payers.today + 9 * ONE_DAY).isoformat()},
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "mandate_not_active")


async def test_what_the_payer_does_in_their_app_counts_at_once(payers):
    mandate = await payers.ask()
    execution = await payers.notified(mandate)
    services = payers.gateway.services
    rail, reference = (
        services.rails[mandate["rail"]],
        _att(await payers.gateway.scalar("select attempt_id from mandates")),
    )
    for status, shown in (("paused", "paused"), ("active", "active"), ("revoked", "revoked")):
        rail.mandates.set_status(reference, status)
        assert await services.mandates.mandates.hear(mandate["rail"], reference, "rail:test")
        assert (await payers.mandate(mandate["id"]))["status"] == shown
        if shown == "paused":
            await payers.act(f"/mandates/{mandate['id']}/resume", 409)  # the payer's to undo
    assert (await payers.mandate(mandate["id"]))["revoked_by"] == "payer"
    await payers.work()
    assert (await payers.execution(execution))["status"] == "canceled"
    assert not await services.mandates.mandates.hear("upi_icici", reference, "rail:test")


async def test_a_period_is_free_again_when_its_debit_was_canceled_before_a_try(payers):
    mandate = await payers.ask()
    day = payers.today + 3 * ONE_DAY
    made = await payers.debit(mandate, day)
    path = f"/mandates/{mandate['id']}/executions/{made['id']}/cancel"
    assert (await payers.act(path))["status"] == "canceled"
    assert (await payers.act(path))["status"] == "canceled"
    assert await payers.debit(mandate, day, 1_00)


async def test_one_that_was_tried_uses_its_period_up(payers):
    mandate = await payers.ask(frequency="daily", vpa="mandate.recovers@khata")
    execution = await payers.notified(mandate)
    await payers.work()
    path = f"/mandates/{mandate['id']}/executions"
    assert (await payers.act(f"{path}/{execution['id']}/cancel"))["status"] == "canceled"
    again = await payers.gateway.post(path, {"amount": 1, "debit_on": execution["debit_on"]})
    assert again.json()["code"] in {"period_taken", "notice_too_late"}


async def test_lists_page_and_filter(payers):
    made = [await payers.ask(max_amount=n) for n in (1_00, 2_00, 3_00)]
    first = (await payers.gateway.get("/mandates?limit=2")).json()
    assert [each["id"] for each in first["data"]] == [made[2]["id"], made[1]["id"]]
    assert first["has_more"]
    rest = await payers.gateway.get(f"/mandates?starting_after={first['data'][-1]['id']}")
    assert [each["id"] for each in rest.json()["data"]] == [made[0]["id"]]
    await payers.act(f"/mandates/{made[0]['id']}/revoke")
    for query, count in (("status=revoked", 1), ("status=active", 2),
                         (f"customer_id={payers.customer}", 3)):  # fmt: skip
        assert len((await payers.gateway.get(f"/mandates?{query}")).json()["data"]) == count


def _att(attempt_id):
    return ids.encode("att", attempt_id)


# ── a rail that does not play along ──────────────────────────────────────────────────────


class _Sulking:
    """Another rail that takes no revocations and no notices until told otherwise."""

    def __init__(self, behind):
        self._behind = behind
        self.sulks = True

    def __getattr__(self, name):
        return getattr(self._behind, name)

    async def revoke_mandate(self, request):
        if self.sulks:
            return Outcome(kind=OutcomeKind.FAILED, code="rejected")
        return await self._behind.revoke_mandate(request)

    async def notify_payer(self, notice):
        return not self.sulks and await self._behind.notify_payer(notice)


def _sulk(payers, rail):
    rails = payers.gateway.services.rails._rails
    rails[rail] = _Sulking(rails[rail])
    return rails[rail]


async def test_a_revocation_that_the_rail_does_not_take_is_told_again(payers):
    mandate = await payers.ask()
    rail = _sulk(payers, mandate["rail"])
    revoked = await payers.act(f"/mandates/{mandate['id']}/revoke")
    assert (revoked["status"], revoked["told"]) == ("revoked", False)  # it counts all the same
    assert await payers.work() == 0
    await payers.later(timedelta(minutes=5))
    assert await payers.work() == 1
    rail.sulks = False
    assert await payers.work() == 0, "not before its time"
    await payers.later(timedelta(minutes=5))
    assert await payers.work() == 1
    assert (await payers.mandate(mandate["id"]))["told"]
    assert await payers.gateway.scalar(
        "select count(*) from attempts where operation = 'mandate_revoke'"
    ) == 3  # fmt: skip


async def test_a_notice_that_the_rail_does_not_take_is_given_again_in_time_or_never(payers):
    mandate = await payers.ask(frequency="daily")
    rail = _sulk(payers, mandate["rail"])
    day = payers.today + 2 * ONE_DAY
    made = await payers.debit(mandate, day)
    other = await payers.debit(mandate, day + ONE_DAY)
    assert await payers.work() == 1  # the other is not to be told of yet
    assert (await payers.execution(made))["status"] == "scheduled"
    rail.sulks = False
    assert await payers.work() == 0
    await payers.later(timedelta(minutes=5))
    assert await payers.work() == 1
    assert (await payers.execution(made))["status"] == "notified"
    rail.sulks = True
    await payers.at(day, "23:58")
    await payers.work()
    await payers.at(day + ONE_DAY, "00:04")
    await payers.work()
    late = await payers.execution(other)
    assert (late["status"], late["last_error"]["code"]) == ("canceled", "notice_too_late")


async def test_a_debit_without_a_route_comes_round_again_and_is_no_try(payers):
    mandate = await payers.ask()
    execution = await payers.notified(mandate)
    routing = payers.gateway.services.routing
    book, routing._book = routing._book, LocalBreakers(Breakers(min_calls=1, failure_percent=1))
    routing.record(mandate["rail"], "authorize", Outcome(kind=OutcomeKind.FAILED, code="96"), 1)
    await payers.work()
    waits = await payers.execution(execution)
    assert (waits["status"], waits["tried"]) == ("notified", 0)
    assert waits["last_error"]["code"] == "route_unavailable"
    routing._book = book
    await payers.later(timedelta(minutes=5))
    await payers.work()
    assert (await payers.execution(execution))["status"] == "succeeded"


async def test_a_payers_late_yes_is_revoked_at_the_rail(payers):
    mandate = await payers.ask(vpa="decline@khata")
    assert mandate["status"] == "failed"
    services = payers.gateway.services
    async with services.database.connection() as connection:
        attempt = await services.attempts.get(
            connection, await payers.gateway.scalar("select attempt_id from mandates")
        )
    await services.resolve(attempt, "test", Outcome(kind=OutcomeKind.APPROVED, code="00"))
    late = await payers.mandate(mandate["id"])
    assert (late["status"], late["revoked_by"], late["told"]) == ("revoked", "khata", False)
    await payers.work()
    assert (await payers.mandate(mandate["id"]))["told"]


async def test_a_handle_may_be_what_pays(payers):
    made = await payers.gateway.post(
        "/handles",
        {
            "customer_id": payers.customer, "vpa": "asha@khata", "max_amount": 500_00,
            "max_uses": 1, "expires_at": (payers.now + timedelta(days=9)).isoformat(),
        },
    )  # fmt: skip
    assert made.status_code == 201, made.text
    mandate = await payers.ask(vpa=None, handle=made.json()["alias"])
    assert (mandate["status"], mandate["handle_id"]) == ("active", made.json()["id"])
    used_up = await payers.ask(422, vpa=None, handle=made.json()["alias"])
    assert used_up["code"] in {"limit_exceeded", "handle_used_up"}
    execution = await payers.notified(mandate)
    await payers.work()
    assert (await payers.execution(execution))["status"] == "succeeded"
