"""Tax documents: numbered once, from the books alone, in a series without a gap."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from online.invoices.domain import Draft, InvoiceMismatch, Kind, PeriodOpen, kind_of
from online.invoices.service import Receipt
from online.kernel import ids
from online.kernel.errors import Conflict, InvalidRequest, NotFound
from online.kernel.months import Month
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.change import Change
from online.ledger.charges import Charged, ChargeSum
from online.ledger.journal import Journal
from online.ledger.month_charges import charges_of
from online.ledger.recipes import Tax
from online.merchants.domain import Merchant
from tests.house import House, house_on

pytestmark = pytest.mark.anyio

MARCH, APRIL, MAY = Month(2026, 3), Month(2026, 4), Month(2026, 5)
NO_TAX = Tax()
GSTIN = "27AABCC1234D1ZB"


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as made:
        made.clock.at = datetime(2026, 6, 2, 6, tzinfo=UTC)
        yield made


class Shop:
    """A merchant whose charges a test posts."""

    def __init__(self, house: House, merchant: Merchant) -> None:
        self.house = house
        self.merchant = merchant
        self.pending = chart.merchant_pending(merchant.id, 10**9)
        self._count = 0

    async def _post(self, kind: str, legs: recipes.Legs, day: date) -> None:
        self._count += 1
        journal = Journal(
            cause=ids.derived("test", str(self.merchant.id), str(self._count)),
            kind=kind,
            currency="INR",
            postings=legs,
            business_date=day,
            effective_at=self.house.clock.now(),
            livemode=self.merchant.livemode,
            merchant_id=self.merchant.id,
        )
        await self.house.writer.submit(Change(journals=(journal,)))

    async def charged(self, day: date, fee: int, tax: Tax = NO_TAX) -> None:
        await self._post("capture", recipes.capture("card_a", self.pending, 10**6, fee, tax), day)

    async def returned(self, day: date, fee: int, tax: Tax = NO_TAX) -> None:
        await self._post("fee_returned", recipes.fee_returned(self.pending, fee, tax), day)

    async def disputed(self, day: date, fee: int, tax: Tax = NO_TAX) -> None:
        await self._post("dispute_fee", recipes.dispute_fee(self.pending, fee, tax), day)

    async def draft(self, month: Month, *originals: Month) -> Draft:
        """What a pipeline that counts right would say."""
        whose = Charged(self.merchant.id, "INR", self.merchant.livemode)
        async with self.house.database.connection() as connection:
            books = await charges_of(connection, month, [whose])
        return Draft(
            merchant_id=self.merchant.id,
            month=month,
            currency="INR",
            charges=books[whose],
            original_months=list(originals),
        )


async def a_shop(house: House, **terms: Any) -> Shop:
    known = {
        "legal_name": "Chai Point Private Limited",
        "gstin": GSTIN,
        "address": "1 Fort, Mumbai",
    }
    return Shop(house, await house.merchant(**known | terms))


async def close(house: House, *months: Month) -> None:
    for month in months:
        await house.periods.close(month, "admin:test")


def igst(amount: int) -> Tax:
    return Tax(igst_minor=amount)


async def test_an_invoice_says_what_was_charged_to_the_paisa(house: House):
    shop = await a_shop(house)
    await shop.charged(date(2026, 4, 1), 9_000, igst(1_620))
    await shop.charged(date(2026, 4, 30), 3_333, igst(600))
    await shop.charged(date(2026, 4, 30), 500)  # exempt
    await shop.returned(date(2026, 4, 30), 1_000, igst(180))
    await shop.disputed(date(2026, 4, 30), 50_000, igst(9_000))
    await shop.charged(date(2026, 3, 31), 77_777, igst(14_000))  # another month's
    await shop.charged(date(2026, 5, 1), 88_888, igst(16_000))
    await close(house, MARCH, APRIL)
    (receipt,) = await house.invoices.take_in([await shop.draft(APRIL)])
    assert receipt.invoice is not None
    assert (receipt.status, receipt.invoice.number) == ("issued", "TSI/26-27/000001")
    document = receipt.invoice.document
    assert document.issued_on == date(2026, 4, 30)
    assert [(x.count, x.rate_bps, x.value, x.igst) for x in document.lines] == [
        (1, 1800, 50_000, 9_000),
        (1, 0, 500, 0),
        (2, 1800, 12_333, 2_220),
        (1, 1800, -1_000, -180),
    ]
    assert (document.value, document.exempt) == (61_833, 500)
    assert (document.igst, document.cgst, document.sgst) == (11_040, 0, 0)
    assert document.total == 72_873
    assert (document.recipient.gstin, document.recipient.state) == (GSTIN, "Maharashtra")
    assert (document.supplier.state_code, document.place_of_supply) == ("29", "27 Maharashtra")
    assert document.against == []


async def test_a_merchant_of_our_own_state_pays_cgst_and_sgst(house: House):
    shop = await a_shop(house, state_code="29", gstin=None)
    await shop.charged(date(2026, 4, 2), 1_001, Tax(cgst_minor=90, sgst_minor=90))
    await close(house, APRIL)
    (receipt,) = await house.invoices.take_in([await shop.draft(APRIL)])
    assert receipt.invoice is not None
    document = receipt.invoice.document
    assert (document.igst, document.cgst, document.sgst) == (0, 90, 90)
    assert (document.total, document.recipient.gstin) == (1_181, None)


async def test_more_given_back_than_charged_is_a_credit_note_for_the_invoice(house: House):
    shop = await a_shop(house)
    await shop.charged(date(2026, 3, 10), 9_000, igst(1_620))
    await shop.charged(date(2026, 4, 10), 100, igst(18))
    await shop.returned(date(2026, 4, 20), 4_500, igst(810))
    await close(house, MARCH, APRIL)
    (invoice,) = await house.invoices.take_in([await shop.draft(MARCH)])
    (note,) = await house.invoices.take_in([await shop.draft(APRIL, MARCH)])
    assert invoice.invoice is not None
    assert note.invoice is not None
    assert invoice.invoice.number == "TSI/25-26/000001"  # March is the old financial year's
    assert note.invoice.number == "TSC/26-27/000001"
    document = note.invoice.document
    assert (document.kind, document.value, document.igst, document.total) == (
        "credit_note", 4_400, 792, 5_192,
    )  # fmt: skip
    assert [each.number for each in document.against] == ["TSI/25-26/000001"]
    assert document.against[0].issued_on == date(2026, 3, 31)


@pytest.mark.parametrize(
    ("fee", "tax", "kind"),
    [(1, 0, "invoice"), (-1, 0, "credit_note"), (-18, 18, "invoice"), (18, -18, "credit_note")],
)
def test_the_sign_of_the_total_decides_and_then_the_tax(fee: int, tax: int, kind: Kind):
    charge = ChargeSum(
        service="mdr", taxed=bool(tax), returned=fee < 0, count=1, fee_minor=fee, igst_minor=tax,
        cgst_minor=0, sgst_minor=0,
    )  # fmt: skip
    assert kind_of([charge]) == kind


async def test_a_month_is_invoiced_once_and_the_same_again(house: House):
    shop = await a_shop(house)
    await shop.charged(date(2026, 4, 1), 9_000, igst(1_620))
    await close(house, APRIL)
    draft = await shop.draft(APRIL)
    (first,) = await house.invoices.take_in([draft])
    await house.rows("update merchants set legal_name = 'Renamed' returning id")
    again = await house.invoices.take_in([draft, draft])
    assert [r.status for r in again] == ["exists", "exists"]
    assert first.invoice is not None
    assert all(r.invoice == first.invoice for r in again)
    assert first.invoice.document.recipient.legal_name == "Chai Point Private Limited"


async def test_a_month_that_is_not_closed_gets_no_number(house: House):
    shop = await a_shop(house)
    await shop.charged(date(2026, 4, 1), 9_000, igst(1_620))
    await shop.charged(date(2026, 5, 1), 9_000, igst(1_620))
    for closed in (False, True):
        if closed:
            await close(house, APRIL)
        (receipt,) = await house.invoices.take_in([await shop.draft(MAY)])
        assert isinstance(receipt.refusal, PeriodOpen)
    assert await house.count("invoices") == 0


async def test_sums_that_are_not_the_books_are_refused(house: House):
    shop = await a_shop(house)
    await shop.charged(date(2026, 4, 1), 9_000, igst(1_620))
    await close(house, APRIL)
    draft = await shop.draft(APRIL)
    (charge,) = draft.charges
    for wrong in (
        [msgspec.structs.replace(charge, fee_minor=9_001)],
        [msgspec.structs.replace(charge, igst_minor=1_619, cgst_minor=1)],
        [msgspec.structs.replace(charge, service="dispute")],
        [charge, charge],
    ):
        asked = msgspec.structs.replace(draft, charges=wrong)
        (receipt,) = await house.invoices.take_in([asked])
        assert isinstance(receipt.refusal, InvoiceMismatch)
    assert await house.count("invoices") == 0


async def test_who_was_charged_nothing_gets_no_document(house: House):
    shop = await a_shop(house)
    await shop.charged(date(2026, 4, 1), 0)
    await close(house, APRIL)
    draft = await shop.draft(APRIL)
    assert draft.charges == []
    (receipt,) = await house.invoices.take_in([draft])
    assert isinstance(receipt.refusal, InvalidRequest)
    await shop.charged(date(2026, 5, 1), 9_000, igst(1_620))
    await shop.returned(date(2026, 5, 2), 9_000, igst(1_620))
    await close(house, MAY)
    (receipt,) = await house.invoices.take_in([await shop.draft(MAY)])
    assert isinstance(receipt.refusal, InvalidRequest)


async def test_nobody_we_know(house: House):
    await close(house, APRIL)
    charge = ChargeSum(
        service="mdr", taxed=True, returned=False, count=1, fee_minor=1, igst_minor=1,
        cgst_minor=0, sgst_minor=0,
    )  # fmt: skip
    draft = Draft(
        merchant_id=ids.new(house.clock.now()), month=APRIL, currency="INR", charges=[charge],
        original_months=[],
    )  # fmt: skip
    (receipt,) = await house.invoices.take_in([draft])
    assert isinstance(receipt.refusal, NotFound)


async def test_numbers_run_on_without_a_gap_however_many_ask_at_once(house: House):
    shops = [await a_shop(house) for _ in range(12)]
    for shop in shops:
        await shop.charged(date(2026, 4, 1), 9_000, igst(1_620))
        await shop.charged(date(2026, 5, 1), 9_000, igst(1_620))
    await close(house, APRIL)
    drafts = [await shop.draft(APRIL) for shop in shops]
    open_month = [await shop.draft(MAY) for shop in shops]  # refused in between
    calls = [drafts[n : n + 6] + open_month[:2] for n in range(0, 12, 2)]
    answers = await asyncio.gather(*map(house.invoices.take_in, calls))
    numbers = {r.invoice.number for answer in answers for r in answer if r.invoice}
    assert numbers == {f"TSI/26-27/{n:06d}" for n in range(1, 13)}
    assert await house.count("invoices") == 12
    whose = await house.rows("select count(distinct merchant_id), max(sequence) from invoices")
    assert whose == [(12, 12)]


async def test_live_and_test_documents_have_series_of_their_own(house: House):
    shop, live = await a_shop(house), await a_shop(house, livemode=True)
    for each in (shop, live):
        await each.charged(date(2026, 4, 1), 9_000, igst(1_620))
    await close(house, APRIL)
    receipts = await house.invoices.take_in([await each.draft(APRIL) for each in (shop, live)])
    assert [_number(r) for r in receipts] == ["TSI/26-27/000001", "KHI/26-27/000001"]


async def test_a_file_is_kept_once_and_belongs_to_its_merchant(house: House):
    shop, other = await a_shop(house), await a_shop(house)
    await shop.charged(date(2026, 4, 1), 9_000, igst(1_620))
    await close(house, APRIL)
    (receipt,) = await house.invoices.take_in([await shop.draft(APRIL)])
    assert receipt.invoice is not None
    id_ = receipt.invoice.id
    with pytest.raises(NotFound):
        await house.invoices.file(id_, shop.merchant.id, "pdf")
    assert await _keep(house, id_, b"one")
    assert not await _keep(house, id_, b"one")
    with pytest.raises(Conflict):
        await _keep(house, id_, b"two")
    with pytest.raises(InvalidRequest):
        await house.invoices.keep_file(id_, "json", b"0" * 32, b"one")
    assert (await house.invoices.file(id_, shop.merchant.id, "pdf"))[1] == b"one"
    with pytest.raises(NotFound):
        await house.invoices.file(id_, other.merchant.id, "pdf")
    (shown,) = await house.invoices.page(
        merchant_id=shop.merchant.id, month=APRIL, after=None, most=5
    )
    assert shown.formats == ["pdf"]
    assert not await house.invoices.page(
        merchant_id=other.merchant.id, month=None, after=None, most=5
    )


async def _keep(house: House, id_: UUID, content: bytes) -> bool:
    return await house.invoices.keep_file(id_, "pdf", hashlib.sha256(content).digest(), content)


def _number(receipt: Receipt) -> str:
    assert receipt.invoice is not None
    return receipt.invoice.number
