"""The internal API, statements and breaks over HTTP, on PostgreSQL."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.di import Provide

from online.breaks import routes as breaks_routes
from online.kernel import ids
from online.kernel.clock import business_date
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.change import Change
from online.ledger.journal import Journal
from online.ledger.recipes import Tax
from online.platform.http import HttpPlugin, wrap
from online.postings import routes as postings_routes
from online.refunds import routes as refunds_routes
from online.security.domain import (
    ADMIN_SCOPES,
    MERCHANT_SCOPES,
    OPT,
    SERVICE_SCOPES,
    Access,
    Kind,
    Principal,
)
from online.settlements import routes as settlements_routes
from online.statements import routes as statements_routes
from online.work import routes as work_routes
from tests.fakes import APPROVED, UNKNOWN
from tests.house import META, House, house_on, pending_code

pytestmark = pytest.mark.anyio

SERVICE = Principal(kind=Kind.SERVICE, subject="svc", scopes=SERVICE_SCOPES, livemode=False)
ADMIN = Principal(kind=Kind.ADMIN, subject="admin", scopes=ADMIN_SCOPES, livemode=False)
MODULES = (
    breaks_routes,
    postings_routes,
    refunds_routes,
    settlements_routes,
    statements_routes,
    work_routes,
)


class Api:
    """The routes behind a gate that lets in whoever `caller` says."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.caller = SERVICE
        given: dict[str, object] = {
            "clock": house.clock,
            "refunds": house.refunds,
            "settlements": house.settlements,
            "statements": house.statements,
            "postings": house.postings,
            "breaks": house.breaks,
            "workflow": house.break_workflow,
            "work": house.work,
        }
        routers = [
            router
            for module in MODULES
            for name in ("router", "internal_router")
            if (router := getattr(module, name, None)) is not None
        ]
        dependencies = {name: _given(value) for name, value in given.items()}
        dependencies["principal"] = Provide(lambda: self.caller, sync_to_thread=False)
        app = Litestar(routers, dependencies=dependencies, plugins=[HttpPlugin()])
        # On the loop of the house itself, whose connections and writer live there.
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=wrap(app)),  # type: ignore[arg-type]
            base_url="http://khata",
        )

    def as_merchant(self, merchant_id: UUID) -> None:
        self.caller = Principal(
            kind=Kind.MERCHANT,
            subject="client",
            scopes=MERCHANT_SCOPES,
            livemode=False,
            merchant_id=merchant_id,
        )

    async def lines(self, path: str, *lines: object) -> list[dict[str, Any]]:
        body = b"\n".join(
            line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines
        )
        response = await self.client.post(
            f"/internal/v1/{path}",
            content=body,
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("application/x-ndjson")
        return [json.loads(line) for line in response.text.splitlines()]


def _given(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with house_on(database_url) as house:
        built = Api(house)
        async with built.client:
            yield built


def test_internal_routes_are_for_the_service_alone():
    for module in MODULES:
        for name in ("router", "internal_router"):
            router = getattr(module, name, None)
            for route in router.routes if router else ():
                for handler in getattr(route, "route_handlers", ()):
                    if handler.http_methods == {"OPTIONS"}:
                        continue
                    access: Access = handler.opt[OPT]
                    if route.path.startswith("/internal/v1"):
                        assert access.scopes == SERVICE_SCOPES, route.path
                    assert not access.public, route.path


# ── postings ─────────────────────────────────────────────────────────────────────────────


def posting(number: int, kind: str = "bank_credit", **changes: Any) -> dict[str, Any]:
    return {
        "cause": str(UUID(int=number)),
        "kind": kind,
        "business_date": "2025-11-17",
        "reference": f"S{number}",
        "metadata": {"rail": "upi_hdfc"},
        "entries": [
            {"account": "bank:hdfc", "currency": "INR", "amount": -976, "layer": "posted"},
            {"account": "rail:upi_hdfc:in_transit", "currency": "INR", "amount": 976},
        ],
        **changes,
    }


async def test_postings_post_once_by_cause_and_kind(api: Api):
    first = await api.lines("postings", posting(1), posting(2), posting(1))
    assert [answer["status"] for answer in first] == ["posted", "posted", "exists"]
    again = await api.lines("postings", posting(2), posting(3))
    assert [(answer["cause"], answer["status"]) for answer in again] == [
        (str(UUID(int=2)), "exists"),
        (str(UUID(int=3)), "posted"),
    ]
    assert await api.house.books() == {
        "bank:hdfc": -3 * 976,
        "rail:upi_hdfc:in_transit": 3 * 976,
    }
    ((reference, metadata, day),) = await api.house.rows(
        "select reference, metadata, business_date::text from ledger_transactions where cause = %s",
        UUID(int=3),
    )
    assert (reference, metadata, day) == ("S3", {"rail": "upi_hdfc"}, "2025-11-17")
    await api.house.check_books()


@pytest.mark.parametrize(
    ("bad", "param"),
    [
        (posting(9, kind="capture"), "kind"),
        (posting(9, cause="x"), "cause"),
        (posting(9, business_date="yesterday"), "business_date"),
        (posting(9, business_date="2999-01-01"), "business_date"),
        (posting(9, surprise=1), "surprise"),
        (posting(9, entries=[]), "entries"),
        (
            posting(
                9,
                entries=[
                    {"account": "bank:hdfc", "currency": "INR", "amount": -976.5},
                    {"account": "rail:upi_hdfc:in_transit", "currency": "INR", "amount": 976},
                ],
            ),
            "entries[0].amount",
        ),
        (
            posting(
                9,
                entries=[
                    {"account": "bank:hdfc", "currency": "INR", "amount": -1, "layer": "pending"},
                    {"account": "rail:upi_hdfc:in_transit", "currency": "INR", "amount": 1},
                ],
            ),
            "entries[0].layer",
        ),
        (b"{not json", None),
        (b"[]", None),
    ],
)
async def test_a_bad_line_is_refused_by_itself(api: Api, bad, param):
    answers = await api.lines("postings", posting(1), bad, posting(2))
    assert [answer["status"] for answer in answers] == ["posted", "refused", "posted"]
    assert answers[1]["param"] == param
    assert answers[1]["detail"]


async def test_a_merchants_account_is_never_moved_from_outside(api: Api):
    merchant = await api.house.merchant()
    await api.house.pay(merchant, 10_000)
    before = await api.house.books()
    entries = [
        {"account": "bank:hdfc", "currency": "INR", "amount": -1},
        {"account": pending_code(merchant.id), "currency": "INR", "amount": 1},
    ]
    (answer,) = await api.lines("postings", posting(1, entries=entries))
    assert (answer["status"], answer["param"]) == ("refused", "entries[1].account")
    assert await api.house.books() == before


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "application/x-ndjson", 400),
        (b"\n\n", "application/x-ndjson", 400),
        (b"{}", "text/plain", 415),
    ],
)
async def test_a_body_that_is_no_ndjson(api: Api, body, content_type, status):
    for path in ("postings", "breaks", "settlement-batches"):
        response = await api.client.post(
            f"/internal/v1/{path}", content=body, headers={"Content-Type": content_type}
        )
        assert response.status_code == status, response.text


