"""A rail over HTTP when the line is bad: before anything is sent it failed, after that nobody
knows. A stub server speaks bytes, so that it can be wrong in every way.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
import structlog

from online.kernel.errors import NotFound
from online.rails.domain import (
    AuthorizeRequest,
    CaptureRequest,
    CardChecks,
    CardReference,
    OutcomeKind,
    RailDispute,
    ReverseRequest,
    Upi,
)
from online.rails.http_rail import HttpRail, Limits, Timeouts, new_client
from online.vault.domain import Cryptogram, SecurityCode
from tests.contract.test_rails import ClearCard, Shown, _free_port

pytestmark = pytest.mark.anyio

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
APPROVED = {
    "status": "approved",
    "code": "00",
    "rail_reference": "631512345678",
    "network_reference": None,
    "auth_code": None,
    "message": "Approved",
    "next_action": None,
}
QUICK = Limits(timeouts=Timeouts(connect_s=1, write_s=1, read_s=1, pool_s=0.5))
SECRET_PAN = "4242424242424242"
CRYPTOGRAM = "AJkBAAAAAAAAAAAAAAAAAAAAAAAA"


class Stub:
    """A server that reads one request and then does as it is told."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = answer(200, APPROVED)
        self.requests: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(h.split(b":")[1])
                    for h in head.split(b"\r\n")
                    if h.lower().startswith(b"content-length")
                ),
                0,
            )
            self.requests.append(head + await reader.readexactly(length))
            await self.behaviour(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def answer(status: int, body: Any, *, content_type: str = "application/json") -> Behaviour:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (
            f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        writer.write(head.encode() + content)
        await writer.drain()

    return respond


def raw(data: bytes) -> Behaviour:
    async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return respond


async def silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3)


async def dropped(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    stub = Stub()
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.port = server.sockets[0].getsockname()[1]
    async with server:
        yield stub


class Cards:
    def __init__(self, *, missing: bool = False) -> None:
        self.missing = missing

    async def reveal(self, token_id: UUID, merchant_id: UUID) -> ClearCard:
        if self.missing:
            raise NotFound("there is no such card token")
        return ClearCard(Shown(SECRET_PAN))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with new_client(connections=20) as client:
        yield client


def rail_to(port: int, client: httpx.AsyncClient, cards: Cards | None = None) -> HttpRail:
    url = f"http://127.0.0.1:{port}/rails/upi_hdfc"
    return HttpRail("upi_hdfc", url, client=client, dialect="upi", cards=cards, limits=QUICK)


def upi_request() -> AuthorizeRequest:
    return AuthorizeRequest(
        reference="att_1",
        amount_minor=499_00,
        currency="INR",
        capture=True,
        upi=Upi(flow="collect", payee_vpa="khata@hdfc", payer_vpa="asha@ybl", note="tea"),
    )


def card_request(**fields: Any) -> AuthorizeRequest:
    card = CardReference(token_id=UUID(int=1), merchant_id=UUID(int=2), **fields)
    return AuthorizeRequest(
        reference="att_1", amount_minor=1, currency="INR", capture=False, card=card
    )


def card_rail_to(port: int, client: httpx.AsyncClient) -> HttpRail:
    url = f"http://127.0.0.1:{port}/rails/card_a"
    return HttpRail("card_a", url, client=client, dialect="card", cards=Cards(), limits=QUICK)


UNKNOWN, FAILED = OutcomeKind.UNKNOWN, OutcomeKind.FAILED
BAD: list[tuple[str, Behaviour, OutcomeKind, str]] = [
    ("no answer in time", silent, UNKNOWN, "no_answer"),
    ("connection dropped", dropped, UNKNOWN, "no_answer"),
    ("closed without a word", raw(b""), UNKNOWN, "no_answer"),
    ("half a head", raw(b"HTTP/1.1 200"), UNKNOWN, "no_answer"),
    ("not HTTP", raw(b"220 smtp ready\r\n"), UNKNOWN, "no_answer"),
    (
        "half a body",
        raw(b'HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{"status":"appr'),
        UNKNOWN,
        "no_answer",
    ),
    (
        "broken compression",
        raw(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx"),
        UNKNOWN,
        "no_answer",
    ),
    ("500", answer(500, {"status": "failed", "code": "96"}), UNKNOWN, "bad_answer"),
    ("502 from a proxy", answer(502, b"<h1>Bad gateway</h1>"), UNKNOWN, "bad_answer"),
    ("503", answer(503, b""), UNKNOWN, "bad_answer"),
    ("504", answer(504, APPROVED), UNKNOWN, "bad_answer"),
    ("redirect", answer(302, b""), UNKNOWN, "bad_answer"),
    ("202", answer(202, APPROVED), UNKNOWN, "bad_answer"),
    ("408 may hide an effect", answer(408, b""), UNKNOWN, "bad_answer"),
    ("409 may hide an effect", answer(409, b""), UNKNOWN, "bad_answer"),
    ("HTML that says 200", answer(200, b"<html>maintenance</html>"), UNKNOWN, "bad_answer"),
    ("empty", answer(200, b""), UNKNOWN, "bad_answer"),
    ("a list", answer(200, []), UNKNOWN, "bad_answer"),
    ("no status", answer(200, {"code": "00"}), UNKNOWN, "bad_answer"),
    ("no code", answer(200, {"status": "approved"}), UNKNOWN, "bad_answer"),
    ("strange status", answer(200, {**APPROVED, "status": "ok"}), UNKNOWN, "bad_answer"),
    ("code of a wrong type", answer(200, {**APPROVED, "code": 0}), UNKNOWN, "bad_answer"),
    ("not UTF-8", answer(200, b'{"status":"approved","code":"\xff"}'), UNKNOWN, "bad_answer"),
    ("nested deeply", answer(200, b"[" * 50_000), UNKNOWN, "bad_answer"),
    ("nested deeply inside", answer(200, b'{"x":' + b"[" * 60_000), UNKNOWN, "bad_answer"),
    ("too long", answer(200, {**APPROVED, "message": "x" * 70_000}), UNKNOWN, "bad_answer"),
    ("checks that are none", answer(200, {**APPROVED, "checks": []}), UNKNOWN, "bad_answer"),
    (
        "a check too long",
        answer(200, {**APPROVED, "checks": {"avs": "Y" * 9}}),
        UNKNOWN,
        "bad_answer",
    ),
    ("a number as a check", answer(200, {**APPROVED, "checks": {"eci": 5}}), UNKNOWN, "bad_answer"),
    ("funding of a wrong type", answer(200, {**APPROVED, "funding": 1}), UNKNOWN, "bad_answer"),
    ("funding without end", answer(200, {**APPROVED, "funding": "x" * 50}), UNKNOWN, "bad_answer"),
    *(
        (
            f"a next action to {action}",
            answer(200, {**APPROVED, "status": "pending", "code": "01", "next_action": action}),
            UNKNOWN,
            "bad_answer",
        )
        for action in (
            {"type": "redirect", "link": "javascript:alert(1)"},
            {"type": "redirect", "link": "upi://pay?pa=a@b"},
            {"type": "redirect", "link": "https://bank.example/\n"},
            {"type": "redirect", "link": "https://[bank"},
            {"type": "redirect", "link": "https://bank.example/" + "x" * 5_000},
            {"type": "upi_intent", "link": "https://bank.example/"},
            {"type": "upi_qr", "link": "upi://pay?pa=a@b", "qr": "https://bank.example/"},
            {"type": "call", "link": "tel:1"},
            {"type": "redirect"},
        )
    ),
    ("400", answer(400, {"detail": "bad"}), FAILED, "rejected"),
    ("401", answer(401, b""), FAILED, "rejected"),
    ("404", answer(404, b""), FAILED, "rejected"),
    ("422", answer(422, b""), FAILED, "rejected"),
    ("429", answer(429, b""), FAILED, "rejected"),
]


@pytest.mark.parametrize(
    ("behaviour", "kind", "code"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
async def test_bad_lines(
    stub: Stub, client: httpx.AsyncClient, behaviour: Behaviour, kind: OutcomeKind, code: str
):
    stub.behaviour = behaviour
    outcome = await rail_to(stub.port, client).authorize(upi_request())
    assert (outcome.kind, outcome.code) == (kind, code)
    assert outcome.decline_code
    assert len(stub.requests) == 1, "nothing is ever sent twice"


@pytest.mark.parametrize("behaviour", [row[1] for row in BAD], ids=[row[0] for row in BAD])
async def test_a_bad_line_teaches_an_enquiry_nothing(
    stub: Stub, client: httpx.AsyncClient, behaviour: Behaviour
):
    stub.behaviour = behaviour
    outcome = await rail_to(stub.port, client).enquire("att_1")
    assert outcome.kind is UNKNOWN


async def test_nobody_listening(client: httpx.AsyncClient):
    rail = rail_to(_free_port(), client)
    outcome = await rail.authorize(upi_request())
    assert (outcome.kind, outcome.code, outcome.retryable) == (FAILED, "no_connection", True)
    assert (await rail.enquire("att_1")).kind is UNKNOWN


async def test_no_free_connection_sends_nothing(stub: Stub):
    stub.behaviour = silent
    async with new_client(connections=1) as client:
        rail = rail_to(stub.port, client)
        first, second = await asyncio.gather(
            rail.authorize(upi_request()), rail.authorize(upi_request())
        )
    assert {first.code, second.code} == {"no_answer", "rail_busy"}
    assert {first.kind, second.kind} == {UNKNOWN, FAILED}
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, {"status": "not_found"}, OutcomeKind.NOT_FOUND),
        (404, {"detail": "no such path"}, UNKNOWN),
        (404, b"<h1>Not found</h1>", UNKNOWN),
        (410, {"status": "not_found"}, UNKNOWN),
        (200, {"status": "not_found"}, UNKNOWN),
        (200, {**APPROVED, "status": "declined", "code": "Z9"}, OutcomeKind.DECLINED),
        (200, {**APPROVED, "status": "failed", "code": "U67"}, UNKNOWN),
    ],
)
async def test_enquiries(
    stub: Stub, client: httpx.AsyncClient, status: int, body: Any, kind: OutcomeKind
):
    stub.behaviour = answer(status, body)
    assert (await rail_to(stub.port, client).enquire("att_1")).kind is kind
    assert stub.requests[0].startswith(b"GET /rails/upi_hdfc/operations/att_1 HTTP/1.1\r\n")


async def test_what_is_sent(stub: Stub, client: httpx.AsyncClient):
    outcome = await rail_to(stub.port, client).authorize(upi_request())
    assert outcome.kind is OutcomeKind.APPROVED
    assert outcome.rail_reference == "631512345678"
    head, _, body = stub.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /rails/upi_hdfc/authorize HTTP/1.1\r\n")
    assert b"\r\nidempotency-key: att_1" in head.lower()
    assert json.loads(body) == {
        "reference": "att_1",
        "amount": 499_00,
        "currency": "INR",
        "capture": True,
        "upi": {
            "flow": "collect",
            "payee_vpa": "khata@hdfc",
            "payer_vpa": "asha@ybl",
            "note": "tea",
        },
    }


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({}, {}),
        ({"cvc": Shown("123")}, {"cvc": "123"}),
        (
            {"cryptogram": Shown("AJkBAAAA"), "eci": "05"},
            {"cryptogram": "AJkBAAAA", "eci": "05"},
        ),
    ],
)
async def test_what_is_sent_of_a_card(
    stub: Stub, client: httpx.AsyncClient, fields: dict[str, Any], part: dict[str, str]
):
    request = msgspec.structs.replace(card_request(**fields), return_url="https://shop.example/x")
    await card_rail_to(stub.port, client).authorize(request)
    body = json.loads(stub.requests[0].partition(b"\r\n\r\n")[2])
    assert body["return_url"] == "https://shop.example/x"
    assert body["card"] == {"pan": SECRET_PAN, "exp_month": 12, "exp_year": 2035, **part}


