"""The life of a break over HTTP, on PostgreSQL: people, their second pair of eyes, reconciliation
that has the last word, and money that leaves suspense once whatever comes in which order."""

import asyncio
from collections import Counter
from datetime import date
from itertools import permutations
from typing import Any
from uuid import UUID

import msgspec
import pytest

from online.breaks.shapes import BreakLine
from online.kernel import ids
from online.operations.verify import verify_books
from online.security.domain import STAFF_SCOPES, Kind, Principal
from tests.house import META
from tests.integration.test_internal_api import SERVICE, Api, break_line
from tests.integration.test_internal_api import api as api  # noqa: PLC0414 - a fixture

pytestmark = pytest.mark.anyio

MANY = 50
SUSPENSE, RECEIVABLE = "suspense:upi_hdfc", "rail:upi_hdfc:receivable"


def person(name: str) -> Principal:
    return Principal(kind=Kind.SERVICE, subject=name, scopes=STAFF_SCOPES, livemode=False)


ASHA, BALA = person("asha"), person("bala")


def found(number: int, state: str = "open", minor: int = -500, **changes: Any) -> dict[str, Any]:
    """A row that the rail does not show; so much of it is in suspense, a debit."""
    line = break_line(number, state)
    held = {"suspense": minor, "suspense_account": SUSPENSE, "suspense_cause": line["break_id"]}
    return line | held | {"at_stake": abs(minor), "cause": "late_file"} | changes


def suspense(line: dict[str, Any], kind: str = "break_suspense") -> dict[str, Any]:
    """What offline posts for the break, or takes back when it closes."""
    opened = kind != "break_reversal"
    cause, minor = line["suspense_cause"], line["suspense"] if opened else -line["suspense"]
    return {
        "cause": cause if opened else str(ids.derived(cause, "reversal")),
        "kind": kind,
        "business_date": line["business_date"],
        "reference": brk(line),
        "entries": [
            {"account": SUSPENSE, "currency": "INR", "amount": minor},
            {"account": RECEIVABLE, "currency": "INR", "amount": -minor},
        ],
    }


def brk(line: dict[str, Any]) -> str:
    return ids.encode("brk", UUID(line["break_id"]))


class Office:
    """Finance, and the offline side that it hears of breaks from."""

    def __init__(self, api: Api) -> None:
        self.api, self.calls = api, 0

    async def told(self, path: str, *lines: dict[str, Any]) -> list[str]:
        self.api.caller = SERVICE
        return [answer["status"] for answer in await self.api.lines(path, *lines)]

    async def opened(self, number: int, minor: int = -500, **changes: Any) -> dict[str, Any]:
        line = found(number, minor=minor, **changes)
        assert await self.told("postings", suspense(line)) == ["posted"]
        assert await self.told("breaks", line) == ["posted"]
        return line

    async def closed(self, line: dict[str, Any]) -> None:
        reversal = suspense(line, "break_reversal")
        assert await self.told("postings", reversal) == ["posted"]
        assert await self.told("breaks", line | {"state": "closed"}) == ["posted"]

    async def ask(
        self, who: Principal, line: dict[str, Any], path: str, body: Any = None, key: str = ""
    ) -> Any:
        self.api.caller = who
        self.calls += 1
        return await self.api.client.post(
            f"/api/v1/breaks/{brk(line)}/{path}",
            json=body,
            headers={"Idempotency-Key": key or f"call-{self.calls}"},
        )

    async def seen(self, line: dict[str, Any]) -> dict[str, Any]:
        self.api.caller = ASHA
        answer = await self.api.client.get(f"/api/v1/breaks/{brk(line)}")
        assert answer.status_code == 200, answer.text
        detail: dict[str, Any] = answer.json()
        return detail

    async def books(self) -> dict[str, int]:
        return await self.api.house.books()

    async def check(self) -> None:
        report = await verify_books(self.api.house.database.url)
        assert report.holds


@pytest.fixture
async def office(api: Api) -> Office:
    return Office(api)


