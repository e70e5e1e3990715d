"""Disputes over HTTP: a merchant's reads and evidence, a rail's callbacks and files."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from online.kernel import ids
from online.rails.domain import Rail, RailDispute
from tests.callbacks import body_of, tell
from tests.gateways import Gateway, gateway_on, settings_for

pytestmark = pytest.mark.anyio

EVIDENCE = {"explanation": "It was delivered to Asha.", "service_date": "2026-03-01"}


class TellingRail:
    """A rail that knows of the disputes it is given, and takes evidence if it likes."""

    def __init__(self, behind: Rail) -> None:
        self._behind = behind
        self.disputes: dict[str, RailDispute] = {}
        self.contested: list[tuple[str, str]] = []
        self.takes_evidence = True
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()
        self.let_go.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    async def dispute(self, reference: str) -> RailDispute | None:
        return self.disputes.get(reference)

    async def contest(self, reference: str, evidence: str) -> bool:
        self.contested.append((reference, evidence))
        self.asked.set()
        await self.let_go.wait()
        return self.takes_evidence


class Desk:
    """A gateway, its card rail, and our own offline side."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.rail = TellingRail(gateway.services.rails["card_a"])
        gateway.services.rails._rails["card_a"] = self.rail  # type: ignore[assignment]

    async def payment(self, amount: int = 1_000_00) -> Any:
        paid = await self.gateway.pay(amount, await self.gateway.card(), priority="cost")
        assert paid["rail"] == "card_a"
        return paid

    async def line(self, payment: Any, **changes: Any) -> dict[str, Any]:
        sql = "select attempt_id from payments where id = %s"
        attempt = await self.gateway.scalar(sql, ids.decode("pay", payment["id"]))
        respond_by = self.gateway.services.clock.now() + timedelta(days=7)
        return {
            "rail": "card_a",
            "reference": "CB1",
            "original_reference": ids.encode("att", attempt),
            "amount": payment["amount"],
            "currency": "INR",
            "reason_code": "10.4",
            "status": "open",
            "respond_by": respond_by.isoformat(),
        } | changes

    async def file(self, *lines: Any, token: str | None = None) -> httpx.Response:
        return await self.gateway.client.post(
            "/internal/v1/disputes",
            content=b"\n".join(json.dumps(line).encode() for line in lines),
            headers={"Authorization": f"Bearer {token or await self.token()}"},
        )

    async def token(self) -> str:
        services = self.gateway.services
        async with services.database.transaction() as tx:
            client = await services.credentials.create_client(tx, merchant_id=None, livemode=False)
        answer = await self.gateway.client.post(
            "/api/v1/auth/token",
            json={
                "client_id": client.client_id,
                "client_secret": client.client_secret,
                "grant_type": "client_credentials",
            },
        )
        return str(answer.json()["access_token"])

    async def opened(self, payment: Any | None = None, **changes: Any) -> str:
        """The id of a new dispute."""
        line = await self.line(payment or await self.payment(), **changes)
        (answer,) = [json.loads(row) for row in (await self.file(line)).text.splitlines()]
        assert answer["status"] == "posted", answer
        return str(answer["dispute"])

    def tell(self, line: dict[str, Any]) -> None:
        self.rail.disputes[line["reference"]] = RailDispute(
            reference=line["reference"],
            original_reference=line["original_reference"],
            amount_minor=line["amount"],
            currency=line["currency"],
            reason_code=line["reason_code"],
            status=line["status"],
            respond_by=self.gateway.services.clock.now() + timedelta(days=7),
        )

    async def told(self, reference: str, status: str = "open") -> httpx.Response:
        """The rail says that there is news of a dispute."""
        body = body_of(reference, status, type="dispute")
        return await tell(self.gateway.services, self.gateway.client, "card_a", body)


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    settings = settings_for(database_url, tmp_path, KHATA_SANDBOX__TEST_CLOCK="true")
    async with gateway_on(settings) as gateway:
        yield Desk(gateway)


async def test_a_merchant_reads_what_was_opened(desk: Desk):
    payment = await desk.payment()
    id_ = await desk.opened(payment)
    answer = await desk.gateway.get(f"/disputes/{id_}")
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"v1"'
    shown = answer.json()
    assert shown["respond_by"] > shown["created_at"]
    assert {k: v for k, v in shown.items() if not k.endswith(("_at", "respond_by"))} == {
        "id": id_,
        "payment": payment["id"],
        "amount": 1_000_00,
        "currency": "INR",
        "status": "needs_response",
        "reason": "fraudulent",
        "reason_code": "10.4",
        "evidence": None,
        "fee": 0,
        "tax": 0,
        "rail": "card_a",
        "rail_reference": "CB1",
        "livemode": False,
    }


