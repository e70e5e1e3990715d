"""What every rail does: one suite for the in-process rail and for a rail over HTTP.

The HTTP rail talks to the sandbox banks in a process of their own.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import httpx
import msgspec
import pytest

from online.kernel import ids
from online.kernel.clock import SystemClock
from online.platform.settings import ROOT, load_settings
from online.rails.domain import (
    AuthorizeRequest,
    Beneficiary,
    CaptureRequest,
    CardReference,
    Operation,
    Outcome,
    OutcomeKind,
    PayoutRequest,
    Rail,
    RefundRequest,
    Upi,
    VoidRequest,
)
from online.rails.http_rail import Timeouts
from online.rails.registry import Rails, http_rails, in_process_rails

pytestmark = pytest.mark.anyio

MERCHANT = UUID(int=1)
CARDS = {
    UUID(int=10): "4242424242424242",
    UUID(int=11): "4000000000000002",
    UUID(int=12): "4000000000009995",
    UUID(int=13): "4000000000000119",
}
OK_CARD, DECLINED_CARD, POOR_CARD, BROKEN_CARD = CARDS


class Shown(msgspec.Struct, frozen=True):
    text: str

    def reveal(self) -> str:
        return self.text


class ClearCard(msgspec.Struct, frozen=True):
    pan: Shown
    exp_month: int = 12
    exp_year: int = 2035


class Cards:
    async def reveal(self, token_id: UUID, merchant_id: UUID) -> ClearCard:
        assert merchant_id == MERCHANT
        return ClearCard(Shown(CARDS[token_id]))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, data = _free_port(), tmp_path_factory.mktemp("sandbox")
    command = [sys.executable, "-m", "online.sandbox", "serve", "--port", str(port)]
    options = ["--data", str(data), "--hold-s", "4", "--pending-s", "1"]
    process = subprocess.Popen([*command, *options], cwd=ROOT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    with httpx.Client(transport=httpx.HTTPTransport(retries=20), timeout=10) as client:
        for _ in range(100):
            assert process.poll() is None, "the sandbox did not start"
            try:
                client.get(url).raise_for_status()
            except httpx.HTTPError:
                continue
            return
    pytest.fail("the sandbox does not answer")


@pytest.fixture(params=["in_process", "http"])
async def rails(request: pytest.FixtureRequest) -> AsyncIterator[Rails]:
    routes = load_settings(environ={}).payment_routes
    if request.param == "in_process":
        yield in_process_rails(routes, Cards())
        return
    base = request.getfixturevalue("sandbox")
    moved = [msgspec.structs.replace(r, url=f"{base}/rails/{r.name}") for r in routes]
    found = http_rails(moved, Cards(), timeouts=Timeouts(read_s=1))
    yield found
    await found.close()


def reference() -> str:
    return ids.encode("att", ids.new(SystemClock().now()))


def upi(vpa: str | None, *, flow: str = "collect", **changes: object) -> AuthorizeRequest:
    fields: dict[str, object] = {
        "reference": reference(),
        "amount_minor": 499_00,
        "currency": "INR",
        "capture": True,
        "upi": Upi(flow=flow, payee_vpa="khata@hdfc", payer_vpa=vpa),  # type: ignore[arg-type]
    }
    return AuthorizeRequest(**{**fields, **changes})  # type: ignore[arg-type]


def card(token: UUID, *, capture: bool = True) -> AuthorizeRequest:
    return AuthorizeRequest(
        reference=reference(),
        amount_minor=499_00,
        currency="INR",
        capture=capture,
        card=CardReference(token_id=token, merchant_id=MERCHANT),
    )


@pytest.mark.parametrize(
    ("vpa", "kind", "decline_code"),
    [
        ("asha@ybl", OutcomeKind.APPROVED, None),
        ("decline@khata", OutcomeKind.DECLINED, "declined_by_payer"),
        ("insufficient@khata", OutcomeKind.DECLINED, "insufficient_funds"),
        ("wrongpin@khata", OutcomeKind.DECLINED, "incorrect_pin"),
        ("techfail@khata", OutcomeKind.FAILED, "psp_timeout"),
    ],
)
async def test_upi(rails: Rails, vpa: str, kind: OutcomeKind, decline_code: str | None):
    request = upi(vpa)
    outcome = await rails["upi_hdfc"].authorize(request)
    assert (outcome.kind, outcome.decline_code) == (kind, decline_code)
    assert outcome.is_final
    assert outcome.message
    if kind is OutcomeKind.APPROVED:
        assert outcome.rail_reference is not None
        assert len(outcome.rail_reference) == 12
        assert outcome.rail_reference.isdecimal()
    assert same(await rails["upi_hdfc"].enquire(request.reference), outcome)


@pytest.mark.parametrize(
    ("token", "kind", "decline_code"),
    [
        (OK_CARD, OutcomeKind.APPROVED, None),
        (DECLINED_CARD, OutcomeKind.DECLINED, "do_not_honour"),
        (POOR_CARD, OutcomeKind.DECLINED, "insufficient_funds"),
        (BROKEN_CARD, OutcomeKind.FAILED, "system_malfunction"),
    ],
)
async def test_card(rails: Rails, token: UUID, kind: OutcomeKind, decline_code: str | None):
    outcome = await rails["card_a"].authorize(card(token))
    assert (outcome.kind, outcome.decline_code) == (kind, decline_code)


async def test_the_same_reference_is_the_same_answer(rails: Rails):
    request = upi("asha@ybl")
    first = await rails["upi_hdfc"].authorize(request)
    again = await rails["upi_hdfc"].authorize(request)
    assert same(first, again)


async def test_no_answer_is_unknown_and_an_enquiry_tells(rails: Rails):
    request = upi("timeout@khata")
    outcome = await rails["upi_hdfc"].authorize(request)
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert not outcome.is_final
    assert (await rails["upi_hdfc"].enquire(request.reference)).kind is OutcomeKind.APPROVED


async def test_lost_on_the_way_is_unknown_and_then_not_found(rails: Rails):
    request = upi("lost@khata")
    assert (await rails["upi_hdfc"].authorize(request)).kind is OutcomeKind.UNKNOWN
    found = await rails["upi_hdfc"].enquire(request.reference)
    assert found.kind is OutcomeKind.NOT_FOUND
    assert not found.is_final


async def test_pending_ends_later(rails: Rails):
    request = upi("pending@khata")
    outcome = await rails["upi_hdfc"].authorize(request)
    assert outcome.kind is OutcomeKind.PENDING
    assert outcome.decline_code is None
    await asyncio.sleep(1.2)
    assert (await rails["upi_hdfc"].enquire(request.reference)).kind is OutcomeKind.APPROVED


async def test_authorize_then_capture_and_refund(rails: Rails):
    rail = rails["card_a"]
    authorized = card(OK_CARD, capture=False)
    assert (await rail.authorize(authorized)).kind is OutcomeKind.APPROVED
    captured = CaptureRequest(
        reference=reference(),
        original_reference=authorized.reference,
        amount_minor=400_00,
        currency="INR",
    )
    assert (await rail.capture(captured)).kind is OutcomeKind.APPROVED
    refund = RefundRequest(
        reference=reference(),
        original_reference=captured.reference,
        amount_minor=100_00,
        currency="INR",
    )
    assert (await rail.refund(refund)).kind is OutcomeKind.APPROVED


async def test_authorize_then_void(rails: Rails):
    rail = rails["card_b"]
    authorized = card(OK_CARD, capture=False)
    await rail.authorize(authorized)
    void = VoidRequest(
        reference=reference(),
        original_reference=authorized.reference,
        amount_minor=authorized.amount_minor,
        currency="INR",
    )
    assert (await rail.void(void)).kind is OutcomeKind.APPROVED


async def test_payout(rails: Rails):
    payout = PayoutRequest(
        reference=reference(),
        amount_minor=1_000_00,
        currency="INR",
        beneficiary=Beneficiary(account="001234567890", ifsc="HDFC0000240", name="Chai Point"),
    )
    outcome = await rails["bank_hdfc"].payout(payout)
    assert outcome.kind is OutcomeKind.APPROVED
    assert outcome.rail_reference


async def test_what_nobody_knows_is_not_found(rails: Rails):
    assert (await rails["upi_icici"].enquire(reference())).kind is OutcomeKind.NOT_FOUND


async def test_every_configured_route_has_its_rail(rails: Rails):
    assert rails.names == ["upi_hdfc", "upi_icici", "card_a", "card_b", "bank_hdfc"]
    for name in rails.names:
        rail: Rail = rails[name]
        assert rail.name == name
        assert rail.capabilities <= frozenset(Operation)


def same(one: Outcome, other: Outcome) -> bool:
    return (one.kind, one.code, one.rail_reference) == (
        other.kind,
        other.code,
        other.rail_reference,
    )
