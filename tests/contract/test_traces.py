"""Following a payment's money over HTTP, from the intent to a line of the bank's file."""

import asyncio
import json
from datetime import date, timedelta

import pytest

from online.kernel import ids
from online.kernel.clock import business_date
from tests.gateways import UPI, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio

SHA = "ab" * 32


@pytest.fixture
async def gateway(database_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened


@pytest.fixture
async def service(gateway):
    return await gateway.credentials("service")


def code(answer):
    return answer.status_code, answer.json()["code"]


async def trace(gateway, payment_id, headers={}):  # noqa: B006 - read only
    answer = await gateway.get(f"/payments/{payment_id}/trace", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def send(gateway, headers, path, *lines):
    """NDJSON to the internal API; the answers, a line each."""
    body = b"\n".join(
        line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines
    )
    sent = {**headers, "Content-Type": "application/x-ndjson"}
    answer = await gateway.client.post(f"/internal/v1/{path}", content=body, headers=sent)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def link(attempt, /, **changes):
    told = {"attempt": attempt, "hop": "rail_line", "reference": "row 7", "at": "2026-11-24",
            "amount": 10_000_00, "sha256": SHA}  # fmt: skip
    return told | changes


async def paid_by_intent(gateway):
    """An intent whose card payment is authorized, captured and in part refunded."""
    intent = (
        await gateway.post("/intents", {"amount": 10_000_00, "capture_method": "manual"})
    ).json()
    method = {"payment_method": await gateway.card()}
    confirmed = (await gateway.post(f"/intents/{intent['id']}/confirm", method)).json()
    payment = confirmed["payment_id"]
    captured = await gateway.post(f"/payments/{payment}/capture", {})
    assert captured.json()["status"] == "captured", captured.text
    refund = await gateway.post("/refunds", {"payment": payment, "amount": 1_000_00})
    assert refund.json()["status"] == "succeeded", refund.text
    return intent["id"], payment, refund.json()["id"]


async def settle(gateway, service, day: date):
    """The day's batch, as the pipeline would hand it in."""
    gateway.later(timedelta(days=1))
    await gateway.sign_in()
    service = await gateway.credentials("service")
    merchant = ids.encode("mrc", gateway.merchant.merchant.id)
    batch = {"merchant_id": merchant, "business_date": day.isoformat(), "currency": "INR",
             "gross": 10_000_00, "refunds": 1_000_00, "fees": 180_00, "tax": 32_40,
             "net": 9_000_00 - 212_40, "count": 2}  # fmt: skip
    (answer,) = await send(gateway, service, "settlement-batches", batch)
    assert answer["status"] == "accepted", answer
    return answer, service


async def test_a_payment_is_followed_from_the_intent_to_the_books(gateway):
    intent, payment, refund = await paid_by_intent(gateway)
    found = await trace(gateway, payment)
    assert found["payment"] == await gateway.payment(payment)
    assert (found["intent"]["id"], found["intent"]["status"]) == (intent, "succeeded")
    assert [(a["operation"], a["status"], a["amount"]) for a in found["attempts"]] == [
        ("authorize", "succeeded", 10_000_00),
        ("capture", "succeeded", 10_000_00),
        ("refund", "succeeded", 1_000_00),
    ]
    authorize, capture, back = found["attempts"]
    assert capture["original_id"] == authorize["id"]
    assert back["refund_id"] == refund == found["refunds"][0]["id"]
    assert found["refunds"][0]["attempt_id"] == back["id"]
    for attempt in found["attempts"]:
        (answer,) = attempt["answers"]
        assert (answer["status"], answer["enquiry"]) == ("succeeded", 0)
        assert answer["rail_reference"] == attempt["rail_reference"]
        assert answer["at"] >= attempt["sent_at"]

    (decision,) = found["decisions"]
    assert decision["attempt_id"] == authorize["id"]
    said = authorize["answers"][0]
    assert decision["attempt"] == {
        "number": 1, "status": "succeeded", "code": said["code"],
        "latency_ms": said["latency_ms"],
    }  # fmt: skip
    assert decision["risk"]["decision"] == "allow"
    assert decision["route"]["route"] == authorize["route"] == "card_a"

    booked = {each["kind"]: each for each in found["transactions"]}
    kinds = ["authorization", "capture", "refund_requested", "refund_confirmed"]
    assert list(booked) == kinds
    assert booked["capture"]["reference"] == capture["id"]
    for each in found["transactions"]:
        for layer in ("posted", "pending"):
            assert sum(e["amount"] for e in each["entries"] if e["layer"] == layer) == 0
    merchant = ids.encode("mrc", gateway.merchant.merchant.id)
    kept = sum(
        entry["amount"]
        for each in found["transactions"]
        for entry in each["entries"]
        if (entry["account"], entry["layer"]) == (f"merchant:{merchant}:pending", "posted")
    )
    (balance,) = (await gateway.get("/balance")).json()["balances"]
    assert kept == balance["pending"] == 9_000_00 - 212_40
    assert (found["disputes"], found["settlements"], found["links"]) == ([], [], [])

    events = await gateway.rows("select id, event_type from payment_events order by timestamp, id")
    assert [(e["id"], e["type"]) for e in found["events"]] == [
        (ids.encode("evt", id_), type_) for id_, type_ in events
    ]


async def test_an_entry_of_a_trace_is_found_in_its_account(gateway):
    _, payment, _ = await paid_by_intent(gateway)
    auditor = await gateway.credentials("ledger:read", "payments:read")
    found = await trace(gateway, payment, auditor)
    for booked in found["transactions"]:
        for entry in booked["entries"]:
            path = f"/ledger/accounts/{entry['account_id']}/entries?layer={entry['layer']}"
            data = (await gateway.get(path, headers=auditor)).json()["data"]
            (same,) = [each for each in data if each["id"] == entry["id"]]
            assert (same["amount"], same["transaction_id"]) == (entry["amount"], booked["id"])


async def test_settlement_dispute_and_outside_places_follow(gateway, service):
    _, payment, _ = await paid_by_intent(gateway)
    day = business_date(gateway.services.clock.now())
    settled, service = await settle(gateway, service, day)
    authorize, capture, _ = (await trace(gateway, payment))["attempts"]
    respond_by = gateway.services.clock.now() + timedelta(days=9)
    dispute = {"rail": "card_a", "reference": "CB-1", "original_reference": authorize["id"],
               "amount": 500_00, "currency": "INR", "reason_code": "10.4", "status": "open",
               "respond_by": respond_by.isoformat()}  # fmt: skip
    (taken,) = await send(gateway, service, "disputes", dispute)
    assert taken["status"] != "refused", taken
    told = [
        link(capture["id"], hop="statement", reference="stm_1", at="2026-12-01"),
        link(capture["id"], hop="settlement", reference=settled["settlement_id"]),
        link(capture["id"], hop="bank_line", reference="UTR1", amount=None, sha256=None),
        link(capture["id"]),
        link(settled["payout_attempt_id"], hop="bank_line", reference="UTR2"),
    ]
    answers = await send(gateway, service, "trace-links", *told)
    assert [a["status"] for a in answers] == ["posted"] * 5

    found = await trace(gateway, payment)
    (batch,) = found["settlements"]
    assert (batch["id"], batch["net"]) == (settled["settlement_id"], 9_000_00 - 212_40)
    assert (batch["business_date"], batch["payout_attempt_id"]) == (
        day.isoformat(),
        settled["payout_attempt_id"],
    )
    (disputed,) = found["disputes"]
    assert (disputed["rail_reference"], disputed["amount"]) == ("CB-1", 500_00)
    assert "dispute_opened" in [each["kind"] for each in found["transactions"]]
    assert sorted((each["hop"], each["reference"]) for each in found["links"]) == sorted(
        (each["hop"], each["reference"]) for each in told
    )
    assert [each["hop"] for each in found["links"]] == [
        "rail_line", "bank_line", "bank_line", "settlement", "statement",
    ]  # fmt: skip
    rail_line = found["links"][0]
    assert (rail_line["attempt_id"], rail_line["amount"], rail_line["sha256"]) == (
        capture["id"],
        10_000_00,
        SHA,
    )


async def test_a_decline_and_a_late_answer_show_what_the_rail_said(gateway):
    declined = await gateway.pay(5_00, upi("decline@khata"))
    found = await trace(gateway, declined["id"])
    (attempt,) = found["attempts"]
    assert (attempt["status"], attempt["code"]) == ("declined", "ZA")
    assert (found["transactions"], found["intent"]) == ([], None)

    slow = await gateway.pay(5_00, upi("timeout@khata"))
    await gateway.recover()
    (attempt,) = (await trace(gateway, slow["id"]))["attempts"]
    assert [(a["status"], a["enquiry"]) for a in attempt["answers"]] == [
        ("unknown", 0),
        ("succeeded", 1),
    ]


async def test_a_merchant_is_told_the_decision_and_ours_how_it_was_made(gateway):
    payment = await gateway.pay()
    (short,) = (await trace(gateway, payment["id"]))["decisions"]
    assert set(short["risk"]) == {"score", "level", "decision", "model_version", "rules_version"}
    assert set(short["route"]) == {"route", "strategy", "reason", "candidates"}
    assert {name for each in short["route"]["candidates"] for name in each} == {
        "name", "eligible", "reason",
    }  # fmt: skip
    auditor = await gateway.credentials("payments:read")
    (whole,) = (await trace(gateway, payment["id"], auditor))["decisions"]
    assert {"features", "factors", "snapshot"} <= set(whole["risk"])
    (chosen,) = (c for c in whole["route"]["candidates"] if c["name"] == payment["route"])
    assert {"score", "fee_bps", "propensity_bps"} <= set(chosen)
    assert short["risk"].items() <= whole["risk"].items()


async def test_each_try_of_a_cascade_has_its_decision_and_its_outcome(gateway):
    failed = await gateway.pay(5_00, upi("techfail@khata"))
    auditor = await gateway.credentials("payments:read")
    found = await trace(gateway, failed["id"], auditor)
    first, second = found["decisions"]
    assert [each["route"]["route"] for each in (first, second)] == ["upi_hdfc", "upi_icici"]
    assert [each["attempt"]["number"] for each in (first, second)] == [1, 2]
    assert {each["attempt"]["status"] for each in (first, second)} == {"failed"}
    assert [a["id"] for a in found["attempts"]] == [first["attempt_id"], second["attempt_id"]]
    reasons = {each["name"]: each["reason"] for each in second["route"]["candidates"]}
    assert (reasons["upi_hdfc"], reasons["upi_icici"]) == ("already_tried", "ok")


async def test_a_trace_is_nobody_elses_business(gateway, service):
    payment = (await gateway.pay())["id"]
    path = f"/payments/{payment}/trace"
    other = await gateway.another_merchant()
    assert code(await other.get(path)) == (404, "not_found")
    narrow = await gateway.credentials("ledger:read")
    for headers in (gateway.publishable, narrow):
        assert code(await gateway.get(path, headers=headers)) == (403, "forbidden")
    assert (await gateway.get(path, headers=service)).status_code == 200
    nobody = ids.encode("pay", ids.derived("nobody"))
    for headers in ({}, service):
        answer = await gateway.get(f"/payments/{nobody}/trace", headers=headers)
        assert code(answer) == (404, "not_found")
    sent = {"content": b"{}", "headers": gateway._headers}
    answer = await gateway.client.post("/internal/v1/trace-links", **sent)
    assert code(answer) == (403, "forbidden")


# ── links ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def attempt(gateway):
    payment = await gateway.post("/payments", {"amount": 5_00, "payment_method": UPI})
    return (await trace(gateway, payment.json()["id"]))["attempts"][0]["id"]


async def test_a_place_is_told_once(gateway, service, attempt):
    twice = await send(gateway, service, "trace-links", link(attempt), link(attempt))
    again = await send(
        gateway, service, "trace-links", link(attempt), link(attempt, reference="row 8")
    )
    statuses = [each["status"] for each in twice + again]
    assert statuses == ["posted", "exists", "exists", "posted"]
    assert not any(each["detail"] for each in twice + again)
    assert await gateway.scalar("select count(*) from trace_links") == 2


@pytest.mark.parametrize(
    "other", [{"amount": 1}, {"sha256": "cd" * 32}, {"sha256": None}, {"at": "2026-11-25"}]
)
async def test_what_was_told_first_stays(gateway, service, attempt, other):
    await send(gateway, service, "trace-links", link(attempt))
    (answer,) = await send(gateway, service, "trace-links", link(attempt, **other))
    assert answer["status"] == "exists"
    assert answer["detail"].startswith("was told before with another")
    assert await gateway.scalar("select encode(sha256, 'hex') from trace_links") == SHA


async def test_many_at_once_tell_it_once(gateway, service, attempt):
    lines = [link(attempt, reference=f"row {n}") for n in range(50)]
    await asyncio.gather(
        *(send(gateway, service, "trace-links", *lines[:: (-1) ** n]) for n in range(6))
    )
    assert await gateway.scalar("select count(*) from trace_links") == 50


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"attempt": ids.encode("att", ids.derived("nobody"))}, "attempt"),
        ({"attempt": "pay_00000000000000000000000000"}, "attempt"),
        ({"hop": "moon"}, "hop"),
        ({"reference": ""}, "reference"),
        ({"reference": "nul\x00"}, "reference"),
        ({"at": "2026-02-30"}, "at"),
        ({"amount": 1.5}, "amount"),
        ({"amount": 2**63}, "amount"),
        ({"sha256": "AB" * 32}, "sha256"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_line_is_refused_alone(gateway, service, attempt, wrong, param):
    answers = await send(
        gateway, service, "trace-links", link(attempt, **wrong), b"{", link(attempt)
    )
    assert [each["status"] for each in answers] == ["refused", "refused", "posted"]
    assert answers[0]["param"] == param


async def test_a_link_cannot_be_changed_or_taken_away(gateway, service, attempt):
    await send(gateway, service, "trace-links", link(attempt))
    for statement in ("update trace_links set amount_minor = 1", "delete from trace_links"):
        with pytest.raises(Exception, match="permission denied"):
            await gateway.rows(statement)
