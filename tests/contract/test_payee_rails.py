"""Payouts and names over HTTP: what the bank is told, and how little of its answers is believed."""

import json

import httpx
import pytest

from online.rails.domain import (
    Beneficiary,
    NameFound,
    OutcomeKind,
    PayoutMode,
    PayoutRequest,
    VpaBeneficiary,
)
from online.rails.http_rail import HttpRail
from online.rails.registry import PAYOUT_RAIL, Rails
from tests.contract.test_http_rail import APPROVED, QUICK, Stub, answer
from tests.contract.test_http_rail import client as client  # noqa: PLC0414 - a fixture
from tests.contract.test_http_rail import stub as stub  # noqa: PLC0414 - a fixture
from tests.contract.test_rails import rails as rails  # noqa: PLC0414 - in the process and over HTTP
from tests.contract.test_rails import reference
from tests.contract.test_rails import sandbox as sandbox  # noqa: PLC0414 - a fixture
from tests.contract.test_rails import sandbox_data as sandbox_data  # noqa: PLC0414 - a fixture

pytestmark = pytest.mark.anyio

ASHA = VpaBeneficiary(vpa="asha@ybl", name="Asha Kulkarni")
STORES = Beneficiary(account="919020000001", ifsc="UTIB0000123", name="Sagar Kirana Stores")


def bank(stub: Stub, client: httpx.AsyncClient) -> HttpRail:
    url = f"http://127.0.0.1:{stub.port}/rails/bank_hdfc"
    return HttpRail("bank_hdfc", url, client=client, dialect="payout", limits=QUICK)


def sent(stub: Stub) -> tuple[str, dict[str, object]]:
    head, _, body = stub.requests[-1].partition(b"\r\n\r\n")
    return head.split(b" ")[1].decode(), json.loads(body)


async def test_a_payout_says_how_it_is_to_go(stub: Stub, client: httpx.AsyncClient):
    stub.behaviour = answer(200, {**APPROVED, "beneficiary_name": "ASHA KULKARNI"})
    request = PayoutRequest(
        reference="att_1",
        amount_minor=500,
        currency="INR",
        beneficiary=ASHA,
        mode="upi",
        purpose="15",
    )
    outcome = await bank(stub, client).payout(request)
    assert (outcome.kind, outcome.payee_name) == (OutcomeKind.APPROVED, "ASHA KULKARNI")
    assert sent(stub) == (
        "/rails/bank_hdfc/payout",
        {
            "reference": "att_1",
            "amount": 500,
            "currency": "INR",
            "beneficiary": {"vpa": "asha@ybl", "name": "Asha Kulkarni"},
            "mode": "upi",
            "purpose": "15",
        },
    )


async def test_a_settlement_leaves_the_way_to_the_bank(stub: Stub, client: httpx.AsyncClient):
    request = PayoutRequest(reference="att_1", amount_minor=500, currency="INR", beneficiary=STORES)
    await bank(stub, client).payout(request)
    _, body = sent(stub)
    assert body.keys() == {"reference", "amount", "currency", "beneficiary"}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (answer(200, {"name": "ASHA KULKARNI"}), NameFound(name="ASHA KULKARNI")),
        (answer(404, {"status": "not_found"}), NameFound(name=None)),
        (answer(404, b"<html>", content_type="text/html"), None),
        (answer(404, {"status": "gone"}), None),
        (answer(500, {"name": "ASHA KULKARNI"}), None),
        (answer(200, {"name": ""}), None),
        (answer(200, {"name": 7}), None),
        (answer(200, {"name": "x" * 201}), None),
        (answer(200, b"\xff"), None),
    ],
)
async def test_a_name_is_believed_as_a_whole_or_not(said, found, stub, client):
    stub.behaviour = said
    assert await bank(stub, client).name_of(ASHA) == found
    path, body = sent(stub)
    assert path == "/rails/bank_hdfc/names"
    assert body == {"beneficiary": {"vpa": "asha@ybl", "name": "Asha Kulkarni"}}


async def test_a_bank_that_is_not_there_tells_no_name(client: httpx.AsyncClient):
    rail = HttpRail("b", "http://127.0.0.1:1/b", client=client, dialect="payout", limits=QUICK)
    assert await rail.name_of(STORES) is None


@pytest.mark.parametrize("payee", [ASHA, STORES, NameFound(name="Asha Kulkarni")])
def test_nothing_personal_prints(payee):
    printed = repr(payee).lower()
    assert not any(word in printed for word in ("asha", "kulkarni", "919020000001", "sagar"))


# ── the sandbox's bank, and the rail in the process, which knows the same payees ─────────


def to(address: str) -> Beneficiary | VpaBeneficiary:
    if "@" in address:
        return VpaBeneficiary(vpa=address, name="Asha Kulkarni")
    return Beneficiary(account=address, ifsc="UTIB0000123", name="Asha Kulkarni")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("asha@ybl", "Asha Kulkarni"),
        ("919020000001", "Asha Kulkarni"),
        ("stranger@khata", "Somebody Else"),
        ("9990000777", "Somebody Else"),
        ("nobody@khata", None),
        ("9990000404", None),
    ],
)
async def test_whose_account_it_is(rails: Rails, address: str, name: str | None):
    assert await rails[PAYOUT_RAIL].name_of(to(address)) == NameFound(name=name)


@pytest.mark.parametrize(
    ("address", "mode", "digits"),
    [
        ("asha@ybl", "upi", 12),
        ("919020000001", "imps", 12),
        ("919020000001", "neft", 16),
        ("919020000001", "rtgs", 22),
    ],
)
async def test_a_number_has_the_form_of_its_way(
    rails: Rails, address: str, mode: PayoutMode, digits: int
):
    request = PayoutRequest(
        reference=reference(),
        amount_minor=20_000_000,
        currency="INR",
        beneficiary=to(address),
        mode=mode,
    )
    rail = rails[PAYOUT_RAIL]
    outcome = await rail.payout(request)
    assert outcome.kind is OutcomeKind.APPROVED
    assert len(outcome.rail_reference or "") == digits
    assert outcome.payee_name == "Asha Kulkarni"
    again = await rail.enquire(request.reference)
    assert (again.rail_reference, again.payee_name) == (
        outcome.rail_reference,
        outcome.payee_name,
    )


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("decline@khata", OutcomeKind.DECLINED),
        ("nobody@khata", OutcomeKind.DECLINED),
        ("9990000405", OutcomeKind.DECLINED),
        ("technical_decline@khata", OutcomeKind.FAILED),
        ("debit_without_credit@khata", OutcomeKind.UNKNOWN),
    ],
)
async def test_what_paying_to_some_comes_to(rails: Rails, address: str, kind: OutcomeKind):
    request = PayoutRequest(
        reference=reference(), amount_minor=5_000, currency="INR", beneficiary=to(address)
    )
    outcome = await rails[PAYOUT_RAIL].payout(request)
    assert (outcome.kind, outcome.payee_name) == (kind, None)
