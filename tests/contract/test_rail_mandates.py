"""Mandates at every rail by UPI: one suite for the in-process rail and the sandbox over HTTP."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest

from online.kernel import ids
from online.kernel.clock import SystemClock, business_date
from online.rails.domain import (
    AuthorizeRequest,
    MandateRequest,
    MandateRevokeRequest,
    OutcomeKind,
    Rail,
    Upi,
)
from online.rails.in_process import InProcessRail
from online.rails.mandates import MandateNotice
from online.rails.registry import Rails
from tests.contract.test_rails import mandate, rails, reference, sandbox, sandbox_data

__all__ = ["rails", "sandbox", "sandbox_data"]  # fixtures of these tests, too
pytestmark = pytest.mark.anyio

K = OutcomeKind


@pytest.fixture
def rail(rails: Rails) -> Rail:
    return rails["upi_hdfc"]


@pytest.fixture
def payer(rail: Rail, request: pytest.FixtureRequest) -> "Payer":
    url = "" if isinstance(rail, InProcessRail) else request.getfixturevalue("sandbox")
    return Payer(rail, url)


class Payer:
    """What payers do in their apps."""

    def __init__(self, rail: Rail, url: str) -> None:
        self._rail = rail
        self._url = url

    async def does(self, action: str, reference: str) -> None:
        if isinstance(self._rail, InProcessRail):
            status: Any = {"pause": "paused", "resume": "active", "revoke": "revoked"}[action]
            self._rail.mandates.set_status(reference, status)
            return
        await self._post(f"/payer/mandates/{action}", reference)

    async def approves(self, reference: str) -> None:
        if not isinstance(self._rail, InProcessRail):
            await self._post("/payer/approve", reference)

    async def _post(self, path: str, reference: str) -> None:
        async with httpx.AsyncClient(base_url=self._url) as client:
            (await client.post(path, json={"reference": reference})).raise_for_status()


def debit(of: MandateRequest, amount: int = 400_00, *, factor: bool = False) -> AuthorizeRequest:
    return AuthorizeRequest(
        reference=reference(),
        amount_minor=amount,
        currency="INR",
        capture=True,
        upi=Upi(
            flow="collect",
            payee_vpa="chai@khata",
            mandate=of.reference,
            factor_required=factor,
        ),
    )


def revocation(of: MandateRequest) -> MandateRevokeRequest:
    return MandateRevokeRequest(
        reference=reference(),
        original_reference=of.reference,
        amount_minor=of.amount_minor,
        currency="INR",
    )


async def permitted(rail: Rail, **changes: object) -> MandateRequest:
    asked = mandate(**changes)  # type: ignore[arg-type]
    assert (await rail.create_mandate(asked)).kind is K.APPROVED
    return asked


async def ended(rail: Rail, of: str, *, ticks: int = 40) -> OutcomeKind:
    """What an operation comes to that ends by itself."""
    for _ in range(ticks):
        found = await rail.enquire(of)
        if found.is_final:
            return found.kind
        await asyncio.sleep(0.1)
    return found.kind


@pytest.mark.parametrize(
    ("vpa", "kind", "code"),
    [
        ("asha@ybl", K.APPROVED, "00"),
        ("decline@khata", K.DECLINED, "ZA"),
        ("technical_decline@khata", K.FAILED, "UP"),
        ("pending_then_success@khata", K.PENDING, "01"),
        ("mandate.insufficient_funds@khata", K.APPROVED, "00"),
    ],
)
async def test_what_the_payer_answers(rail: Rail, vpa: str, kind: OutcomeKind, code: str):
    asked = mandate(vpa)
    outcome = await rail.create_mandate(asked)
    assert (outcome.kind, outcome.code) == (kind, code)
    again = await rail.create_mandate(asked)
    assert (again.kind, again.rail_reference) == (outcome.kind, outcome.rail_reference)


async def test_one_that_waits_has_a_link_for_the_payer(rail: Rail, payer: Payer):
    asked = mandate(None)
    outcome = await rail.create_mandate(asked)
    if isinstance(rail, InProcessRail):
        assert outcome.kind is K.APPROVED  # nobody is waited for in the process
        return
    assert outcome.kind is K.PENDING
    action = outcome.next_action
    assert action is not None
    link = urlsplit(action.link)
    fields = {name: values[0] for name, values in parse_qs(link.query).items()}
    assert (link.scheme, link.netloc) == ("upi", "mandate")
    day = f"{business_date(SystemClock().now()) - timedelta(days=1):%d%m%Y}"
    assert fields.items() >= {
        "pa": "chai@khata", "pn": "Chai Point", "mc": "5814", "am": "499.00", "cu": "INR",
        "amrule": "MAX", "recur": "MONTHLY", "recurvalue": "5", "recurtype": "ON", "rev": "Y",
        "mode": "11", "purpose": "14", "txnType": "CREATE", "validitystart": day,
        "tr": asked.reference,
    }.items()  # fmt: skip
    found = await rail.mandate(asked.reference)
    assert found is not None
    assert found.status == "pending"
    assert (await rail.authorize(debit(asked))).code == "25"  # not permitted yet
    await payer.approves(asked.reference)
    assert (await rail.enquire(asked.reference)).kind is K.APPROVED
    assert (await rail.authorize(debit(asked))).kind is K.APPROVED


async def test_a_debit_within_the_mandate(rail: Rail, request: pytest.FixtureRequest):
    asked = await permitted(rail)
    once = debit(asked)
    outcome = await rail.authorize(once)
    assert outcome.kind is K.APPROVED
    assert (await rail.authorize(once)).rail_reference == outcome.rail_reference
    assert (await rail.enquire(once.reference)).kind is K.APPROVED
    if isinstance(rail, InProcessRail):
        return
    assert movements(request, once.reference) == [("PAY", 400_00)]
    assert movements(request, asked.reference) == []


def movements(request: pytest.FixtureRequest, of: str) -> list[tuple[str, int]]:
    data = request.getfixturevalue("sandbox_data") / "bank.sqlite"
    with closing(sqlite3.connect(f"file:{data}?mode=ro", uri=True)) as records:
        sql = "select type, amount from movements where reference = ?"
        return list(records.execute(sql, [of]))


@pytest.mark.parametrize(("amount", "code"), [(499_00, "00"), (499_01, "61"), (1, "00")])
async def test_never_more_than_was_permitted(rail: Rail, amount: int, code: str):
    asked = await permitted(rail)
    assert (await rail.authorize(debit(asked, amount))).code == code


async def test_an_exact_amount_is_exact(rail: Rail):
    exact = msgspec.structs.replace(mandate().terms, amount_rule="exact")
    asked = await permitted(rail, terms=exact)
    assert (await rail.authorize(debit(asked, 498_99))).code == "61"
    assert (await rail.authorize(debit(asked, 499_00))).code == "00"


async def test_a_debit_with_the_payers_pin_waits_for_it(rail: Rail, payer: Payer):
    asked = await permitted(rail)
    once = debit(asked, factor=True)
    assert (await rail.authorize(once)).kind is K.PENDING
    await payer.approves(once.reference)
    assert await ended(rail, once.reference) is K.APPROVED


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("insufficient_funds", [K.DECLINED, K.DECLINED]),
        ("technical_decline", [K.FAILED, K.FAILED]),
        ("recovers", [K.DECLINED, K.APPROVED]),
        ("approve", [K.APPROVED, K.APPROVED]),
    ],
)
async def test_debits_behave_as_the_payers_vpa_says(
    rail: Rail, name: str, kinds: list[OutcomeKind]
):
    asked = await permitted(rail, vpa=f"mandate.{name}@khata")
    assert [(await rail.authorize(debit(asked))).kind for _ in kinds] == kinds


async def test_no_answer_to_a_debit_is_unknown_and_an_enquiry_tells(rail: Rail):
    asked = await permitted(rail, vpa="mandate.success_then_timeout@khata")
    once = debit(asked)
    assert (await rail.authorize(once)).kind is K.UNKNOWN
    assert await ended(rail, once.reference) is K.APPROVED


@pytest.mark.parametrize("by", ["payer", "merchant"])
async def test_nothing_is_debited_after_a_revocation(rail: Rail, payer: Payer, by: str):
    asked = await permitted(rail)
    if by == "payer":
        await payer.does("revoke", asked.reference)
    else:
        assert (await rail.revoke_mandate(revocation(asked))).kind is K.APPROVED
    found = await rail.mandate(asked.reference)
    assert found is not None
    assert (found.reference, found.status) == (asked.reference, "revoked")
    no = await rail.authorize(debit(asked))
    assert (no.kind, no.code, no.decline_code) == (K.DECLINED, "JPMR", "mandate_revoked")
    # Revoking what is revoked is no trouble.
    assert (await rail.revoke_mandate(revocation(asked))).kind is K.APPROVED


async def test_a_mandate_that_the_payer_paused(rail: Rail, payer: Payer):
    asked = await permitted(rail)
    await payer.does("pause", asked.reference)
    assert (await rail.authorize(debit(asked))).code == "JPMP"
    await payer.does("resume", asked.reference)
    assert (await rail.authorize(debit(asked))).code == "00"


async def test_a_revocation_ends_the_wait_for_the_payer(rail: Rail):
    asked = mandate(None)
    if (await rail.create_mandate(asked)).kind is not K.PENDING:
        return
    assert (await rail.revoke_mandate(revocation(asked))).kind is K.APPROVED
    found = await rail.enquire(asked.reference)
    assert (found.kind, found.code) == (K.DECLINED, "17")


async def test_a_pin_that_comes_after_the_revocation_pays_nothing(rail: Rail, payer: Payer):
    asked = await permitted(rail)
    once = debit(asked, factor=True)
    assert (await rail.authorize(once)).kind is K.PENDING
    if isinstance(rail, InProcessRail):
        return
    await payer.does("revoke", asked.reference)
    await payer.approves(once.reference)
    assert (await rail.enquire(once.reference)).code == "JPMR"


async def test_a_mandate_whose_last_day_is_over(rail: Rail):
    if isinstance(rail, InProcessRail):
        return  # which keeps no days
    over = msgspec.structs.replace(
        mandate().terms, start_on=date(2026, 1, 1), end_on=date(2026, 1, 2)
    )
    asked = await permitted(rail, terms=over)
    assert (await rail.authorize(debit(asked))).code == "JPMX"


async def test_a_notice_is_taken_as_often_as_it_comes(rail: Rail, payer: Payer):
    asked = await permitted(rail)
    notice = MandateNotice(
        reference=ids.encode("mex", ids.new(SystemClock().now())),
        mandate=asked.reference,
        amount_minor=400_00,
        currency="INR",
        debit_from=SystemClock().now() + timedelta(days=1),
    )
    assert await rail.notify_payer(notice)
    assert await rail.notify_payer(notice)
    await payer.does("revoke", asked.reference)
    other = msgspec.structs.replace(notice, mandate=reference())
    assert not await rail.notify_payer(other)


@pytest.mark.parametrize("name", ["att_nobody", "../../health", "a/b", ""])
async def test_a_mandate_that_nobody_knows(rails: Rails, name: str):
    assert await rails["upi_hdfc"].mandate(name) is None
    assert await rails["upi_icici"].mandate(reference()) is None


async def test_a_mandate_belongs_to_its_rail(rails: Rails):
    asked = await permitted(rails["upi_hdfc"])
    assert await rails["upi_icici"].mandate(asked.reference) is None
    assert (await rails["upi_icici"].authorize(debit(asked))).code == "25"
    assert (await rails["upi_icici"].revoke_mandate(revocation(asked))).code == "25"


async def test_at_once_it_is_one(rail: Rail):
    asked = mandate()
    outcomes = await asyncio.gather(*(rail.create_mandate(asked) for _ in range(8)))
    assert len({(each.kind, each.rail_reference) for each in outcomes}) == 1
    once = debit(asked)
    paid = await asyncio.gather(*(rail.authorize(once) for _ in range(8)))
    assert len({(each.kind, each.rail_reference) for each in paid}) == 1
