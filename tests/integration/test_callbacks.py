"""What rails tell us, over HTTP on PostgreSQL: refusals, races, crashes, order, contradictions."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from online.callbacks import store
from online.callbacks.secrets import load_rail_secrets, rotate
from online.callbacks.signature import HEADER, sign
from online.kernel import ids
from online.kernel.errors import Unavailable
from online.operations.verify import verify_books
from tests.callbacks import body_of, signed, tell
from tests.fakes import APPROVED, DECLINED, PENDING, UNKNOWN, ScriptedRail
from tests.gateways import Gateway, gateway_on, settings_for

pytestmark = pytest.mark.anyio

RAIL = "upi_hdfc"
UPI_LINK = {"type": "upi", "upi": {"flow": "intent"}}
ADMIN = {"Authorization": "Bearer operator-token-of-these-tests"}


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    settings = settings_for(
        database_url,
        tmp_path,
        KHATA_SECURITY__ADMIN_TOKEN=ADMIN["Authorization"].removeprefix("Bearer "),
        KHATA_SANDBOX__TEST_CLOCK="true",
    )
    async with gateway_on(settings) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


@pytest.fixture
def rail(gateway: Gateway) -> ScriptedRail:
    """Where UPI payments go; it does as it is told."""
    scripted = ScriptedRail(RAIL)
    gateway.services.rails._rails[RAIL] = scripted
    return scripted


async def open_refund(gateway: Gateway, rail: ScriptedRail, answer: Any = PENDING) -> Any:
    """A refund whose rail has answered so, and the reference by which the rail knows it."""
    paid = await gateway.pay(1_000_00)
    rail.next.append(answer)
    body = {"payment": paid["id"], "amount": 400_00}
    made = (await gateway.post("/refunds", body)).json()
    return made["id"], rail.asked[-1].reference


async def said(gateway: Gateway, body: dict[str, Any], *, rail: str = RAIL) -> str | None:
    """The verdict on what the rail tells."""
    answer = await tell(gateway.services, gateway.client, rail, body)
    assert answer.status_code == 202, answer.text
    return await verdict(gateway, body["id"])


async def verdict(gateway: Gateway, callback_id: str) -> str | None:
    sql = "select verdict from rail_callbacks where callback_id = %s"
    return await gateway.scalar(sql, callback_id)


async def refund_status(gateway: Gateway, id_: str) -> str:
    return str((await gateway.get(f"/refunds/{id_}")).json()["status"])


async def count(gateway: Gateway) -> int:
    return int(await gateway.scalar("select count(*) from rail_callbacks"))


async def post(gateway: Gateway, content: bytes, headers: Any, *, rail: str = RAIL) -> Any:
    path = f"/internal/rails/{rail}/callbacks"
    return await gateway.client.post(path, content=content, headers=headers)


# ── what is believed ─────────────────────────────────────────────────────────────────────


async def test_a_final_word_ends_what_is_open(gateway: Gateway, rail: ScriptedRail):
    refund, reference = await open_refund(gateway, rail)
    body = body_of(reference)
    assert await said(gateway, body) == "believed"
    assert await refund_status(gateway, refund) == "succeeded"
    sql = "select metadata ->> 'actor' from payment_events where event_type = 'attempt.succeeded'"
    actors = [actor for (actor,) in await gateway.rows(sql)]
    assert actors.count(f"rail:{RAIL}") == 1
    assert not rail.enquiries


async def test_a_code_means_the_same_as_in_an_answer(gateway: Gateway, rail: ScriptedRail):
    refund, reference = await open_refund(gateway, rail)
    assert await said(gateway, body_of(reference, "failed", code="YF")) == "believed"
    shown = (await gateway.get(f"/refunds/{refund}")).json()
    assert (shown["status"], shown["failure_code"]) == ("failed", "account_blocked")
    # A code that says "it may have happened" outweighs a status that says it did not.
    refund, reference = await open_refund(gateway, rail)
    assert await said(gateway, body_of(reference, "failed", code="RB")) == "no_news"
    assert await refund_status(gateway, refund) == "pending"


async def test_a_payment_of_unknown_outcome_ends_by_its_callback(
    gateway: Gateway, rail: ScriptedRail
):
    rail.next.append(UNKNOWN)
    answer = await gateway.post("/payments", {"amount": 5_000, "payment_method": UPI_LINK})
    assert answer.status_code in (202, 504), answer.text
    reference = rail.asked[-1].reference
    # What a UPI payer paid with decides the fee: it is read from a callback too.
    assert await said(gateway, body_of(reference, funding="rupay_credit")) == "believed"
    sql = "select status, funding from payments"
    assert await gateway.rows(sql) == [("captured", "rupay_credit")]


async def test_pending_is_no_news(gateway: Gateway, rail: ScriptedRail):
    refund, reference = await open_refund(gateway, rail)
    assert await said(gateway, body_of(reference, "pending")) == "no_news"
    assert await refund_status(gateway, refund) == "pending"


# ── again, out of order, contradicting ───────────────────────────────────────────────────


async def test_a_repeated_id_does_nothing(gateway: Gateway, rail: ScriptedRail):
    refund, reference = await open_refund(gateway, rail)
    body = body_of(reference)
    answers = await asyncio.gather(
        *(tell(gateway.services, gateway.client, RAIL, body) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert await count(gateway) == 1
    # The same id with another content is not looked at either.
    assert await said(gateway, body | {"status": "declined", "code": "Z9"}) == "believed"
    assert await refund_status(gateway, refund) == "succeeded"


async def test_the_same_under_another_id_has_no_second_effect(gateway: Gateway, rail: ScriptedRail):
    _, reference = await open_refund(gateway, rail)
    bodies = [body_of(reference, sequence=7) for _ in range(12)]
    await asyncio.gather(*(tell(gateway.services, gateway.client, RAIL, body) for body in bodies))
    verdicts = [await verdict(gateway, body["id"]) for body in bodies]
    assert set(verdicts) <= {"believed", "known"}
    assert "believed" in verdicts
    sql = "select count(*) from payment_events where event_type = 'refund.succeeded'"
    assert await gateway.scalar(sql) == 1


async def test_what_is_older_than_what_is_known_is_ignored(gateway: Gateway, rail: ScriptedRail):
    refund, reference = await open_refund(gateway, rail)
    newer = body_of(reference, "pending", sequence=5)
    assert await said(gateway, newer) == "no_news"
    assert await said(gateway, body_of(reference, "declined", sequence=4)) == "out_of_order"
    earlier = {"sequence": 5, "occurred_at": "2026-01-05T09:59:59.999999Z"}
    assert await said(gateway, body_of(reference, "declined", **earlier)) == "out_of_order"
    assert await refund_status(gateway, refund) == "pending"
    assert await said(gateway, body_of(reference, sequence=6)) == "believed"
    assert await refund_status(gateway, refund) == "succeeded"


async def test_a_pending_that_comes_after_the_end_changes_nothing(
    gateway: Gateway, rail: ScriptedRail
):
    refund, reference = await open_refund(gateway, rail)
    assert await said(gateway, body_of(reference, sequence=2)) == "believed"
    assert await said(gateway, body_of(reference, "pending", sequence=1)) == "out_of_order"
    assert await said(gateway, body_of(reference, "pending", sequence=3)) == "no_news"
    assert await refund_status(gateway, refund) == "succeeded"


async def test_a_contradiction_makes_us_ask_first(gateway: Gateway, rail: ScriptedRail):
    refund, reference = await open_refund(gateway, rail, DECLINED)
    assert await refund_status(gateway, refund) == "failed"
    rail.enquiries.append(DECLINED)
    assert await said(gateway, body_of(reference)) == "enquired"
    assert await refund_status(gateway, refund) == "failed"  # the rail itself says so
    rail.enquiries.append(APPROVED)
    assert await said(gateway, body_of(reference)) == "enquired"
    assert await refund_status(gateway, refund) == "succeeded"
    # A no after a yes takes nothing back, whatever the rail answers.
    rail.enquiries.append(DECLINED)
    assert await said(gateway, body_of(reference, "declined")) == "enquired"
    assert await refund_status(gateway, refund) == "succeeded"


async def test_a_contradiction_without_an_answer_waits(gateway: Gateway, rail: ScriptedRail):
    refund, reference = await open_refund(gateway, rail, DECLINED)
    rail.enquiries.append(UNKNOWN)
    body = body_of(reference)
    assert await said(gateway, body) is None
    assert await refund_status(gateway, refund) == "failed"
    rail.enquiries.append(APPROVED)
    gateway.later(timedelta(seconds=6))
    assert await gateway.services.callbacks.take_up() == 1
    assert await verdict(gateway, body["id"]) == "enquired"
    assert await refund_status(gateway, refund) == "succeeded"


# ── races with our own calls ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["approved", "declined", "pending"])
async def test_a_callback_that_outruns_the_answer_of_the_call(gateway: Gateway, status: str):
    held = gateway.hold(RAIL)
    paying = asyncio.create_task(
        gateway.post("/payments", {"amount": 5_000, "payment_method": UPI_LINK})
    )
    await held.asked.wait()
    ((attempt, state),) = await gateway.rows("select id, status from attempts")
    assert state == "sent"
    found = await said(gateway, body_of(ids.encode("att", attempt), status))
    assert found == ("no_news" if status == "pending" else "believed")
    held.let_go.set()
    answer = await paying
    # One effect, and the caller hears of that very one. (A yes after the rail's own signed no is
    # money that came late.)
    final = await gateway.scalar("select status from payments")
    assert answer.json().get("status", "unknown") == final or answer.status_code >= 400
    assert final == ("failed" if status == "declined" else "captured")
    sql = "select count(*) from payment_events where event_type = 'payment.captured'"
    assert await gateway.scalar(sql) == (0 if status == "declined" else 1)


async def test_many_callbacks_and_recovery_at_once_have_one_effect(
    gateway: Gateway, rail: ScriptedRail
):
    _, reference = await open_refund(gateway, rail)
    rail.enquiries.extend([APPROVED] * 4)
    await asyncio.gather(
        *(tell(gateway.services, gateway.client, RAIL, body_of(reference)) for _ in range(8)),
        gateway.recover(),
    )
    sql = "select count(*) from payment_events where event_type = 'refund.succeeded'"
    assert await gateway.scalar(sql) == 1
    assert await gateway.scalar("select refunded_minor from payments") == 400_00


async def test_a_callback_that_outruns_our_own_commit_is_taken_up_again(
    gateway: Gateway, rail: ScriptedRail
):
    unknown = ids.encode("att", ids.new(gateway.services.clock.now()))
    body = body_of(unknown)
    assert await said(gateway, body) is None
    shown = (await gateway.client.get("/api/v1/rail-callbacks?waiting=true", headers=ADMIN)).json()
    assert [(each["callback_id"], each["error"]) for each in shown["data"]] == [
        (body["id"], "unknown_reference")
    ]
    for _ in range(gateway.services.settings.callbacks.max_tries):
        assert await verdict(gateway, body["id"]) is None
        gateway.later(timedelta(minutes=11))
        assert await gateway.services.callbacks.take_up() == 1
    assert await verdict(gateway, body["id"]) == "unknown_reference"
    assert await gateway.services.callbacks.take_up() == 0


async def test_another_rails_reference_is_not_this_ones_to_say(
    gateway: Gateway, rail: ScriptedRail
):
    refund, reference = await open_refund(gateway, rail)
    assert await said(gateway, body_of(reference), rail="card_a") == "foreign_reference"
    assert await refund_status(gateway, refund) == "pending"


# ── crashes ──────────────────────────────────────────────────────────────────────────────


async def test_what_was_stored_and_not_understood_is_the_workers(
    gateway: Gateway, rail: ScriptedRail, monkeypatch: pytest.MonkeyPatch
):
    """The process dies between its 202 and its looking at what it took."""
    refund, reference = await open_refund(gateway, rail)
    monkeypatch.setattr(gateway.services.callbacks, "_begin", lambda _: None)
    body = body_of(reference)
    assert await said(gateway, body) is None
    assert await gateway.services.callbacks.take_up() == 0  # it has just come
    gateway.later(timedelta(seconds=6))
    taken = await asyncio.gather(*(gateway.services.callbacks.take_up() for _ in range(3)))
    assert sorted(taken) == [0, 0, 1]
    assert await verdict(gateway, body["id"]) == "believed"
    assert await refund_status(gateway, refund) == "succeeded"


async def test_what_was_recorded_and_not_concluded_is_found_again(
    gateway: Gateway, rail: ScriptedRail, monkeypatch: pytest.MonkeyPatch
):
    """The process dies after the refund's commit and before the callback's own."""
    refund, reference = await open_refund(gateway, rail)

    async def dies(*_: object) -> None:
        raise Unavailable("the database does not answer")

    body = body_of(reference)
    with monkeypatch.context() as patch:
        patch.setattr(store, "conclude", dies)
        assert await said(gateway, body) is None
    assert await refund_status(gateway, refund) == "succeeded"
    gateway.later(timedelta(seconds=6))
    assert await gateway.services.callbacks.take_up() == 1
    assert await verdict(gateway, body["id"]) == "known"


async def test_what_cannot_be_stored_is_not_acknowledged(
    gateway: Gateway, rail: ScriptedRail, monkeypatch: pytest.MonkeyPatch
):
    refund, reference = await open_refund(gateway, rail)

    async def dies(*_: object) -> None:
        raise OSError("no space left on the device")

    body = body_of(reference)
    with monkeypatch.context() as patch:
        patch.setattr(store, "store", dies)
        answer = await tell(gateway.services, gateway.client, RAIL, body)
    assert (answer.status_code, answer.json()["retryable"]) == (503, True)
    assert await count(gateway) == 0
    assert await said(gateway, body) == "believed"  # sent again
    assert await refund_status(gateway, refund) == "succeeded"


async def test_what_fails_every_time_is_given_up_and_shown(
    gateway: Gateway, rail: ScriptedRail, monkeypatch: pytest.MonkeyPatch
):
    _, reference = await open_refund(gateway, rail)
    with_ = gateway.services.callbacks._with

    async def fails(*_: object) -> None:
        raise ValueError("a bug of ours")

    monkeypatch.setattr(gateway.services.callbacks, "_with", _with(with_, resolve=fails))
    body = body_of(reference)
    assert await said(gateway, body) is None
    for _ in range(with_.max_tries):
        gateway.later(timedelta(minutes=11))
        await gateway.services.callbacks.take_up()
    asked = "/api/v1/rail-callbacks?verdict=given_up"
    (shown,) = (await gateway.client.get(asked, headers=ADMIN)).json()["data"]
    assert (shown["callback_id"], shown["error"], shown["tries"]) == (
        body["id"], "ValueError", with_.max_tries,
    )  # fmt: skip


def _with(of: Any, **changes: Any) -> Any:
    return type(of)(**{name: getattr(of, name) for name in of.__struct_fields__} | changes)


async def test_a_flood_is_bounded_and_payments_go_on(gateway: Gateway, rail: ScriptedRail):
    unknown = ids.encode("att", ids.new(gateway.services.clock.now()))
    flood = [
        asyncio.create_task(tell(gateway.services, gateway.client, RAIL, body_of(unknown)))
        for _ in range(1_500)
    ]
    paid = await gateway.pay(1_000_00)
    assert paid["status"] == "captured"
    statuses = {answer.status_code for answer in await asyncio.gather(*flood)}
    assert statuses <= {202, 429}
    assert 202 in statuses


# ── keeping and forgetting ───────────────────────────────────────────────────────────────


async def test_what_came_is_kept_as_it_came_and_sealed(gateway: Gateway, rail: ScriptedRail):
    _, reference = await open_refund(gateway, rail)
    body = body_of(reference, payer={"vpa": "asha@okhdfc", "name": "Asha"})  # a rail adds members
    assert await said(gateway, body) == "believed"
    ((id_, raw, key),) = await gateway.rows("select id, raw, raw_key from rail_callbacks")
    assert b"asha" not in raw
    sealer = gateway.services.callbacks._with.sealer
    field = store.EncryptedField.of(raw, key)
    assert json.loads(sealer.open(field, id_.bytes)) == body
    shown = await gateway.client.get("/api/v1/rail-callbacks", headers=ADMIN)
    assert b"asha" not in shown.content.lower()
    assert [each["verdict"] for each in shown.json()["data"]] == ["believed"]


async def test_what_does_not_open_any_more_stops_no_other(
    gateway: Gateway, rail: ScriptedRail, owner_url: str, monkeypatch: pytest.MonkeyPatch
):
    _, reference = await open_refund(gateway, rail)
    monkeypatch.setattr(gateway.services.callbacks, "_begin", lambda _: None)
    spoilt, whole = body_of(reference), body_of(reference)
    await said(gateway, spoilt)
    await said(gateway, whole)
    with psycopg.connect(owner_url, autocommit=True) as owner:  # the service itself could not
        owner.execute(
            "update rail_callbacks set raw_key = 'rail_callbacks-9' where callback_id = %s",
            [spoilt["id"]],
        )
    gateway.later(timedelta(seconds=6))
    assert await gateway.services.callbacks.take_up() == 2
    assert await verdict(gateway, spoilt["id"]) == "given_up"
    assert await verdict(gateway, whole["id"]) == "believed"


async def test_it_is_forgotten_after_its_time_unless_it_waits(gateway: Gateway, rail: ScriptedRail):
    _, reference = await open_refund(gateway, rail)
    services = gateway.services
    await said(gateway, body_of(reference))
    await said(gateway, body_of(ids.encode("att", ids.new(services.clock.now()))))
    keep = timedelta(days=services.settings.callbacks.keep_days)
    assert await services.callbacks.forget(services.clock.now() + keep - timedelta(hours=1)) == 0
    assert await services.callbacks.forget(services.clock.now() + keep + timedelta(hours=1)) == 1
    assert await count(gateway) == 1


async def test_only_staff_may_look(gateway: Gateway):
    assert (await gateway.get("/rail-callbacks")).status_code == 403
    headers = await gateway.credentials("callbacks:read")
    answer = await gateway.client.get("/api/v1/rail-callbacks", headers=headers)
    assert (answer.status_code, answer.json()["data"]) == (200, [])


# ── who may say something ────────────────────────────────────────────────────────────────


async def test_whatever_is_not_signed_is_refused_alike_and_leaves_nothing(
    gateway: Gateway, rail: ScriptedRail
):
    refund, reference = await open_refund(gateway, rail)
    services = gateway.services
    content = json.dumps(body_of(reference)).encode()
    good = signed(services, RAIL, content)
    t, v1 = good[HEADER].split(",")
    now = services.clock.now()
    refused = {
        "missing": ({}, RAIL),
        "twice": ([(HEADER, good[HEADER])] * 2, RAIL),
        "empty": ({HEADER: ""}, RAIL),
        "no time": ({HEADER: v1}, RAIL),
        "no digest": ({HEADER: t}, RAIL),
        "another version": ({HEADER: good[HEADER].replace("v1", "v2")}, RAIL),
        "three digests": ({HEADER: f"{t},{v1},{v1},{v1}"}, RAIL),
        "upper case": ({HEADER: f"{t},v1={v1[3:].upper()}"}, RAIL),
        "a space": ({HEADER: f"{t}, {v1}"}, RAIL),
        "another time": ({HEADER: f"t={int(t[2:]) + 1},{v1}"}, RAIL),
        "too old": (signed(services, RAIL, content, ago=timedelta(seconds=302)), RAIL),
        "too early": (signed(services, RAIL, content, ago=-timedelta(seconds=302)), RAIL),
        "another rail": (good, "card_a"),
        "another rail's": (signed(services, "card_a", content), RAIL),
        "no such rail": (good, "upi_sbi"),
        "another secret": ({HEADER: f"{t},v1={sign(b'x' * 32, t[2:], content)}"}, RAIL),
    }
    answers = {}
    for why, (headers, to) in refused.items():
        answers[why] = await post(gateway, content, headers, rail=to)
    assert {why: a.status_code for why, a in answers.items()} == dict.fromkeys(refused, 401)
    told = {
        json.dumps({k: v for k, v in a.json().items() if k not in ("request_id", "instance")})
        for a in answers.values()
    }
    assert len(told) == 1, told  # nobody learns what was wrong
    assert await count(gateway) == 0
    assert await refund_status(gateway, refund) == "pending"
    close = signed(services, RAIL, content, ago=timedelta(seconds=298))
    assert (now, (await post(gateway, content, close)).status_code) == (now, 202)


async def test_the_service_counts_why_it_refused(gateway: Gateway):
    from prometheus_client import REGISTRY

    def counted(reason: str) -> float:
        name = "rail_callback_refusals_total"
        return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0

    reasons = ("missing", "malformed", "wrong", "stale", "unknown_rail")
    before = {reason: counted(reason) for reason in reasons}
    services, content = gateway.services, b"{}"
    await post(gateway, content, {})
    await post(gateway, content, {HEADER: "t=1"})
    await post(gateway, content, signed(services, "card_a", content))
    await post(gateway, content, signed(services, RAIL, content, ago=timedelta(hours=1)))
    await post(gateway, content, {}, rail="nobody")
    assert {reason: counted(reason) - before[reason] for reason in reasons} == dict.fromkeys(
        reasons, 1.0
    )


async def test_a_body_that_is_too_large_is_refused(gateway: Gateway):
    content = b" " * (16 * 1024 + 1)
    answer = await post(gateway, content, signed(gateway.services, RAIL, content))
    assert answer.status_code == 413
    assert await count(gateway) == 0


async def test_two_secrets_are_live_and_an_older_one_is_not(gateway: Gateway, rail: ScriptedRail):
    keys = gateway.services.settings.data_dir / "keys"
    callbacks = gateway.services.callbacks
    content = json.dumps(body_of("att_x")).encode()
    t = str(int(gateway.services.clock.now().timestamp()))
    secrets = [callbacks._with.secrets.of(RAIL)[1]]
    secrets.extend(rotate(keys, RAIL) for _ in range(2))
    callbacks._with = _with(callbacks._with, secrets=load_rail_secrets(keys, [RAIL]))

    async def status(*of: bytes) -> int:
        digests = "".join(f",v1={sign(secret, t, content)}" for secret in of)
        return int((await post(gateway, content, {HEADER: f"t={t}{digests}"})).status_code)

    first, second, third = secrets
    assert [await status(s) for s in (first, second, third)] == [401, 202, 202]
    assert await status(first, third) == 202  # a rail that does not know yet which one we have
    assert await status(first, b"x" * 32) == 401
    assert await gateway.scalar("select array_agg(secret) from rail_callbacks") == [2]


# ── what is signed and makes no sense ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\x00", b"null", b"[]", b"{}", b'{"id": 7}', b"\xff\xfe", b"[" * 5_000,
        b'{"id": "a\\u0000b"}', b'{"id": "' + b"x" * 91 + b'"}',
    ],
)  # fmt: skip
async def test_it_is_kept_and_unreadable(gateway: Gateway, content: bytes):
    answer = await post(gateway, content, signed(gateway.services, RAIL, content))
    assert answer.status_code == 202, answer.text
    await gateway.services.callbacks.idle()
    sql = "select verdict, reference, left(callback_id, 7) from rail_callbacks"
    ((found, reference, start),) = await gateway.rows(sql)
    assert (found, reference, start) == ("unreadable", None, "sha256:")


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"status": "maybe"}, "unreadable"),
        ({"status": None}, "unreadable"),
        ({"code": "x" * 201}, "unreadable"),
        ({"code": "a\x00b"}, "unreadable"),
        ({"type": "weather"}, "unreadable"),
        ({"sequence": -1}, "unreadable"),
        ({"sequence": 2**63}, "unreadable"),
        ({"sequence": 1.5}, "unreadable"),
        ({"occurred_at": "2026-01-05T10:00:00"}, "unreadable"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "unreadable"),
        ({"occurred_at": "9999-12-31T23:59:59-12:00"}, "unreadable"),
        ({"reference": "../void"}, "unreadable"),
        ({"reference": "pay_00000000000000000000000000"}, "unknown_reference"),
        ({"type": "dispute", "reference": "CB1"}, None),  # the rail knows none, perhaps yet
        ({"type": "dispute", "reference": "a/b"}, "unreadable"),
    ],
)
async def test_it_is_kept_with_what_is_wrong(
    gateway: Gateway, rail: ScriptedRail, changes: dict[str, Any], wanted: str | None
):
    refund, reference = await open_refund(gateway, rail)
    assert await said(gateway, body_of(reference) | changes) == wanted
    assert await refund_status(gateway, refund) == "pending"