async def test_whom_the_payer_pays_is_sent(stub: Stub, client: httpx.AsyncClient):
    request = upi_request()
    assert request.upi is not None
    named = msgspec.structs.replace(request, upi=request.upi.to("Chai Point", "5814"))
    await rail_to(stub.port, client).authorize(named)
    body = json.loads(stub.requests[0].partition(b"\r\n\r\n")[2])
    assert (body["upi"]["payee_name"], body["upi"]["mcc"]) == ("Chai Point", "5814")


@pytest.mark.parametrize(
    ("dialect", "members", "checks", "funding"),
    [
        ("card", {}, None, None),
        (
            "card",
            {"checks": {"avs": "N", "cvc": "M", "eci": "05", "authentication": "challenged"}},
            CardChecks(avs="N", cvc="M", eci="05", authentication="challenged"),
            None,
        ),
        ("card", {"checks": {"cvc": "P", "score": 7}}, CardChecks(cvc="P"), None),
        ("card", {"checks": {"authentication": "by telepathy"}}, CardChecks(), None),
        ("card", {"checks": None, "funding": "credit"}, None, None),
        ("upi", {"funding": "rupay_credit"}, None, "rupay_credit"),
        ("upi", {"funding": "shells"}, None, None),
        ("upi", {"funding": "bank", "checks": {"avs": "Y"}}, None, "bank"),
    ],
)
async def test_what_comes_beside_yes(
    stub: Stub,
    client: httpx.AsyncClient,
    dialect: str,
    members: dict[str, Any],
    checks: CardChecks | None,
    funding: str | None,
):
    stub.behaviour = answer(200, {**APPROVED, **members})
    rail = (card_rail_to if dialect == "card" else rail_to)(stub.port, client)
    outcome = await rail.authorize(card_request() if dialect == "card" else upi_request())
    assert outcome.kind is OutcomeKind.APPROVED
    assert (outcome.checks, outcome.funding) == (checks, funding)