async def test_from_opening_to_resolution_with_its_history(office: Office):
    line = await office.opened(1)
    assert (await office.ask(ASHA, line, "assign", {"owner": "asha"})).json()["state"] == "assigned"
    said = await office.ask(BALA, line, "comments", {"text": "the rail has been asked"})
    assert (said.status_code, said.json()["owner"]) == (201, "asha")
    body = {"explanation": "the rail netted it with another"}
    refused = await office.ask(ASHA, line, "resolve", body)
    assert (refused.status_code, refused.json()["param"]) == (422, "account")
    wrong = await office.ask(ASHA, line, "resolve", body | {"account": "merchant:x:pending"})
    assert (wrong.status_code, wrong.json()["param"]) == (422, "account")
    body |= {"account": "costs:rail:upi_hdfc"}
    done = await office.ask(ASHA, line, "resolve", body, key="one")
    assert (done.status_code, done.json()["state"]) == (200, "resolved")
    again = await office.ask(ASHA, line, "resolve", body, key="one")
    assert (again.content, again.headers["idempotent-replayed"]) == (done.content, "true")
    assert await office.books() == {RECEIVABLE: 500, "costs:rail:upi_hdfc": -500}
    detail = await office.seen(line)
    history = [(each["event_type"], each["actor"]) for each in detail["history"]]
    assert history == [
        ("break.opened", "service:svc"),
        ("break.assigned", "service:asha"),
        ("break.commented", "service:bala"),
        ("break.resolved", "service:asha"),
    ]
    assert detail["data"]["suspense"] == {
        "account": SUSPENSE,
        "amount": -500,
        "moved_to": "costs:rail:upi_hdfc",
    }
    await office.check()


async def test_little_is_written_off_alone_and_much_by_two(office: Office):
    little, much = await office.opened(1), await office.opened(2, minor=-10_001)
    alone = await office.ask(ASHA, little, "write-off", {"reason": "rounding"})
    assert (alone.status_code, alone.json()["state"]) == (200, "written_off")
    asked = await office.ask(ASHA, much, "write-off", {"reason": "uncollectible"})
    assert asked.json()["state"] == "write_off_requested"
    assert asked.json()["write_off"]["decided_by"] is None
    own = await office.ask(ASHA, much, "write-off/approve")
    assert (own.status_code, own.json()["code"]) == (403, "same_person")
    rejected = await office.ask(BALA, much, "write-off/reject", {"explanation": "ask again"})
    assert rejected.json()["state"] == "assigned"
    early = await office.ask(BALA, much, "write-off/approve")
    assert (early.status_code, early.json()["code"]) == (409, "illegal_state")
    await office.ask(ASHA, much, "write-off", {"reason": "uncollectible"})
    approved = await office.ask(BALA, much, "write-off/approve")
    assert (approved.status_code, approved.json()["state"]) == (200, "written_off")
    people = approved.json()["write_off"]
    assert (people["requested_by"], people["decided_by"]) == ("service:asha", "service:bala")
    assert await office.books() == {
        RECEIVABLE: 10_501,
        "writeoff:rounding": -500,
        "writeoff:uncollectible": -10_001,
    }
    await office.check()


@pytest.mark.parametrize("path", ["write-off", "resolve"])
async def test_the_late_row_undoes_what_people_decided_and_nothing_counts_twice(
    office: Office, path: str
):
    line = await office.opened(1)
    body = (
        {"reason": "rounding"}
        if path == "write-off"
        else {
            "explanation": "x",
            "account": "costs:rail:upi_hdfc",
        }
    )
    assert (await office.ask(ASHA, line, path, body)).status_code == 200
    await office.closed(line)
    assert await office.books() == {}
    assert (await office.seen(line))["data"]["state"] == "closed"
    # The rows disagree again: a new opening, written off again, posts again.
    again = line | {"generation": 2, "suspense_cause": str(ids.derived(line["break_id"], "2"))}
    assert await office.told("postings", suspense(again)) == ["posted"]
    assert await office.told("breaks", again) == ["posted"]
    assert (await office.ask(ASHA, line, "write-off", {"reason": "other"})).status_code == 200
    assert await office.books() == {RECEIVABLE: 500, "writeoff:other": -500}
    await office.check()


@pytest.mark.parametrize("order", list(permutations(["suspense", "opened", "reversed", "closed"])))
async def test_postings_and_findings_in_any_order_end_alike(office: Office, order: tuple[str, ...]):
    line = found(1)
    steps = {
        "suspense": ("postings", suspense(line)),
        "opened": ("breaks", line),
        "reversed": ("postings", suspense(line, "break_reversal")),
        "closed": ("breaks", line | {"state": "closed"}),
    }
    for step in (*order, *order):
        await office.told(*steps[step])
        answer = await office.ask(ASHA, line, "write-off", {"reason": "rounding"})
        assert answer.status_code in (200, 404, 409), answer.text
    assert await office.books() == {}
    assert (await office.seen(line))["data"]["state"] == "closed"
    await office.check()


