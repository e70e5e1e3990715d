"""Every bad request gets problem+json with a 4xx that names the field, and never a stack trace."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

import msgspec
import pytest
from litestar import Litestar, Router, get, post
from litestar.params import FromHeader, FromPath, FromQuery, JSONBody
from litestar.testing import TestClient
from msgspec import Meta

from online.kernel import errors, ids
from online.platform.http import MAX_BODY_BYTES, PROBLEMS, HttpPlugin, wrap
from online.platform.wire import AmountMinor, Int64, Text, WireStruct

JSON = {"content-type": "application/json"}


class Customer(WireStruct, frozen=True, kw_only=True):
    name: Text
    age: Int64 = 0


class Order(WireStruct, frozen=True, kw_only=True):
    amount: AmountMinor
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    customer: Customer | None = None
    tags: Annotated[tuple[str, ...], Meta(max_length=3)] = ()
    anything: dict[str, Any] | None = None


@dataclass(eq=False)
class CardDeclined(errors.Refused):
    decline_code: str = "insufficient_funds"
    code: ClassVar[str] = "card_declined"


@dataclass(eq=False)
class NeverARoute(errors.Refused):
    code: ClassVar[str] = "route_unavailable"


RAISED: dict[str, Exception] = {
    "over_refund": errors.OverRefund("asked 2, left 1", "amount"),
    "declined": CardDeclined("no money"),
    "limited": errors.RateLimited("slow down", retry_after_s=7),
    "no_route_now": errors.RouteUnavailable("all rest"),
    "no_route_ever": NeverARoute("too much", "amount"),
    "database": errors.Unavailable("the database does not answer"),
    "bug": ZeroDivisionError("4242424242424242 is in this text"),
    "bad_id": ids.InvalidId("pay", "x" * 90),
}


@post("/orders")
async def create_order(data: JSONBody[Order]) -> dict[str, int]:
    assert isinstance(data, Order)
    return {"amount": data.amount}


@get("/payments/{payment_id:str}")
async def read_payment(
    payment_id: FromPath[str],
    limit: FromQuery[int] = 1,
    since: FromQuery[datetime | None] = None,
) -> dict[str, str]:
    return {"id": str(ids.decode("pay", payment_id)), "limit": str(limit)}


@get("/keyed")
async def keyed(key: Annotated[FromHeader[str], "x"]) -> dict[str, str]:
    return {"key": key}


@get("/raise/{name:str}")
async def raise_it(name: FromPath[str]) -> None:
    raise RAISED[name]


@get("/both/{name:str}")
async def read_both(name: FromPath[str]) -> None: ...


@post("/both/{name:str}")
async def write_both(name: FromPath[str]) -> None: ...


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient[Litestar]]:
    app = Litestar(
        [
            *(create_order, read_payment, keyed, raise_it),
            Router("/", route_handlers=[read_both, write_both]),
        ],
        plugins=[HttpPlugin()],
        openapi_config=None,
    )
    with TestClient(wrap(app), raise_server_exceptions=False) as test_client:
        yield test_client


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The body, after checking what every problem has."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:khata:problem:{code}"
    assert body["request_id"] == response.headers["x-request-id"]
    assert set(body) >= {"title", "detail", "instance", "retryable"}
    assert "Traceback" not in response.text
    assert 'File "' not in response.text
    return body


GOOD = b'"amount":1,"currency":"INR"'


@pytest.mark.parametrize(
    ("body", "params"),
    [
        (b'{"amount":"1","currency":"INR"}', ["amount"]),
        (b'{"amount":1.0,"currency":"INR"}', ["amount"]),
        (b'{"amount":true,"currency":"INR"}', ["amount"]),
        (b'{"amount":null,"currency":"INR"}', ["amount"]),
        (b'{"amount":0,"currency":"INR"}', ["amount"]),
        (b'{"amount":-1,"currency":"INR"}', ["amount"]),
        (b'{"amount":1e400,"currency":"INR"}', ["amount"]),
        (b'{"amount":9223372036854775808,"currency":"INR"}', ["amount"]),
        (b'{"amount":%s,"currency":"INR"}' % (b"9" * 4000), ["amount"]),
        (b'{"amount":1,"currency":"inr"}', ["currency"]),
        (b'{"amount":1,"currency":"INR\\n"}', ["currency"]),
        (b'{"currency":"INR"}', ["amount"]),
        (b"{}", ["amount", "currency"]),
        (b'{"amount":"1","currency":5,"x":1}', ["amount", "currency", "x"]),
        (b'{%s,"unknown":1}' % GOOD, ["unknown"]),
        (b'{%s,"customer":{"name":"","x":1}}' % GOOD, ["customer.name", "customer.x"]),
        (b'{%s,"customer":{"name":5}}' % GOOD, ["customer.name"]),
        (b'{%s,"customer":[]}' % GOOD, ["customer"]),
        (b'{%s,"customer":{"name":"x","age":-9223372036854775809}}' % GOOD, ["customer.age"]),
        (b'{%s,"tags":["a",1]}' % GOOD, ["tags[1]"]),
        (b'{%s,"tags":["a","b","c","d"]}' % GOOD, ["tags"]),
        (b'{%s,"tags":["a\\u0000"]}' % GOOD, ["tags[0]"]),
        (b'{%s,"anything":{"a":{"b":"\\u0000"}}}' % GOOD, ["anything.a.b"]),
        (b'{%s,"anything":{"a":[9223372036854775808]}}' % GOOD, ["anything.a[0]"]),
        (b"[]", [""]),
        (b"null", [""]),
        (b'"text"', [""]),
        (b"1", [""]),
    ],
)
def test_fields_are_named(client: TestClient[Litestar], body: bytes, params: list[str]):
    found = problem(client.post("/orders", content=body, headers=JSON), 422, "invalid_request")
    assert [error["param"] for error in found["errors"]] == params
    assert found.get("param", "") == params[0]
    assert all(error["message"] for error in found["errors"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"{",
        b'{"amount":1',
        b"{'amount':1}",
        b'{"amount":NaN}',
        b'{"amount":01}',
        b'{"amount":1,}',
        b"\xff\xfe\x00",
        b'{"currency":"\xff"}',
        b'{"currency":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b'{"anything":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b'{"anything":{"a":' + b"[" * 20000 + b"]" * 20000 + b"}}",
    ],
)
def test_what_is_not_json(client: TestClient[Litestar], body: bytes):
    problem(client.post("/orders", content=body, headers=JSON), 400, "malformed_body")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/json; charset=UTF-8", 201),
        (None, 201),
        ("application/json; charset=utf-16", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("multipart/form-data", 415),
        ("application/msgpack", 415),
        ("application/problem+json", 415),
        ("text/plain", 415),
        ("nonsense;;;=", 415),
    ],
)
def test_content_type(client: TestClient[Litestar], content_type: str | None, status: int):
    headers = {"content-type": content_type} if content_type else {}
    response = client.post("/orders", content=b"{%s}" % GOOD, headers=headers)
    if status == 415:
        problem(response, 415, "unsupported_media_type")
    else:
        assert response.status_code == 201, response.text


def test_size(client: TestClient[Litestar]):
    fits = b'{"amount":1,"currency":"INR","tags":["%s"]}'
    room = MAX_BODY_BYTES - len(fits) + 2
    assert client.post("/orders", content=fits % (b"x" * room), headers=JSON).status_code == 201
    for body in (fits % (b"x" * (room + 1)), iter([b"x" * 30_000] * 3)):
        response = client.post("/orders", content=body, headers=JSON)
        problem(response, 413, "body_too_large")
    wrong = client.post("/orders", content=b"{}", headers={**JSON, "content-length": "many"})
    problem(wrong, 400, "bad_request")


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "param"),
    [
        ("GET", "/nowhere", 404, "not_found", None),
        ("GET", "/", 404, "not_found", None),
        ("GET", "/payments/pay_x", 404, "not_found", None),
        ("GET", "/payments/%00", 404, "not_found", None),
        ("GET", "/payments/rfd_01h455vb4pex5vsknk084sn02q", 404, "not_found", None),
        ("GET", "/orders", 405, "method_not_allowed", None),
        ("DELETE", "/payments/x", 405, "method_not_allowed", None),
        ("GET", "/payments/x?limit=ten", 422, "invalid_request", "limit"),
        ("GET", "/payments/x?limit=", 422, "invalid_request", "limit"),
        ("GET", "/payments/x?limt=1", 422, "invalid_request", "limt"),
        ("GET", "/payments/x?limit=1&limit=2", 422, "invalid_request", "limit"),
        ("GET", "/payments/x?since=null", 422, "invalid_request", "since"),
        ("GET", "/payments/x?since=0.5", 422, "invalid_request", "since"),
        ("GET", "/payments/x?since=2026-11-16T10:00:00", 422, "invalid_request", "since"),
        ("GET", "/payments/x?since=2026-11-16T10:00:00Z", 404, "not_found", None),
        ("GET", "/payments/x?&&", 404, "not_found", None),
        ("GET", "/keyed", 422, "invalid_request", "key"),
        ("GET", "/raise/over_refund", 422, "over_refund", "amount"),
        ("GET", "/raise/declined", 422, "card_declined", None),
        ("GET", "/raise/limited", 429, "rate_limited", None),
        ("GET", "/raise/no_route_now", 503, "route_unavailable", None),
        ("GET", "/raise/no_route_ever", 422, "route_unavailable", "amount"),
        ("GET", "/raise/database", 503, "unavailable", None),
        ("GET", "/raise/bad_id", 422, "invalid_request", None),
        ("GET", "/raise/bug", 500, "internal_error", None),
    ],
)
def test_everything_else(client: TestClient[Litestar], method, path, status, code, param):
    found = problem(client.request(method, path), status, code)
    assert found.get("param") == param


def test_what_a_problem_carries(client: TestClient[Litestar]):
    declined = client.get("/raise/declined").json()
    assert (declined["decline_code"], declined["retryable"]) == ("insufficient_funds", False)
    assert declined["title"] == PROBLEMS["refused"][1]
    limited = client.get("/raise/limited")
    assert limited.headers["retry-after"] == "7"
    assert limited.json()["retryable"]
    allowed = client.get("/orders").headers["allow"]
    assert {m.strip() for m in allowed.split(",")} == {"POST", "OPTIONS"}


def test_options_name_every_method_of_a_path(client: TestClient[Litestar]):
    answer = client.options("/both/x")
    assert {m.strip() for m in answer.headers["allow"].split(",")} == {"GET", "POST", "OPTIONS"}


def test_our_own_faults_say_nothing_but_an_id(client: TestClient[Litestar]):
    found = client.get("/raise/bug")
    assert "4242" not in found.text
    assert "ZeroDivision" not in found.text
    assert found.json()["instance"].startswith("urn:khata:error:")
    assert found.json()["instance"].rpartition(":")[2] in found.json()["detail"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("req-1.a:b/c+d=e@f", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("with space", False),
        ("<script>", False),
        ("a\tb", False),
        ("", False),
    ],
)
def test_request_id(client: TestClient[Litestar], given: str, kept: bool):
    for path in ("/nowhere", "/payments/x", "/raise/bug"):
        response = client.get(path, headers={"x-request-id": given})
        echoed = response.headers["x-request-id"]
        assert (echoed == given) is kept
        assert response.json()["request_id"] == echoed
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"


def test_every_refusal_of_the_kernel_has_a_row():
    def family(kind: type[errors.KhataError]) -> Iterator[type[errors.KhataError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from family(child)

    kernel = {kind for kind in family(errors.KhataError) if kind.__module__ == errors.__name__}
    assert {kind.code for kind in kernel} <= set(PROBLEMS)
    for code, (status, title) in PROBLEMS.items():
        assert 400 <= status < 600, code
        assert title[0].isupper()
        assert not title.endswith(".")


def test_a_good_request_is_read_strictly_and_whole(client: TestClient[Litestar]):
    body = {"amount": 10**15, "currency": "INR", "customer": {"name": "आशा", "age": -(2**63)}}
    response = client.post("/orders", content=msgspec.json.encode(body), headers=JSON)
    assert response.json() == {"amount": 10**15}