async def test_a_page_to_go_to(stub: Stub, client: httpx.AsyncClient):
    action = {"type": "redirect", "link": "https://bank.example/3ds/1", "return_url": "https://s/x"}
    stub.behaviour = answer(
        200, {**APPROVED, "status": "pending", "code": "01", "next_action": action}
    )
    outcome = await card_rail_to(stub.port, client).authorize(card_request())
    assert outcome.kind is OutcomeKind.PENDING
    assert msgspec.to_builtins(outcome.next_action) == action


async def test_a_reversal_is_sent_like_a_void(stub: Stub, client: httpx.AsyncClient):
    request = ReverseRequest(
        reference="att_2", original_reference="att_1", amount_minor=5, currency="INR"
    )
    assert (await rail_to(stub.port, client).reverse(request)).kind is OutcomeKind.APPROVED
    head, _, body = stub.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /rails/upi_hdfc/reverse HTTP/1.1\r\n")
    assert json.loads(body) == {
        "reference": "att_2",
        "amount": 5,
        "currency": "INR",
        "original_reference": "att_1",
    }


DISPUTE = {
    "reference": "dsp_1",
    "original_reference": "att_1",
    "amount": 5_00,
    "currency": "INR",
    "reason_code": "10.4",
    "status": "open",
    "respond_by": "2026-12-06T10:00:00+05:30",
}