async def test_money_that_is_not_there_is_not_moved(office: Office):
    line = found(1)
    await office.told("breaks", line, found(2, minor=0, suspense_account=None))
    early = await office.ask(ASHA, line, "write-off", {"reason": "rounding"})
    assert (early.status_code, early.json()["code"]) == (409, "nothing_in_suspense")
    bare = await office.ask(ASHA, found(2), "write-off", {"reason": "rounding"})
    assert (bare.status_code, bare.json()["code"]) == (409, "nothing_in_suspense")
    talked = await office.ask(ASHA, found(2), "resolve", {"explanation": "the fee is right"})
    assert (talked.status_code, talked.json()["state"]) == (200, "resolved")
    odd = await office.ask(ASHA, line, "write-off", {"reason": "because"})
    assert (odd.status_code, odd.json()["param"]) == (422, "reason")
    missing = await office.ask(ASHA, found(9), "assign", {"owner": "asha"})
    assert missing.status_code == 404


async def test_a_payer_s_money_goes_back_and_its_clock_stops(office: Office):
    house = office.api.house
    today = house.clock.now().date()
    due = today.replace(day=1)
    owed = {"tat_due_on": due.isoformat(), "tat_per_day": 10_000, "kind": "missing_internal"}
    line = await office.opened(1, minor=777, **owed)
    refused = await office.ask(ASHA, line, "write-off", {"reason": "unclaimed"})
    assert (refused.status_code, refused.json()["code"]) == (409, "owed_to_customer")
    days = (today - due).days
    tat = (await office.seen(line))["data"]["tat"]
    assert (tat["days"], tat["amount"]) == (days, days * 10_000)
    back = {"explanation": "refunded", "account": "refunds:upi_hdfc:payable"}
    assert (await office.ask(ASHA, line, "resolve", back)).status_code == 200
    assert (await office.books())["refunds:upi_hdfc:payable"] == 777


@pytest.mark.parametrize("minor", [-500, -50_000])
async def test_fifty_at_once_move_the_money_once(office: Office, minor: int):
    line = await office.opened(1, minor=minor)
    path = "write-off"
    if minor == -50_000:
        assert (await office.ask(ASHA, line, path, {"reason": "other"})).status_code == 200
        path = "write-off/approve"
    body = None if path.endswith("approve") else {"reason": "other"}
    answers = await asyncio.gather(
        *(office.ask(BALA, line, path, body, key=f"k{n % 40}") for n in range(MANY))
    )
    done = Counter(
        (answer.status_code, "idempotent-replayed" in answer.headers) for answer in answers
    )
    assert done[200, False] == 1
    assert set(done) <= {(200, False), (200, True), (409, False)}
    assert await office.books() == {RECEIVABLE: -minor, "writeoff:other": minor}
    moved = await office.api.house.rows(
        "select count(*) from ledger_transactions where kind = 'break_written_off'"
    )
    assert moved == [(1,)]
    await office.check()


async def test_writing_off_while_the_late_row_comes_ends_in_zero(office: Office):
    lines = [await office.opened(n) for n in range(1, 21)]
    office.api.caller = ASHA
    calls = [office.ask(ASHA, line, "write-off", {"reason": "other"}) for line in lines]
    service = office.api.house
    closing = service.breaks.take_in(
        [_finding(line) for line in lines], livemode=False, metadata=META
    )
    _, results = await asyncio.gather(asyncio.gather(*calls), closing)
    assert set(results) == {True}
    assert await office.told("postings", *(suspense(each, "break_reversal") for each in lines))
    assert await office.books() == {}
    await office.check()


def _finding(line: dict[str, Any]) -> Any:
    return msgspec.convert(line | {"state": "closed"}, BreakLine).finding()


async def test_the_list_by_state_owner_and_age(office: Office):
    await office.told(
        "breaks", *(found(n, owner="treasury" if n % 2 else "disputes") for n in range(1, 7))
    )
    office.api.caller = ASHA
    today = office.api.house.clock.now().date()

    async def listed(query: str) -> list[str]:
        answer = await office.api.client.get(f"/api/v1/breaks?{query}")
        assert answer.status_code == 200, answer.text
        return [each["business_date"] for each in answer.json()["data"]]

    assert len(await listed("owner=treasury")) == 3
    assert await listed("state=resolved") == []
    age = (today - date(2025, 11, 3)).days
    assert len(await listed(f"min_age={age}")) == 3
    assert len(await listed("kind=missing_external&state=open&limit=4")) == 4
