"""What every rail does: one suite for the in-process rail and for a rail over HTTP.

The HTTP rail talks to the sandbox banks in a process of their own.
"""

import asyncio
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from online.kernel import ids
from online.kernel.clock import SystemClock, business_date
from online.platform.settings import ROOT, load_settings
from online.rails.domain import (
    AuthorizeRequest,
    Beneficiary,
    CaptureRequest,
    CardReference,
    MandateRequest,
    MandateRevokeRequest,
    Operation,
    Outcome,
    OutcomeKind,
    PayoutRequest,
    Rail,
    RefundRequest,
    ReverseRequest,
    Upi,
    VoidRequest,
)
from online.rails.in_process import InProcessRail
from online.rails.mandates import MandateTerms
from online.rails.registry import Rails, http_rails, in_process_rails

pytestmark = pytest.mark.anyio

MERCHANT = UUID(int=1)
CARDS = {
    UUID(int=10): "4242424242424242",
    UUID(int=11): "4000000000000002",
    UUID(int=12): "4000000000009995",
    UUID(int=13): "4000000000000119",
    UUID(int=14): "4000000000003220",
    UUID(int=15): "4000000000003063",
    UUID(int=16): "4000000000000259",
    UUID(int=17): "4000000000000101",
    UUID(int=18): "4000000000000010",
    UUID(int=19): "5555555555554444",
}
OK_CARD, DECLINED_CARD, POOR_CARD, BROKEN_CARD = list(CARDS)[:4]
CHALLENGED, FRICTIONLESS, DISPUTED, WRONG_CVC, WRONG_ADDRESS, OTHER_NETWORK = list(CARDS)[4:]


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
def sandbox_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def sandbox(sandbox_data: Path) -> Iterator[str]:
    port, data = _free_port(), sandbox_data
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
    settings = load_settings(environ={"KHATA_RAILS__READ_MS": "1000"})
    routes = settings.payment_routes
    if request.param == "in_process":
        yield in_process_rails(routes, Cards())
        return
    base = request.getfixturevalue("sandbox")
    moved = [msgspec.structs.replace(r, url=f"{base}/rails/{r.name}") for r in routes]
    found = http_rails(moved, Cards(), settings.rails)
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


def card(
    token: UUID, *, capture: bool = True, amount: int = 499_00, **fields: str
) -> AuthorizeRequest:
    secrets = {name: Shown(text) if name != "eci" else text for name, text in fields.items()}
    return AuthorizeRequest(
        reference=reference(),
        amount_minor=amount,
        currency="INR",
        capture=capture,
        card=CardReference(token_id=token, merchant_id=MERCHANT, **secrets),  # type: ignore[arg-type]
        return_url="https://shop.example/done",
    )