async def test_a_dispute(stub: Stub, client: httpx.AsyncClient):
    stub.behaviour = answer(200, {**DISPUTE, "arn": "we do not know this one"})
    found = await rail_to(stub.port, client).dispute("dsp_1")
    assert found == RailDispute(
        reference="dsp_1",
        original_reference="att_1",
        amount_minor=5_00,
        currency="INR",
        reason_code="10.4",
        status="open",
        respond_by=datetime(2026, 12, 6, 4, 30, tzinfo=UTC),
    )
    assert stub.requests[0].startswith(b"GET /rails/upi_hdfc/disputes/dsp_1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "behaviour",
    [
        *(row[1] for row in BAD),
        answer(404, {"status": "not_found"}),
        answer(200, {**DISPUTE, "reference": "dsp_2"}),
        *(
            answer(200, {**DISPUTE, **change})
            for change in (
                {"amount": 0},
                {"amount": -5},
                {"amount": 5.5},
                {"amount": "500"},
                {"amount": 10**16},
                {"currency": "rupees"},
                {"status": "settled"},
                {"respond_by": "2026-12-06T10:00:00"},
                {"respond_by": "soon"},
                {"reason_code": ""},
                {"original_reference": None},
            )
        ),
        *(
            answer(200, {name: value for name, value in DISPUTE.items() if name != left_out})
            for left_out in DISPUTE
        ),
    ],
)
async def test_a_dispute_that_cannot_be_read_is_none(
    stub: Stub, client: httpx.AsyncClient, behaviour: Behaviour
):
    stub.behaviour = behaviour
    assert await rail_to(stub.port, client).dispute("dsp_1") is None


