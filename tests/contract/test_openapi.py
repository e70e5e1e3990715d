"""The OpenAPI document and its page."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from online.kernel.clock import FixedClock
from tests.contract.apps import World, world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def khata(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(
        database_url, tmp_path, FixedClock(datetime(2026, 11, 16, tzinfo=UTC))
    ) as found:
        yield found


@pytest.fixture
async def document(khata: World) -> dict[str, Any]:
    response = await khata.client.get("/schema/openapi.json")
    assert response.headers["content-type"] == "application/json"
    found: dict[str, Any] = response.json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]


async def test_every_operation_says_who_may_and_what_can_go_wrong(document: dict[str, Any]):
    assert document["openapi"].startswith("3.1")
    schemes = set(document["components"]["securitySchemes"])
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        named = {name for entry in operation["security"] for name in entry}
        assert named <= schemes, where
        assert {"429", "500", "503"} <= set(operation["responses"]), where
        assert not named or {"401", "403"} <= set(operation["responses"]), where
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")):
                assert list(response["content"]) == ["application/problem+json"], where


async def test_credentials_are_documented_as_the_gate_asks_for_them(document: dict[str, Any]):
    def security(path: str, method: str = "post") -> list[str]:
        found = document["paths"][path][method]["security"]
        return [name for entry in found for name in entry]

    assert security("/api/v1/auth/token") == []
    assert security("/api/v1/customers") == ["accessToken"]
    assert security("/api/v1/cards/tokens") == ["accessToken", "publishableKey"]
    assert security("/api/v1/merchants") == ["adminToken"]
    parameters = document["paths"]["/api/v1/pay"]["post"]["parameters"]
    headers = [p["name"] for p in parameters if p["in"] == "header"]
    assert headers == ["Idempotency-Key", "Khata-Request-Signature"]
    assert "409" in document["paths"]["/api/v1/pay"]["post"]["responses"]


async def test_references_lead_somewhere(document: dict[str, Any]):
    for reference in re.findall(r"'\$ref': '([^']+)'", repr(document)):
        at: Any = document
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]


async def test_request_bodies_are_strict(document: dict[str, Any]):
    for method, path, operation in operations(document):
        body = operation.get("requestBody")
        if body:
            reference = body["content"]["application/json"]["schema"]["$ref"]
            schema = document["components"]["schemas"][reference.rpartition("/")[2]]
            assert schema.get("additionalProperties") is False, f"{method} {path}"


async def test_the_page_needs_nothing_from_elsewhere(khata: World):
    page = await khata.client.get("/schema")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text, "inline script would be stopped by the policy"
    for path in ("/schema/page.css", "/schema/page.js"):
        assert path in page.text
        part = await khata.client.get(path)
        assert part.status_code == 200
        for text in (page.text, part.text):
            found = re.findall(r"https?://[^\s'\"]+", text)
            assert not [u for u in found if not u.startswith("http://www.w3.org/")]
    script = (await khata.client.get("/schema/page.js")).text
    assert "innerHTML" not in script


async def test_what_is_not_there_is_a_problem_here_too(khata: World):
    for path in ("/schema/nowhere", "/schema/a/b"):
        response = await khata.client.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


async def test_patterns_are_ecmas_and_bounds_are_integers(document: dict[str, Any]):
    text = repr(document)
    assert "'pattern': '^[0-9]{4}$'" in text
    assert r"\\Z" not in text
    month = document["components"]["schemas"]["TokenizeCard"]["properties"]["exp_month"]
    assert repr(month["maximum"]) == "12"