async def test_nobody_else_sees_it(desk: Desk):
    id_ = await desk.opened()
    other = await desk.gateway.another_merchant()
    assert (await other.get(f"/disputes/{id_}")).status_code == 404
    assert (await other.post(f"/disputes/{id_}/evidence", EVIDENCE)).status_code == 404
    assert (await other.get("/disputes")).json()["data"] == []
    assert (await desk.gateway.get("/disputes/dsp_nonsense")).status_code == 404
    unsigned = await desk.gateway.client.get(f"/api/v1/disputes/{id_}")
    assert unsigned.status_code == 401


async def test_the_list_pages_and_filters(desk: Desk):
    first, second = await desk.payment(), await desk.payment()
    made = [await desk.opened(first, reference=f"A{n}", amount=100) for n in range(3)]
    made.append(await desk.opened(second, reference="B1", status="lost"))

    async def listed(query: str) -> tuple[list[str], bool]:
        answer = await desk.gateway.get(f"/disputes{query}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert (page["object"], page["url"]) == ("list", "/api/v1/disputes")
        return [each["id"] for each in page["data"]], page["has_more"]

    newest = made[::-1]
    assert await listed("") == (newest, False)
    assert await listed("?limit=3") == (newest[:3], True)
    assert await listed(f"?limit=3&starting_after={newest[2]}") == (newest[3:], False)
    assert await listed("?status=lost") == (newest[:1], False)
    assert await listed(f"?payment={first['id']}") == (newest[1:], False)
    assert await listed(f"?payment={first['id']}&status=won") == ([], False)
    for bad in ("?status=open", "?payment=pay_x", "?limit=0", "?starting_after=pay_x"):
        answer = await desk.gateway.get(f"/disputes{bad}")
        assert answer.status_code == 422, bad
        assert answer.headers["content-type"] == "application/problem+json"


async def test_evidence_goes_to_the_bank_and_a_replay_says_the_same(desk: Desk):
    id_ = await desk.opened()
    first = await desk.gateway.post(f"/disputes/{id_}/evidence", EVIDENCE, key="e1")
    assert first.status_code == 200, first.text
    shown = first.json()
    assert shown["status"] == "under_review"
    assert shown["evidence"]["sent_at"] is not None
    assert first.headers["etag"] == '"v3"'
    ((reference, text),) = desk.rail.contested
    assert (reference, json.loads(text)) == ("CB1", EVIDENCE)
    again = await desk.gateway.post(f"/disputes/{id_}/evidence", EVIDENCE, key="e1")
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(desk.rail.contested) == 1
    other = await desk.gateway.post(f"/disputes/{id_}/evidence", {"explanation": "x"}, key="e1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    second = await desk.gateway.post(f"/disputes/{id_}/evidence", EVIDENCE)
    assert (second.status_code, second.json()["code"]) == (409, "illegal_state")


async def test_evidence_that_waits_for_the_bank_is_shown_as_waiting(desk: Desk):
    desk.rail.takes_evidence = False
    id_ = await desk.opened()
    answer = await desk.gateway.post(f"/disputes/{id_}/evidence", EVIDENCE)
    assert answer.status_code == 200
    assert answer.json()["evidence"]["sent_at"] is None
    desk.rail.takes_evidence = True
    desk.gateway.later(timedelta(minutes=6))
    assert await desk.gateway.services.disputes.send_due() == 1
    shown = (await desk.gateway.get(f"/disputes/{id_}")).json()
    assert shown["evidence"]["sent_at"] is not None


async def test_a_retry_while_the_bank_thinks_sends_nothing(desk: Desk):
    path = f"/disputes/{await desk.opened()}/evidence"
    desk.rail.let_go.clear()
    first = asyncio.create_task(desk.gateway.post(path, EVIDENCE, key="e1"))
    await desk.rail.asked.wait()
    retry = await desk.gateway.post(path, EVIDENCE, key="e1")
    assert (retry.status_code, retry.json()["code"]) == (409, "idempotency_in_flight")
    desk.gateway.later(timedelta(minutes=2))  # as if the first call had died
    retry = await desk.gateway.post(path, EVIDENCE, key="e1")
    assert (retry.status_code, retry.headers["idempotent-replayed"]) == (200, "true")
    assert retry.json()["evidence"]["sent_at"] is None
    desk.rail.let_go.set()
    assert (await first).json()["evidence"]["sent_at"] is not None
    assert len(desk.rail.contested) == 1


async def test_evidence_in_time(desk: Desk):
    id_ = await desk.opened()
    desk.gateway.later(timedelta(days=7))
    await desk.gateway.sign_in()  # the access token is older than that
    answer = await desk.gateway.post(f"/disputes/{id_}/evidence", EVIDENCE)
    assert (answer.status_code, answer.json()["code"]) == (409, "evidence_late")
    assert desk.rail.contested == []


async def test_evidence_decided_on_another_version_is_refused(desk: Desk):
    id_ = await desk.opened()
    path, stale = f"/disputes/{id_}/evidence", {"If-Match": '"v7"'}
    answer = await desk.gateway.post(path, EVIDENCE, headers=stale)
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    answer = await desk.gateway.post(path, EVIDENCE, key="k", headers={"If-Match": '"v1"'})
    assert answer.status_code == 200
    # A repeated call names the version it was decided on, which is not the one of now.
    answer = await desk.gateway.post(path, EVIDENCE, key="k", headers={"If-Match": '"v1"'})
    assert (answer.status_code, answer.headers["idempotent-replayed"]) == (200, "true")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"explanation": None},
        {"explanation": ""},
        {"explanation": "x" * 20_001},
        {"explanation": "a\u0000b"},
        {"shipping_tracking": 7},
        {"service_date": "yesterday"},
        {"never": "heard of"},
    ],
    ids=str,
)
async def test_evidence_that_is_none_is_refused_by_field(desk: Desk, body: dict[str, Any]):
    id_ = await desk.opened()
    answer = await desk.gateway.post(f"/disputes/{id_}/evidence", body)
    assert answer.status_code == 422
    assert answer.json()["param"] == next(iter(body), "explanation")
    assert (await desk.gateway.get(f"/disputes/{id_}")).json()["status"] == "needs_response"


