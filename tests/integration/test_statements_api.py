"""Statements over HTTP, on PostgreSQL: numbers without gaps, editions, lists and files."""

import asyncio
import base64
import hashlib
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from online.kernel import ids
from online.kernel.clock import business_date
from tests.integration.test_internal_api import ADMIN, SERVICE, Api, api

pytestmark = pytest.mark.anyio
__all__ = ["api"]
DAY = date(2025, 10, 1)


def line(merchant: UUID, days: int = 0, *, books: str = "a", snapshot: int = 10) -> dict[str, Any]:
    day = (DAY + timedelta(days=days)).isoformat()
    return {
        "merchant_id": ids.encode("mrc", merchant),
        "start_date": day,
        "end_date": day,
        "currency": "INR",
        "snapshot": snapshot,
        "books_sha256": hashlib.sha256(books.encode()).hexdigest(),
    }


async def number(api: Api, *lines: object) -> list[dict[str, Any]]:
    api.caller = SERVICE
    return await api.lines("statement-numbers", *lines)


def said(answers: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    editions = [(each["status"], each["edition"]) for each in answers]
    return [(status, found["number"], found["edition"]) for status, found in editions]


async def test_periods_are_numbered_without_a_gap(api: Api) -> None:
    one, other = [(await api.house.merchant()).id for _ in range(2)]
    # In the order of their days, whatever order they are asked in.
    answers = await number(api, line(one, 2), line(one, 1), line(other, 1), line(one, 2))
    assert said(answers) == [
        ("issued", 2, 1),
        ("issued", 1, 1),
        ("issued", 1, 1),
        ("issued", 2, 1),
    ]
    again = await number(api, line(one, 1), line(one, 3), line(other, 1))
    assert said(again) == [("exists", 1, 1), ("issued", 3, 1), ("exists", 1, 1)]
    assert again[0]["edition"] == answers[1]["edition"]


async def test_other_books_read_later_are_a_new_edition(api: Api) -> None:
    merchant = (await api.house.merchant()).id
    (first,) = await number(api, line(merchant))
    assert first["replaces"] is None
    # Read later, they say the same: the edition that is there, with its own snapshot.
    (same,) = await number(api, line(merchant, snapshot=11))
    assert (same["status"], same["edition"]) == ("exists", first["edition"])
    (second,) = await number(api, line(merchant, books="b", snapshot=12))
    assert said([second]) == [("issued", 1, 2)]
    assert second["replaces"] == first["edition"]
    # A slow run that read before it does not bring the old books back.
    (late,) = await number(api, line(merchant, books="a", snapshot=11))
    assert (said([late]), late["replaces"]) == ([("exists", 1, 2)], first["edition"])


async def test_a_line_that_cannot_be_numbered_stops_no_other(api: Api) -> None:
    merchant = (await api.house.merchant()).id
    wrong = {**line(merchant), "end_date": "2025-09-01"}
    answers = await number(api, wrong, line(UUID(int=7)), {"x": 1}, line(merchant))
    assert [each["status"] for each in answers] == ["refused", "refused", "refused", "issued"]
    assert answers[0]["param"] == "end_date"
    assert answers[3]["edition"]["number"] == 1


async def test_numbers_that_are_asked_for_at_once_are_all_different(api: Api) -> None:
    merchant = (await api.house.merchant()).id
    asked = [[line(merchant, n) for n in range(k, k + 5)] for k in range(0, 40, 2)]
    answers = await asyncio.gather(*(number(api, *lines) for lines in asked))
    numbers = {each["start_date"]: each["edition"]["number"] for group in answers for each in group}
    assert sorted(numbers.values()) == list(range(1, len(numbers) + 1))
    new = [each for group in answers for each in group if each["status"] == "issued"]
    assert len(new) == len(numbers)
    # Many that bring new books of one period at once: editions without a gap, too.
    tries = [line(merchant, books=str(n), snapshot=20 + n) for n in range(10)]
    raced = await asyncio.gather(*(number(api, each) for each in tries))
    editions = {each[0]["edition"]["edition"] for each in raced}
    assert editions <= set(range(2, 12))
    assert max(editions) - 1 == sum(each[0]["status"] == "issued" for each in raced)


async def test_the_database_keeps_what_was_issued(api: Api) -> None:
    merchant = (await api.house.merchant()).id
    await number(api, line(merchant))
    for change in ("update statement_issues set number = 9", "delete from statement_issues"):
        with pytest.raises(psycopg.Error):
            async with api.house.database.connection() as connection:
                await connection.execute(change)


def delivery(
    wanted: dict[str, Any], content: bytes, numbered: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        **wanted,
        "sha256": hashlib.sha256(content).hexdigest(),
        "snapshot": 10,
        "numbered": numbered,
        "content_base64": base64.b64encode(content).decode(),
    }


async def deliver(api: Api, item: dict[str, Any], books: str, content: bytes) -> dict[str, Any]:
    """What the pipeline does with one request; a known edition is not sent."""
    fields = {name: item[name] for name in ("merchant_id", "start_date", "end_date")}
    sha256 = hashlib.sha256(books.encode()).hexdigest()
    snapshot = 10 if books == "a" else 11
    (told,) = await number(api, {**fields, "snapshot": snapshot, "books_sha256": sha256})
    edition = told["edition"]
    newer_than = item.pop("newer_than", 0)
    if edition["edition"] > newer_than:
        about = {"number": edition["number"], "edition": edition["edition"]}
        body = delivery(item, content, {**about, "content_sha256": sha256})
        assert (await api.client.post("/internal/v1/statements", json=body)).status_code == 200
    return edition


async def claimed(api: Api) -> list[dict[str, Any]]:
    api.caller = SERVICE
    found = await api.client.post("/internal/v1/work/claim", json={"kinds": ["statement"]})
    items = found.json()["items"]
    for item in items:
        await api.client.post(f"/internal/v1/work/{item['id']}/done", json={"state": "done"})
    return [item["params"] for item in items]


async def test_a_restated_period_is_replaced_and_stays_readable(api: Api) -> None:
    merchant = (await api.house.merchant()).id
    day = (business_date(api.house.clock.now()) - timedelta(days=3)).isoformat()
    wanted = {"merchant_id": ids.encode("mrc", merchant), "start_date": day, "end_date": day}
    api.as_merchant(merchant)
    asked = (await api.client.post("/api/v1/statements/generate", json=wanted)).json()
    assert (asked["status"], asked["number"], asked["replaced_by"]) == ("queued", None, None)
    (item,) = await claimed(api)
    await deliver(api, item, "a", b"%PDF-1")
    api.as_merchant(merchant)
    first = (await api.client.get(f"/api/v1/statements/{asked['id']}")).json()
    assert (first["status"], first["edition"], first["replaces"]) == ("ready", 1, None)
    assert first["number"] == f"{wanted['merchant_id'][-8:].upper()}-00001"

    # Asked again, it is the same one, and its books are looked at again, once an hour.
    for _ in range(2):
        again = await api.client.post("/api/v1/statements/generate", json=wanted)
        assert again.json() == first
    (item,) = await claimed(api)
    assert (item["newer_than"], item["statement_id"] == first["id"]) == (1, False)
    await deliver(api, dict(item), "a", b"%PDF-1")
    api.as_merchant(merchant)
    assert (await api.client.get("/api/v1/statements")).json()["data"] == [first]

    # The books were restated: a new edition under an id of its own.
    await deliver(api, item, "b", b"%PDF-2")
    api.as_merchant(merchant)
    second = (await api.client.post("/api/v1/statements/generate", json=wanted)).json()
    assert (second["edition"], second["replaces"]) == (2, first["id"])
    assert second["number"].endswith("-00001-R1")
    old = (await api.client.get(f"/api/v1/statements/{first['id']}")).json()
    assert old == {**first, "replaced_by": second["id"]}
    for view, content in ((old, b"%PDF-1"), (second, b"%PDF-2")):
        file = await api.client.get(view["file"])
        assert file.content == content
        assert file.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
        assert view["number"] in file.headers["content-disposition"]


async def test_lists_are_a_merchants_own_and_all_an_auditors(api: Api) -> None:
    merchants = [(await api.house.merchant()).id for _ in range(2)]
    for place, merchant in enumerate([merchants[0]] * 3 + [merchants[1]]):
        day = (DAY + timedelta(days=place)).isoformat()
        wanted = {
            "statement_id": ids.encode("stm", ids.derived("listed", str(merchant), day)),
            "merchant_id": ids.encode("mrc", merchant),
            "start_date": day,
            "end_date": day,
            "format": "json",
        }
        api.caller = SERVICE
        sent = await api.client.post("/internal/v1/statements", json=delivery(wanted, b"{}"))
        assert sent.status_code == 200, sent.text
    api.as_merchant(merchants[0])
    first = (await api.client.get("/api/v1/statements", params={"limit": 2})).json()
    rest = await api.client.get(
        "/api/v1/statements", params={"starting_after": first["data"][-1]["id"]}
    )
    own = [*first["data"], *rest.json()["data"]]
    assert (first["has_more"], rest.json()["has_more"], len(own)) == (True, False, 3)
    assert {view["merchant_id"] for view in own} == {ids.encode("mrc", merchants[0])}
    one_day = {"start_date": own[0]["start_date"], "end_date": own[0]["end_date"]}
    found = await api.client.get("/api/v1/statements", params=one_day)
    assert found.json()["data"] == own[:1]
    another = {"merchant_id": ids.encode("mrc", merchants[1])}
    refused = await api.client.get("/api/v1/statements", params=another)
    assert refused.status_code == 403, refused.text
    api.caller = ADMIN
    everybodys = (await api.client.get("/api/v1/statements", params={"limit": 100})).json()
    listed = {view["merchant_id"] for view in everybodys["data"]}
    assert {ids.encode("mrc", merchant) for merchant in merchants} <= listed
    found = await api.client.get("/api/v1/statements", params=another)
    assert len(found.json()["data"]) == 1


async def test_a_pack_is_a_zip(api: Api) -> None:
    merchant = (await api.house.merchant()).id
    wanted = {
        "statement_id": ids.encode("stm", ids.derived("pack", str(merchant))),
        "merchant_id": ids.encode("mrc", merchant),
        "start_date": str(DAY),
        "end_date": str(DAY),
        "format": "pack",
    }
    api.caller = SERVICE
    sent = await api.client.post("/internal/v1/statements", json=delivery(wanted, b"PK"))
    assert sent.status_code == 200
    api.as_merchant(merchant)
    file = await api.client.get(f"/api/v1/statements/{wanted['statement_id']}/file")
    assert file.headers["content-type"] == "application/zip"
    assert file.headers["content-disposition"].endswith('.zip"')


async def test_a_number_that_was_not_given_is_refused(api: Api) -> None:
    merchant = (await api.house.merchant()).id
    await number(api, line(merchant))
    wanted = {
        "statement_id": ids.encode("stm", ids.derived("unnumbered", str(merchant))),
        "merchant_id": ids.encode("mrc", merchant),
        "start_date": str(DAY),
        "end_date": str(DAY),
        "format": "pdf",
    }
    numbered = {"number": 2, "edition": 1, "content_sha256": "ab" * 32}
    sent = await api.client.post(
        "/internal/v1/statements", json=delivery(wanted, b"%PDF", numbered)
    )
    assert (sent.status_code, sent.json()["param"]) == (409, "number")
    assert not await _exists(api, wanted["statement_id"])


async def _exists(api: Api, statement_id: str) -> bool:
    api.caller = ADMIN
    return (await api.client.get(f"/api/v1/statements/{statement_id}")).status_code == 200
