"""The gate over HTTP: who gets in where, signed how, how often."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from online.kernel import ids
from online.kernel.clock import FixedClock
from online.security.domain import Kind, Principal
from online.security.service import NewSigningKey
from tests.contract.apps import ADMIN_TOKEN, World, new_merchant, world

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 16, 4, 30, tzinfo=UTC)


@pytest.fixture
async def khata(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(database_url, tmp_path, FixedClock(NOW)) as found:
        yield found


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


async def headers_of(khata: World, who: str) -> dict[str, str]:
    service = Principal(
        kind=Kind.SERVICE, subject="cli_s", scopes=frozenset({"service"}), livemode=False
    )
    key = khata.merchant.publishable_key
    return {
        "nobody": {},
        "merchant": await khata.bearer(),
        "publishable": {"Authorization": f"Bearer {key}"},
        "publishable header": {"Khata-Publishable-Key": key},
        "service": {"Authorization": f"Bearer {khata.security.tokens.issue(service)}"},
        "admin": {"Authorization": f"Bearer {ADMIN_TOKEN}"},
        "wrong admin": {"Authorization": f"Bearer {ADMIN_TOKEN}x"},
        "wrong key": {"Authorization": "Bearer pk_test_nobody"},
        "basic": {"Authorization": "Basic YTpi"},
        "empty": {"Authorization": "Bearer "},
        "garbage": {"Authorization": "Bearer a.b.c"},
    }[who]


REFUSED_ALL = {
    "nobody": 401,
    "wrong admin": 401,
    "wrong key": 401,
    "basic": 401,
    "empty": 401,
    "garbage": 401,
}
# path → status for merchant, publishable key, service, admin
MATRIX = [
    ("POST", "/api/v1/customers", (201, 403, 403, 403)),
    ("POST", "/api/v1/cards/tokens", (422, 422, 403, 403)),
    ("GET", "/api/v1/merchants/mrc_x", (403, 403, 403, 404)),
    ("GET", "/internal/v1/work", (403, 403, 200, 403)),
    ("POST", "/api/v1/pay", (401, 403, 403, 403)),
    ("GET", "/forgotten", (403, 403, 403, 403)),
]
KINDS = ("merchant", "publishable", "service", "admin")


@pytest.mark.parametrize(("method", "path", "expected"), MATRIX, ids=[row[1] for row in MATRIX])
async def test_who_gets_in(khata: World, method: str, path: str, expected: tuple[int, ...]):
    body = {"json": {}} if method == "POST" else {}
    for who, status in {**REFUSED_ALL, **dict(zip(KINDS, expected, strict=True))}.items():
        headers = await headers_of(khata, who)
        response = await khata.client.request(method, path, headers=headers, **body)
        assert response.status_code == status, (who, response.text)
        if status == 401:
            assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "path",
    ["/health", "/schema", "/schema/openapi.json", "/schema/page.js", "/.well-known/jwks.json"],
)
async def test_what_is_open_to_anyone(khata: World, path: str):
    for who in ("nobody", "garbage", "merchant"):
        response = await khata.client.get(path, headers=await headers_of(khata, who))
        assert response.status_code == 200, who


async def test_a_publishable_key_may_come_in_its_own_header(khata: World):
    headers = await headers_of(khata, "publishable header")
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "123"}
    response = await khata.client.post("/api/v1/cards/tokens", json=card, headers=headers)
    assert response.status_code == 201, response.text
    assert response.json()["brand"] == "visa"
    assert "4242424242424242" not in response.text


@pytest.mark.parametrize("form", [True, False])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (200, "")),
        ({"client_secret": "sk_test_wrong"}, (401, "invalid_client")),
        ({"client_id": "cli_nobody"}, (401, "invalid_client")),
        ({"client_id": "' or 1=1 --"}, (401, "invalid_client")),
        ({"grant_type": "password"}, (422, "invalid_request")),
        ({"scope": "admin"}, (422, "invalid_request")),
        ({"client_secret": ""}, (422, "invalid_request")),
    ],
)
async def test_tokens(khata: World, form: bool, changes: dict[str, str], expected: tuple[int, str]):
    client = khata.merchant.client
    fields = {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "grant_type": "client_credentials",
        **changes,
    }
    body: dict[str, Any] = {"data": fields} if form else {"json": fields}
    response = await khata.client.post("/api/v1/auth/token", **body)
    assert code(response) == expected
    if expected[0] == 200:
        answer = response.json()
        assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 900)
        assert "admin" not in answer["scope"].split()
        assert response.headers["cache-control"] == "no-store"


async def test_tokens_end(khata: World):
    headers = await khata.bearer()
    assert (await khata.client.post("/api/v1/customers", json={}, headers=headers)).is_success
    khata.later(seconds=900)
    response = await khata.client.post("/api/v1/customers", json={}, headers=headers)
    assert code(response) == (401, "unauthenticated")


async def test_another_merchants_customer_is_not_there(khata: World):
    other = await new_merchant(khata.merchants)
    made = await khata.client.post(
        "/api/v1/customers", json={"name": "Asha"}, headers=await khata.bearer()
    )
    path = f"/api/v1/customers/{made.json()['id']}"
    assert (await khata.client.get(path, headers=await khata.bearer())).status_code == 200
    stranger = await khata.client.get(path, headers=await khata.bearer(other))
    absent = ids.encode("cus", ids.new(NOW))
    nothing = await khata.client.get(
        f"/api/v1/customers/{absent}", headers=await khata.bearer(other)
    )
    assert code(stranger) == code(nothing) == (404, "not_found")
    assert stranger.json()["detail"] == nothing.json()["detail"]


async def test_a_new_merchant_is_shown_its_secrets_once(khata: World):
    admin = await headers_of(khata, "admin")
    body = {"name": "Dosa Corner", "mcc": "5812", "state_code": "29"}
    made = (await khata.client.post("/api/v1/merchants", json=body, headers=admin)).json()
    path = f"/api/v1/merchants/{made['merchant']['id']}"
    shown = await khata.client.get(path, headers=admin)
    assert shown.json() == made["merchant"]
    async with khata.database.connection() as connection:
        stored = ""
        for table in ("api_clients", "signing_keys"):
            cursor = await connection.execute(f"select * from {table}")
            stored += repr(await cursor.fetchall())
    for secret in ("client_secret", "signing_secret"):
        assert made["secrets"][secret] not in stored


PAY = "/api/v1/pay"


async def pay(khata: World, extra: dict[str, str], target: str = PAY, body: bytes = b"{}") -> Any:
    headers = {**await khata.bearer(), "content-type": "application/json", **extra}
    return await khata.client.post(target, content=body, headers=headers)


@pytest.mark.parametrize(
    ("seconds", "holds"),
    [(0, True), (-299, True), (-300, True), (-301, False), (300, True), (301, False)],
)
async def test_a_signature_is_good_for_five_minutes_either_way(
    khata: World, seconds: int, holds: bool
):
    at = NOW + timedelta(seconds=seconds)
    response = await pay(khata, khata.signature(PAY, b"{}", at=at))
    assert code(response) == ((200, "") if holds else (401, "signature_invalid"))


async def test_what_is_signed(khata: World):
    target = f"{PAY}?note=a%2Fb&x=1"
    key = {"Idempotency-Key": "order-1"}
    good = khata.signature(target, b'{"a":1}', idempotency_key="order-1")
    assert (await pay(khata, {**good, **key}, target, b'{"a":1}')).status_code == 200
    other = await new_merchant(khata.merchants)
    unknown = NewSigningKey(id="sig_nobody", secret=khata.merchant.signing_key.secret)
    refused = {
        "no signature": {},
        "unreadable": {"Khata-Request-Signature": "t=1"},
        "another body": khata.signature(PAY, b'{"a":2}'),
        "another path": khata.signature("/api/v1/refunds", b"{}"),
        "another query": khata.signature(f"{PAY}?a=1", b"{}"),
        "another method": khata.signature(PAY, b"{}", method="PUT"),
        "another idempotency key": khata.signature(PAY, b"{}", idempotency_key="x"),
        "a key nobody has": khata.signature(PAY, b"{}", key=unknown),
        "another merchant's key": khata.signature(PAY, b"{}", key=other.signing_key),
    }
    for name, headers in refused.items():
        response = await pay(khata, headers)
        assert code(response) == (401, "signature_invalid"), name
        assert response.json()["param"] == "Khata-Request-Signature"


async def test_a_nonce_is_good_once(khata: World):
    headers = khata.signature(PAY, b"{}")
    assert (await pay(khata, headers)).status_code == 200
    assert code(await pay(khata, headers)) == (401, "signature_invalid")
    khata.later(seconds=200)
    assert code(await pay(khata, headers)) == (401, "signature_invalid")


async def test_a_bad_signature_does_not_use_up_a_nonce(khata: World):
    nonce = "nonce-of-this-test"
    bad = khata.signature(PAY, b"other", nonce=nonce)
    assert code(await pay(khata, bad)) == (401, "signature_invalid")
    assert (await pay(khata, khata.signature(PAY, b"{}", nonce=nonce))).status_code == 200


async def test_a_merchant_may_do_without(khata: World):
    free = await new_merchant(khata.merchants, requires_signature=False)
    headers = await khata.bearer(free)
    assert (await khata.client.post(PAY, headers=headers)).status_code == 200
    # But a signature that is there has to hold, on every path.
    wrong = {**headers, **khata.signature(PAY, b"")}
    assert code(await khata.client.post(PAY, headers=wrong)) == (401, "signature_invalid")
    unsigned_path = await khata.client.post("/api/v1/customers", json={}, headers=wrong)
    assert code(unsigned_path) == (401, "signature_invalid")


async def test_requests_of_one_merchant_are_limited(database_url: str, tmp_path: Path):
    environ = {
        "KHATA_RATE_LIMITS__PER_MERCHANT__REQUESTS_PER_MINUTE": "10",
        "KHATA_RATE_LIMITS__PER_MERCHANT__BURST": "10",
        "KHATA_SERVER__WORKERS": "1",
    }
    async with world(database_url, tmp_path, FixedClock(NOW), environ) as khata:
        headers = await khata.bearer()
        path = "/api/v1/customers"
        statuses = [
            (await khata.client.post(path, json={}, headers=headers)).status_code for _ in range(12)
        ]
        assert statuses.count(201) in range(10, 12), "a window may end in between"
        limited = await khata.client.post(path, json={}, headers=headers)
        assert code(limited) == (429, "rate_limited")
        assert limited.json()["retryable"]
        assert int(limited.headers["retry-after"]) >= 1
        assert limited.headers["ratelimit-policy"] == '"merchant";q=10;w=60'
        assert limited.headers["ratelimit"].startswith('"merchant";r=0;t=')
        other = await new_merchant(khata.merchants)
        response = await khata.client.post(path, json={}, headers=await khata.bearer(other))
        assert response.status_code == 201
        assert (await khata.client.get("/health")).status_code == 200