async def test_evidence_needs_a_key(desk: Desk):
    id_ = await desk.opened()
    answer = await desk.gateway.post(f"/disputes/{id_}/evidence", EVIDENCE, key=None)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


async def test_a_file_answers_line_by_line(desk: Desk):
    payment = await desk.payment()
    line = await desk.line(payment)
    bad = [
        line | {"amount": "100"},
        line | {"reference": "../../refund"},
        line | {"respond_by": "2026-03-01T00:00:00"},
        line | {"reference": "CB2", "original_reference": "att_x"},
    ]
    answer = await desk.file(line, *bad, line | {"status": "lost"}, line | {"status": "won"}, line)
    assert answer.status_code == 200
    rows = [json.loads(row) for row in answer.text.splitlines()]
    assert [(row["status"], row["state"], row["param"]) for row in rows] == [
        ("posted", "needs_response", None),
        ("refused", None, "amount"),
        ("refused", None, "reference"),
        ("refused", None, "respond_by"),
        ("refused", None, "original_reference"),
        ("posted", "lost", None),
        ("conflict", "lost", None),
        ("exists", "lost", None),
    ]
    assert len({row["dispute"] for row in rows if row["dispute"]}) == 1
    shown = (await desk.gateway.get(f"/disputes/{rows[0]['dispute']}")).json()
    assert (shown["fee"], shown["tax"]) == (500_00, 90_00)


async def test_a_file_is_for_the_service_alone(desk: Desk):
    line = await desk.line(await desk.payment())
    merchants = desk.gateway._headers["Authorization"].removeprefix("Bearer ")
    assert (await desk.file(line, token=merchants)).status_code == 403
    assert await desk.gateway.scalar("select count(*) from disputes") == 0


async def test_a_callback_makes_us_ask_and_twenty_make_one_dispute(desk: Desk):
    payment = await desk.payment()
    line = await desk.line(payment)
    assert (await desk.told("CB1")).status_code == 202
    assert await desk.gateway.scalar("select count(*) from disputes") == 0
    desk.tell(line)
    answers = await asyncio.gather(
        *(desk.told("CB1") for _ in range(20)), *(desk.file(line) for _ in range(5))
    )
    assert {answer.status_code for answer in answers} == {200, 202}
    assert await desk.gateway.scalar("select count(*) from disputes") == 1
    desk.tell(line | {"status": "won"})
    # What it says of the dispute is not believed: the rail is asked.
    assert (await desk.told("CB1", "lost")).status_code == 202
    shown = (await desk.gateway.get("/disputes")).json()["data"]
    assert [each["status"] for each in shown] == ["won"]