async def test_a_bulk_call_may_be_larger_than_a_merchants(api: Api):
    lines = [posting(n, reference="S" * 200) for n in range(1, 501)]
    answers = await api.lines("postings", *lines)
    assert {answer["status"] for answer in answers} == {"posted"}
    assert len(answers) == 500


# ── settlement batches ───────────────────────────────────────────────────────────────────


async def test_batches_over_http(api: Api):
    merchant = await api.house.merchant()
    await api.house.pay(merchant, 10_000)
    day = business_date(api.house.clock.now())
    api.house.clock.advance(timedelta(days=1))
    line = {
        "merchant_id": ids.encode("mrc", merchant.id),
        "business_date": day.isoformat(),
        "currency": "INR",
        "gross": 10_000,
        "refunds": 0,
        "fees": 0,
        "tax": 0,
        "reserve": 0,
        "net": 10_000,
        "count": 1,
        "snapshot": 3,
    }
    wrong = {**line, "gross": 10_001, "net": 10_001}
    strange = {**line, "merchant_id": "mrc_nobody"}
    answers = await api.lines("settlement-batches", wrong, strange, {**line, "reserve": 1}, line)
    assert [answer["status"] for answer in answers] == [*["refused"] * 3, "accepted"]
    assert answers[0]["difference"] == 1
    assert [answer["param"] for answer in answers[1:3]] == ["merchant_id", "reserve"]
    (again,) = await api.lines("settlement-batches", line)
    assert again == {**answers[3], "status": "exists"}
    api.as_merchant(merchant.id)
    shown = (await api.client.get(f"/api/v1/settlements/{again['settlement_id']}")).json()
    assert (shown["status"], shown["net"]) == ("paid", 10_000)
    assert shown["utr"] == APPROVED.rail_reference
    schedule = (await api.client.get("/api/v1/settlements/schedule")).json()
    found = {each["business_date"]: each for each in schedule["items"]}
    assert [s["id"] for s in found[day.isoformat()]["settlements"]] == [again["settlement_id"]]