@pytest.mark.parametrize(
    ("behaviour", "taken"),
    [
        (answer(200, {"status": "taken"}), True),
        *((row[1], False) for row in BAD),
        (answer(200, {"status": "refused"}), False),
        (answer(200, {}), False),
        (answer(409, {"status": "taken"}), False),
    ],
)
async def test_evidence_is_taken_when_the_rail_says_so(
    stub: Stub, client: httpx.AsyncClient, behaviour: Behaviour, taken: bool
):
    stub.behaviour = behaviour
    with structlog.testing.capture_logs() as lines:
        assert await rail_to(stub.port, client).contest("dsp_1", "signed by Asha") is taken
    head, _, body = stub.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /rails/upi_hdfc/disputes/dsp_1/evidence HTTP/1.1\r\n")
    assert json.loads(body) == {"evidence": "signed by Asha"}
    assert "Asha" not in repr(lines)


async def test_a_hint_names_a_dispute_and_no_other_path(stub: Stub, client: httpx.AsyncClient):
    stub.behaviour = answer(404, {})
    await rail_to(stub.port, client).dispute("../operations/att_1?x=1#y")
    line = stub.requests[0].partition(b"\r\n")[0]
    assert line == b"GET /rails/upi_hdfc/disputes/..%2Foperations%2Fatt_1%3Fx%3D1%23y HTTP/1.1"


async def test_members_we_do_not_know_are_left_alone(stub: Stub, client: httpx.AsyncClient):
    stub.behaviour = answer(200, {**APPROVED, "loyalty_points": 3})
    outcome = await rail_to(stub.port, client).authorize(upi_request())
    assert outcome.kind is OutcomeKind.APPROVED


async def test_a_card_is_clear_on_the_line_and_nowhere_else(stub: Stub, client: httpx.AsyncClient):
    stub.behaviour = answer(200, {**APPROVED, "status": "declined", "code": "05"})
    with structlog.testing.capture_logs() as lines:
        rail = rail_to(stub.port, client, Cards())
        request = card_request(cvc=SecurityCode("937"), cryptogram=Cryptogram(CRYPTOGRAM))
        outcome = await rail.authorize(request)
        stub.behaviour = answer(500, {"echo": f"{SECRET_PAN} 937 {CRYPTOGRAM}"})
        await rail.authorize(request)
    for secret in (SECRET_PAN, "937", CRYPTOGRAM):
        assert secret.encode() in stub.requests[0]
        assert secret not in f"{request!r} {outcome!r} {lines!r} {rail!r}"
    assert len(lines) == 1


@pytest.mark.parametrize("cards", [None, Cards(missing=True)])
async def test_a_card_that_cannot_be_read_sends_nothing(
    stub: Stub, client: httpx.AsyncClient, cards: Cards | None
):
    outcome = await rail_to(stub.port, client, cards).authorize(card_request())
    assert (outcome.kind, outcome.code) == (FAILED, "card_unavailable")
    assert stub.requests == []


async def test_what_a_rail_does_not_do_is_not_sent(stub: Stub, client: httpx.AsyncClient):
    bank = HttpRail("bank", f"http://127.0.0.1:{stub.port}", client=client, dialect="payout")
    capture = CaptureRequest(
        reference="att_2", original_reference="att_1", amount_minor=1, currency="INR"
    )
    assert (await bank.capture(capture)).code == "unsupported"
    assert stub.requests == []