def refund_of(paid: AuthorizeRequest, amount: int) -> RefundRequest:
    return RefundRequest(
        reference=reference(),
        original_reference=paid.reference,
        amount_minor=amount,
        currency="INR",
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


async def decide(rail: Rail, request: AuthorizeRequest, *, approves: bool) -> None:
    """The payer presses a button on the page; without pages, the rail is told."""
    if isinstance(rail, InProcessRail):
        rail.resolve(request.reference, approves=approves)
        return
    action = (await rail.enquire(request.reference)).next_action
    assert action is not None
    async with httpx.AsyncClient(trust_env=False) as browser:
        page = await browser.get(action.link)
        assert page.status_code == 200
        said = {"result": "approve" if approves else "fail"}
        answer = await browser.post(action.link, data=said)
    assert (answer.status_code, answer.headers["location"]) == (303, action.return_url)


@pytest.mark.parametrize(
    ("approves", "kind", "code", "decline_code", "eci", "authentication"),
    [
        (True, OutcomeKind.APPROVED, "00", None, "05", "challenged"),
        (False, OutcomeKind.DECLINED, "3DS-N", "authentication_failed", "07", "failed"),
    ],
)
async def test_a_challenge(
    rails: Rails,
    approves: bool,
    kind: OutcomeKind,
    code: str,
    decline_code: str | None,
    eci: str,
    authentication: str,
):
    rail, request = rails["card_a"], card(CHALLENGED, cvc="123")
    waiting = await rail.authorize(request)
    assert (waiting.kind, waiting.checks) == (OutcomeKind.PENDING, None)
    assert waiting.next_action is not None
    assert (waiting.next_action.type, waiting.next_action.return_url) == (
        "redirect",
        "https://shop.example/done",
    )
    assert (await rail.enquire(request.reference)).kind is OutcomeKind.PENDING
    await decide(rail, request, approves=approves)
    outcome = await rail.enquire(request.reference)
    assert (outcome.kind, outcome.code, outcome.decline_code) == (kind, code, decline_code)
    assert outcome.checks is not None
    assert (outcome.checks.eci, outcome.checks.authentication) == (eci, authentication)
    assert outcome.next_action is None


@pytest.mark.parametrize(
    ("token", "checks", "decline_code"),
    [
        (OK_CARD, ("U", "M", "07", "none"), None),
        (OTHER_NETWORK, ("U", "M", "00", "none"), None),
        (FRICTIONLESS, ("U", "M", "05", "frictionless"), None),
        (WRONG_ADDRESS, ("N", "M", "07", "none"), None),
        (WRONG_CVC, ("U", "N", "07", "none"), "incorrect_cvc"),
        (DECLINED_CARD, ("U", "M", "07", "none"), "do_not_honour"),
        (BROKEN_CARD, None, "system_malfunction"),
    ],
)
async def test_what_the_issuer_found(
    rails: Rails, token: UUID, checks: tuple[str, ...] | None, decline_code: str | None
):
    outcome = await rails["card_b"].authorize(card(token, cvc="123"))
    assert outcome.decline_code == decline_code
    assert (outcome.checks and msgspec.structs.astuple(outcome.checks)) == checks
    assert outcome.funding is None


async def test_a_network_token(rails: Rails):
    request = card(OK_CARD, cryptogram="AJkBAAAAAAAAAAAAAAAAAAAAAAAA", eci="05")
    outcome = await rails["card_a"].authorize(request)
    assert outcome.checks is not None
    assert (outcome.checks.cvc, outcome.checks.eci) == ("P", "05")


@pytest.mark.parametrize(
    ("vpa", "funding"),
    [
        ("asha@ybl", "bank"),
        ("credit@khata", "rupay_credit"),
        ("wallet@khata", "ppi"),
        ("creditline@khata", "credit_line"),
        ("decline@khata", None),
    ],
)
async def test_where_a_upi_payment_comes_from(rails: Rails, vpa: str, funding: str | None):
    outcome = await rails["upi_icici"].authorize(upi(vpa))
    assert (outcome.funding, outcome.checks) == (funding, None)


async def test_the_link_of_a_upi_payment_is_not_the_rail_s_to_make(rails: Rails):
    outcome = await rails["upi_hdfc"].authorize(upi("pending@khata", flow="qr"))
    assert (outcome.kind, outcome.next_action) == (OutcomeKind.PENDING, None)


@pytest.mark.parametrize(
    ("name", "paid"), [("upi_hdfc", upi("asha@ybl")), ("card_a", card(OK_CARD))]
)
async def test_a_reversal(rails: Rails, name: str, paid: AuthorizeRequest):
    rail = rails[name]
    paid = msgspec.structs.replace(paid, reference=reference())
    await rail.authorize(paid)
    request = ReverseRequest(
        reference=reference(),
        original_reference=paid.reference,
        amount_minor=paid.amount_minor,
        currency="INR",
    )
    outcome = await rail.reverse(request)
    assert outcome.kind is OutcomeKind.APPROVED
    assert same(await rail.enquire(request.reference), outcome)
    assert same(await rail.reverse(request), outcome)


@pytest.mark.parametrize(
    ("name", "amount", "kind", "decline_code"),
    [
        ("upi_hdfc", 100_160, OutcomeKind.APPROVED, None),
        ("card_a", 100_160, OutcomeKind.APPROVED, None),
        ("upi_hdfc", 100_161, OutcomeKind.DECLINED, "account_blocked"),
        ("card_a", 100_161, OutcomeKind.DECLINED, "closed_account"),
    ],
)
async def test_a_refund_that_ends_later(
    rails: Rails, name: str, amount: int, kind: OutcomeKind, decline_code: str | None
):
    rail = rails[name]
    paid = card(OK_CARD, amount=150_000) if name == "card_a" else upi("a@ybl", amount_minor=150_000)
    await rail.authorize(paid)
    request = refund_of(paid, amount)
    assert (await rail.refund(request)).kind is OutcomeKind.PENDING
    await asyncio.sleep(1.2)
    ended = await rail.enquire(request.reference)
    assert (ended.kind, ended.decline_code) == (kind, decline_code)


@pytest.mark.parametrize(
    ("amount", "at_once", "later"),
    [
        (100_151, OutcomeKind.DECLINED, OutcomeKind.DECLINED),
        (100_167, OutcomeKind.UNKNOWN, OutcomeKind.DECLINED),
        (100_168, OutcomeKind.UNKNOWN, OutcomeKind.APPROVED),
    ],
)
async def test_refunds_of_magic_amounts(
    rails: Rails, amount: int, at_once: OutcomeKind, later: OutcomeKind
):
    rail, paid = rails["card_a"], card(OK_CARD, amount=150_000)
    await rail.authorize(paid)
    request = refund_of(paid, amount)
    assert (await rail.refund(request)).kind is at_once
    assert (await rail.enquire(request.reference)).kind is later


async def test_a_void_ends_the_wait_for_the_payer(rails: Rails):
    rail, waiting = rails["card_a"], card(CHALLENGED)
    await rail.authorize(waiting)
    void = VoidRequest(
        reference=reference(),
        original_reference=waiting.reference,
        amount_minor=waiting.amount_minor,
        currency="INR",
    )
    assert (await rail.void(void)).kind is OutcomeKind.APPROVED
    ended = await rail.enquire(waiting.reference)
    assert (ended.kind, ended.decline_code) == (OutcomeKind.DECLINED, "canceled")


async def test_a_dispute(rails: Rails, request: pytest.FixtureRequest):
    rail, paid = rails["card_a"], card(DISPUTED, capture=False)
    known = f"dsp_{paid.reference.removeprefix('att_')}"
    await rail.authorize(paid)
    assert await rail.dispute(known) is None
    capture = CaptureRequest(
        reference=reference(),
        original_reference=paid.reference,
        amount_minor=400_00,
        currency="INR",
    )
    await rail.capture(capture)
    dispute = await rail.dispute(known)
    assert dispute is not None
    assert (dispute.reference, dispute.original_reference) == (known, paid.reference)
    assert (dispute.amount_minor, dispute.currency) == (400_00, "INR")
    assert (dispute.reason_code, dispute.status) == ("10.4", "open")
    assert dispute.respond_by > SystemClock().now()
    for _ in range(2):
        assert await rail.contest(known, "parcel signed for on 12 November")
    if isinstance(rail, InProcessRail):
        rail.decide_dispute(known, "won")
    else:
        banks = request.getfixturevalue("sandbox")
        async with httpx.AsyncClient(base_url=banks, trust_env=False) as admin:
            assert (await admin.post(f"/admin/disputes/{known}/won")).status_code == 200
    decided = await rail.dispute(known)
    assert decided == msgspec.structs.replace(dispute, status="won")
    assert not await rail.contest(known, "too late")


@pytest.mark.parametrize("name", ["dsp_nobody", "..", "a/b?c#d", "\x00", "é" * 50])
async def test_a_dispute_that_nobody_knows(rails: Rails, name: str):
    assert await rails["card_a"].dispute(name) is None
    assert not await rails["card_a"].contest(name, "evidence")


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


ALL_RAILS = ("upi_hdfc", "upi_icici", "card_a", "card_b", "bank_hdfc")
every_rail = pytest.mark.parametrize("name", ALL_RAILS)
every_operation = pytest.mark.parametrize("operation", list(Operation))


def mandate(vpa: str | None = "asha@ybl", **changes: object) -> MandateRequest:
    """Up to Rs 499 a month, for as long as these tests run."""
    today = business_date(SystemClock().now())
    fields: dict[str, object] = {
        "reference": reference(),
        "amount_minor": 499_00,
        "currency": "INR",
        "upi": Upi(
            flow="collect" if vpa else "intent",
            payee_vpa="chai@khata",
            payer_vpa=vpa,
            payee_name="Chai Point",
            mcc="5814",
        ),
        "terms": MandateTerms(
            amount_rule="max",
            frequency="monthly",
            start_on=today - timedelta(days=1),
            end_on=today + timedelta(days=31),
            name="Magazine",
            debit_rule="on",
            debit_day=5,
        ),
        **changes,
    }
    return MandateRequest(**fields)  # type: ignore[arg-type]


async def payment_on(rail: Rail, *, capture: bool = True) -> AuthorizeRequest | None:
    """An authorization that went well, where the rail makes any."""
    if Operation.AUTHORIZE not in rail.capabilities:
        return None
    paid = upi("asha@ybl") if rail.name.startswith("upi") else card(OK_CARD, capture=capture)
    assert (await rail.authorize(paid)).kind is OutcomeKind.APPROVED
    return paid


async def asked(
    rail: Rail, operation: Operation, amount: int = 499_00
) -> tuple[Callable[..., Awaitable[Outcome]], Any]:
    """The method and a request that a rail with this capability approves."""
    follows = {"reference": reference(), "amount_minor": amount, "currency": "INR"}
    if operation is Operation.AUTHORIZE:
        fresh = upi("asha@ybl") if not rail.name.startswith("card") else card(OK_CARD)
        return rail.authorize, msgspec.structs.replace(fresh, amount_minor=amount)
    if operation is Operation.PAYOUT:
        who = Beneficiary(account="001234567890", ifsc="HDFC0000240", name="Chai Point")
        return rail.payout, PayoutRequest(**follows, beneficiary=who)  # type: ignore[arg-type]
    if operation is Operation.MANDATE:
        return rail.create_mandate, mandate(amount_minor=amount)
    if operation is Operation.MANDATE_REVOKE:
        permitted = mandate()
        await rail.create_mandate(permitted)
        follows["original_reference"] = permitted.reference
        return rail.revoke_mandate, MandateRevokeRequest(**follows)  # type: ignore[arg-type]
    waits = operation in (Operation.CAPTURE, Operation.VOID)
    paid = await payment_on(rail, capture=not waits)
    follows["original_reference"] = paid.reference if paid else reference()
    kinds: dict[Operation, Any] = {
        Operation.CAPTURE: (rail.capture, CaptureRequest),
        Operation.VOID: (rail.void, VoidRequest),
        Operation.REVERSE: (rail.reverse, ReverseRequest),
        Operation.REFUND: (rail.refund, RefundRequest),
    }
    method, kind = kinds[operation]
    return method, kind(**follows)


@every_rail
@every_operation
async def test_a_rail_does_what_it_can_and_nothing_else(
    rails: Rails, name: str, operation: Operation
):
    """Once for a reference, however often it comes; what it cannot do never leaves the house."""
    rail = rails[name]
    method, request = await asked(rail, operation)
    outcome = await method(request)
    if operation not in rail.capabilities:
        assert (outcome.kind, outcome.code) == (OutcomeKind.FAILED, "unsupported")
        assert (await rail.enquire(request.reference)).kind is OutcomeKind.NOT_FOUND
        return
    assert outcome.is_final
    assert same(await method(request), outcome)
    assert same(await rail.enquire(request.reference), outcome)


@every_rail
async def test_a_reference_that_comes_with_another_request_changes_nothing(rails: Rails, name: str):
    rail = rails[name]
    operation = Operation.PAYOUT if name.startswith("bank") else Operation.AUTHORIZE
    method, request = await asked(rail, operation)
    first = await method(request)
    other = await method(msgspec.structs.replace(request, amount_minor=1_00))
    assert (other.kind, other.code) == (OutcomeKind.FAILED, "rejected")
    assert same(await rail.enquire(request.reference), first)


@every_rail
@pytest.mark.parametrize("at_once", [2, 8])
async def test_the_same_reference_at_once_takes_effect_once(
    rails: Rails, name: str, at_once: int, request: pytest.FixtureRequest
):
    rail = rails[name]
    operation = Operation.PAYOUT if name.startswith("bank") else Operation.AUTHORIZE
    method, once = await asked(rail, operation)
    outcomes = await asyncio.gather(*(method(once) for _ in range(at_once)))
    assert all(same(outcome, outcomes[0]) for outcome in outcomes)
    if isinstance(rail, InProcessRail):
        return
    assert movements_of(request.getfixturevalue("sandbox_data"), once.reference) == 1


@every_rail
async def test_an_enquiry_about_nothing_is_not_found_and_changes_nothing(rails: Rails, name: str):
    unknown = reference()
    for _ in range(2):
        assert (await rails[name].enquire(unknown)).kind is OutcomeKind.NOT_FOUND


def movements_of(data: Path, reference: str) -> int:
    """Lines of money in the bank's own records."""
    with closing(sqlite3.connect(f"file:{data / 'bank.sqlite'}?mode=ro", uri=True)) as records:
        sql = "select count(*) from movements where reference = ?"
        return int(records.execute(sql, [reference]).fetchone()[0])


async def test_every_configured_route_has_its_rail(rails: Rails):
    assert rails.names == list(ALL_RAILS)
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