async def test_a_batch_says_what_disputes_took_and_may_be_negative_in_every_part(api: Api):
    """A capture of the day before is undone, and a dispute is won that day and another opened."""
    merchant = await api.house.merchant()
    pending = chart.merchant_pending(merchant.id)
    now = api.house.clock.now()
    day = business_date(now)
    moves = {
        "reversal": recipes.reversal("card_a", pending, 10_000, 200, Tax(igst_minor=36)),
        "dispute_opened": recipes.dispute_opened(merchant.id, pending, 3_000),
        "dispute_won": recipes.dispute_won(merchant.id, pending, 5_000),
    }
    journals = tuple(
        Journal(
            cause=ids.new(now),
            kind=kind,
            currency="INR",
            postings=legs,
            business_date=day,
            effective_at=now,
            livemode=False,
            merchant_id=merchant.id,
            forced=True,
        )
        for kind, legs in moves.items()
    )
    await api.house.writer.submit(Change(journals=journals))
    api.house.clock.advance(timedelta(days=1))
    line = {
        "merchant_id": ids.encode("mrc", merchant.id),
        "business_date": day.isoformat(),
        "currency": "INR",
        "gross": -10_000,
        "refunds": 0,
        "disputes": -2_000,
        "fees": -200,
        "tax": -36,
        "net": -7_764,
        "count": 3,
    }
    wrong = {**line, "disputes": 0, "net": -9_764}
    answers = await api.lines("settlement-batches", wrong, line)
    assert [answer["status"] for answer in answers] == ["refused", "accepted"]
    assert "disputes by 2000" in answers[0]["detail"]
    api.as_merchant(merchant.id)
    shown = (await api.client.get(f"/api/v1/settlements/{answers[1]['settlement_id']}")).json()
    assert {name: shown[name] for name in ("gross", "disputes", "fees", "tax", "net")} == {
        name: line[name] for name in ("gross", "disputes", "fees", "tax", "net")
    }


async def test_asking_for_a_settlement(api: Api):
    merchant, other = await api.house.merchant(), await api.house.merchant()
    mine, theirs = ids.encode("mrc", merchant.id), ids.encode("mrc", other.id)
    day = business_date(api.house.clock.now()) - timedelta(days=1)
    body = {"date": day.isoformat(), "type": "daily", "merchants": ["all"]}
    api.as_merchant(merchant.id)
    first = await api.client.post("/api/v1/settlements", json=body)
    assert first.status_code == 202
    assert first.json()["merchants"] == [mine]  # all that the credentials are for
    again = await api.client.post("/api/v1/settlements", json={**body, "merchants": [mine]})
    assert again.json() == first.json()
    refused = await api.client.post("/api/v1/settlements", json={**body, "merchants": [theirs]})
    assert refused.status_code == 403
    api.caller = ADMIN
    api.house.clock.advance(timedelta(seconds=1))
    everybody = await api.client.post("/api/v1/settlements", json=body)
    assert everybody.json()["merchants"] == ["all"]
    api.caller = SERVICE
    claimed = await api.client.post("/internal/v1/work/claim", json={"kinds": ["settlement"]})
    items = claimed.json()["items"]
    assert [item["id"] for item in items] == [first.json()["id"], everybody.json()["id"]]
    assert items[0]["params"] == {"date": day.isoformat(), "type": "daily", "merchants": [mine]}
    done = await api.client.post(
        f"/internal/v1/work/{items[0]['id']}/done", json={"state": "done", "run_id": "7"}
    )
    assert (done.status_code, done.json()["state"]) == (200, "done")
    nothing = await api.client.post(
        f"/internal/v1/work/{ids.encode('wrk', UUID(int=3))}/done", json={}
    )
    assert nothing.status_code == 404


# ── statements ───────────────────────────────────────────────────────────────────────────


async def test_a_statement_from_asking_to_fetching(api: Api):
    merchant = await api.house.merchant()
    api.as_merchant(merchant.id)
    today = business_date(api.house.clock.now()).isoformat()
    wanted = {
        "merchant_id": ids.encode("mrc", merchant.id),
        "start_date": today,
        "end_date": today,
        "format": "csv",
    }
    asked = await api.client.post("/api/v1/statements/generate", json=wanted)
    assert (asked.status_code, asked.json()["status"]) == (202, "queued")
    path = f"/api/v1/statements/{asked.json()['id']}"
    assert (await api.client.get(f"{path}/file")).status_code == 404
    api.caller = SERVICE
    claimed = await api.client.post("/internal/v1/work/claim", json={"kinds": ["statement"]})
    (item,) = claimed.json()["items"]
    assert item["params"] == {**wanted, "statement_id": asked.json()["id"]}
    content = b"date,amount\n"
    delivery = {
        **item["params"],
        "sha256": hashlib.sha256(content).hexdigest(),
        "snapshot": 12,
        "content_base64": base64.b64encode(content).decode(),
    }
    for status in ("stored", "exists"):
        delivered = await api.client.post("/internal/v1/statements", json=delivery)
        assert delivered.json()["status"] == status
    await api.client.post(f"/internal/v1/work/{item['id']}/done", json={"state": "done"})
    api.as_merchant(merchant.id)
    shown = (await api.client.get(path)).json()
    assert (shown["status"], shown["sha256"]) == ("ready", delivery["sha256"])
    file = await api.client.get(shown["file"])
    assert file.content == content
    assert file.headers["content-type"].startswith("text/csv")
    assert "attachment" in file.headers["content-disposition"]
    assert (await api.client.post("/api/v1/statements/generate", json=wanted)).json() == shown
    api.as_merchant((await api.house.merchant()).id)
    for forbidden in (path, f"{path}/file"):
        assert (await api.client.get(forbidden)).status_code == 404


async def test_a_statement_with_another_hash_is_refused(api: Api):
    merchant = await api.house.merchant()
    content = b"%PDF"
    delivery = {
        "statement_id": ids.encode("stm", UUID(int=8)),
        "merchant_id": ids.encode("mrc", merchant.id),
        "start_date": "2025-11-01",
        "end_date": "2025-11-30",
        "format": "pdf",
        "sha256": hashlib.sha256(b"other").hexdigest(),
        "content_base64": base64.b64encode(content).decode(),
    }
    refused = await api.client.post("/internal/v1/statements", json=delivery)
    assert (refused.status_code, refused.json()["param"]) == (422, "sha256")
    delivery["sha256"] = hashlib.sha256(content).hexdigest()
    assert (await api.client.post("/internal/v1/statements", json=delivery)).status_code == 200
    changed = base64.b64encode(b"%PDF-2").decode()
    delivery |= {"sha256": hashlib.sha256(b"%PDF-2").hexdigest(), "content_base64": changed}
    conflict = await api.client.post("/internal/v1/statements", json=delivery)
    assert conflict.status_code == 409


@pytest.mark.parametrize(
    ("days", "param"), [((0, -1), "end_date"), ((0, 1), "end_date")], ids=["turned", "future"]
)
async def test_periods_that_make_no_sense(api: Api, days, param):
    merchant = await api.house.merchant()
    api.as_merchant(merchant.id)
    today = business_date(api.house.clock.now())
    start, end = (today + timedelta(days=n) for n in days)
    body = {
        "merchant_id": ids.encode("mrc", merchant.id),
        "start_date": start.isoformat(),
        "end_date": end.isoformat(),
        "format": "pdf",
    }
    refused = await api.client.post("/api/v1/statements/generate", json=body)
    assert (refused.status_code, refused.json()["param"]) == (422, param)


# ── breaks ───────────────────────────────────────────────────────────────────────────────


def break_line(number: int, state: str = "open", **changes: Any) -> dict[str, Any]:
    return {
        "break_id": str(ids.derived("missing_external", str(number))),
        "kind": "missing_external",
        "side": "rail",
        "rail": "upi_hdfc",
        "reference": f"att_{number}",
        "row_ids": [f"row{number}"],
        "expected": 500,
        "actual": 0,
        "currency": "INR",
        "business_date": f"2025-11-{number:02d}",
        "reason": "no row in the file",
        "state": state,
        **changes,
    }


async def test_breaks_open_close_and_open_again_by_generation(api: Api):
    history = [break_line(1), break_line(1, "closed"), break_line(1, generation=2)]
    assert [a["status"] for a in await api.lines("breaks", *history[:1])] == ["posted"]
    statuses = [a["status"] for a in await api.lines("breaks", *history)]
    assert statuses == ["exists", "posted", "posted"]
    assert {a["status"] for a in await api.lines("breaks", *history)} == {"exists"}
    shown = (await api.client.get("/api/v1/breaks?state=open")).json()
    assert [each["state"] for each in shown["data"]] == ["open"]
    events = await api.house.rows(
        "select event_type, version from payment_events where aggregate_type = 'break' order by 2"
    )
    assert events == [("break.opened", 1), ("break.closed", 2), ("break.opened", 3)]


async def test_a_bad_break_is_refused_by_itself(api: Api):
    answers = await api.lines("breaks", break_line(1, kind="odd"), break_line(2))
    assert [answer["status"] for answer in answers] == ["refused", "posted"]
    assert answers[0]["param"] == "kind"


async def test_finance_pages_through_breaks(api: Api):
    await api.lines("breaks", *(break_line(n) for n in range(1, 6)))
    api.caller = ADMIN
    seen: list[str] = []
    after = ""
    for _ in range(3):
        page = (await api.client.get(f"/api/v1/breaks?limit=2{after}")).json()
        seen += [each["business_date"] for each in page["data"]]
        after = f"&starting_after={page['data'][-1]['id']}"
    assert seen == [f"2025-11-{n:02d}" for n in range(5, 0, -1)]
    assert page["has_more"] is False
    assert (await api.client.get("/api/v1/breaks?limit=0")).status_code == 422
    assert (await api.client.get("/api/v1/breaks?starting_after=x")).status_code == 422


# ── refunds ──────────────────────────────────────────────────────────────────────────────


async def test_a_refund_over_http_and_its_replay(api: Api):
    house = api.house
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    api.as_merchant(merchant.id)
    body = {"payment": ids.encode("pay", payment.id), "reason": "wrong size"}

    async def post(key: str | None, **changes: Any):
        headers = {"Idempotency-Key": key} if key else {}
        return await api.client.post("/api/v1/refunds", json={**body, **changes}, headers=headers)

    missing = await post(None)
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_missing")
    first = await post("one")
    assert (first.status_code, first.json()["status"]) == (201, "succeeded")
    assert first.json()["amount"] == 10_000
    replay = await post("one")
    assert (replay.status_code, replay.content) == (201, first.content)
    assert replay.headers["idempotent-replayed"] == "true"
    reused = await post("one", amount=1)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    over = await post("two")
    assert (over.status_code, over.json()["code"]) == (422, "over_refund")
    shown = await api.client.get(f"/api/v1/refunds/{first.json()['id']}")
    assert shown.json() == first.json()
    api.as_merchant((await house.merchant()).id)
    assert (await api.client.get(f"/api/v1/refunds/{first.json()['id']}")).status_code == 404
    assert (await post("three")).status_code == 404


async def test_an_open_refund_is_accepted_and_a_retry_reads_it(api: Api):
    house = api.house
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    api.as_merchant(merchant.id)
    house.rails["upi_hdfc"].next.append(UNKNOWN)
    body = {"payment": ids.encode("pay", payment.id), "amount": 6_000}
    headers = {"Idempotency-Key": "one"}
    first = await api.client.post("/api/v1/refunds", json=body, headers=headers)
    assert (first.status_code, first.json()["status"]) == (202, "unknown")
    house.rails["upi_hdfc"].enquiries.append(APPROVED)
    await house.refunds.resolve(await house.open_attempt("refund"), META)
    retry = await api.client.post("/api/v1/refunds", json=body, headers=headers)
    assert (retry.status_code, retry.json()["status"]) == (201, "succeeded")
    assert retry.json()["id"] == first.json()["id"]
    assert await house.count("refunds") == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"payment": "pay_x"}, "payment"),
        ({"payment": "rfd_01h455vb4pex5vsknk084sn02q"}, "payment"),
        ({}, "payment"),
        ({"payment": "pay_01h455vb4pex5vsknk084sn02q", "amount": 0}, "amount"),
        ({"payment": "pay_01h455vb4pex5vsknk084sn02q", "amount": 2**63}, "amount"),
        ({"payment": "pay_01h455vb4pex5vsknk084sn02q", "amount": "1"}, "amount"),
        ({"payment": "pay_01h455vb4pex5vsknk084sn02q", "note": "x"}, "note"),
    ],
)
async def test_bad_refund_requests_name_the_field(api: Api, body, param):
    api.as_merchant((await api.house.merchant()).id)
    response = await api.client.post(
        "/api/v1/refunds", json=body, headers={"Idempotency-Key": "one"}
    )
    assert response.status_code == 422
    assert response.json().get("param") == param
