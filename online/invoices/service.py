"""Tax documents: numbered here, rendered offline, kept and handed out here.

A document is made from the books of a closed month. Offline says what it found; it is numbered if
this service's own sums are the same. The same draft again is the same document.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Literal
from uuid import UUID

import msgspec

from online.invoices import store
from online.invoices.domain import (
    Document,
    Draft,
    Invoice,
    InvoiceMismatch,
    Kind,
    Party,
    PeriodOpen,
    Reference,
    charges_differ,
    comes_to_nothing,
    document,
    kind_of,
    number_of,
    series_of,
)
from online.invoices.terms import InvoiceTerms, load_terms
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import Conflict, InvalidRequest, KhataError, NotFound
from online.kernel.months import Month
from online.ledger.charges import Charged
from online.ledger.month_charges import charges_of
from online.ledger.open_months import open_from
from online.merchants.domain import Merchant
from online.merchants.service import Merchants
from online.platform.db import Database
from online.platform.settings import ROOT
from online.platform.sql import Connection

_PART: Final = 500  # merchants whose month is summed in one statement

_Key = tuple[UUID, Month, str]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a draft."""

    status: Literal["issued", "exists", "refused"]
    invoice: Invoice | None = None
    refusal: KhataError | None = None


class Shown(msgspec.Struct, frozen=True):
    """A document with the formats that there are files of."""

    invoice: Invoice
    formats: list[str]


class Invoices:
    def __init__(
        self, database: Database, clock: Clock, merchants: Merchants, terms: InvoiceTerms
    ) -> None:
        self._database = database
        self._clock = clock
        self._merchants = merchants
        self._terms = terms

    # ── issuing ──────────────────────────────────────────────────────────────────────────

    async def take_in(self, drafts: Sequence[Draft]) -> list[Receipt]:
        """Each draft by itself, in its place: issued, there already, or refused."""
        receipts: dict[int, Receipt] = {}
        by_month: dict[tuple[Month, str], list[int]] = defaultdict(list)
        for place, draft in enumerate(drafts):
            by_month[draft.month, draft.currency].append(place)
        for places in by_month.values():
            for start in range(0, len(places), _PART):
                part = places[start : start + _PART]
                await self._take_in_part({n: drafts[n] for n in part}, receipts)
        return [receipts[place] for place in range(len(drafts))]

    async def _take_in_part(self, drafts: dict[int, Draft], receipts: dict[int, Receipt]) -> None:
        """Drafts of one month and currency."""
        merchants: dict[int, Merchant] = {}
        for place, draft in drafts.items():
            try:
                merchants[place] = await self._merchants.get(draft.merchant_id)
            except KhataError as refusal:
                receipts[place] = _refused(refusal)
        async with self._database.transaction() as connection:
            await store.hold_numbers(connection)
            asked = {place: drafts[place] for place in merchants}
            issued = await self._issue(connection, asked, merchants, receipts)
            await store.insert(connection, issued)

    async def _issue(
        self,
        connection: Connection,
        drafts: dict[int, Draft],
        merchants: dict[int, Merchant],
        receipts: dict[int, Receipt],
    ) -> list[Invoice]:
        """The new documents; every draft has its receipt afterwards."""
        if not drafts:
            return []
        first = next(iter(drafts.values()))
        month, currency = first.month, first.currency
        opens = await open_from(connection)
        whose = {
            n: Charged(d.merchant_id, currency, merchants[n].livemode) for n, d in drafts.items()
        }
        books = await charges_of(connection, month, set(whose.values()))
        ids_of_merchants = {draft.merchant_id for draft in drafts.values()}
        there = {
            each.merchant_id: each
            for each in await store.of_month(connection, month, currency, ids_of_merchants)
        }
        numbers = _Numbers(connection)
        originals = await self._originals(connection, drafts, currency)
        issued = []
        for place, draft in drafts.items():
            found = there.get(draft.merchant_id)
            gap = charges_differ(draft.charges, books[whose[place]])
            if comes_to_nothing(draft.charges):
                receipts[place] = _refused(InvalidRequest("nothing was charged", "charges"))
            elif opens is None or month.next.first > opens:
                receipts[place] = _refused(PeriodOpen(f"{month} is not closed", "month"))
            elif gap is not None:
                receipts[place] = _refused(InvoiceMismatch(gap, "charges"))
            elif found is not None:
                receipts[place] = Receipt(status="exists", invoice=found)
            else:
                made = await self._made(draft, merchants[place], numbers, originals)
                there[draft.merchant_id] = made
                receipts[place] = Receipt(status="issued", invoice=made)
                issued.append(made)
        return issued

    async def _made(
        self,
        draft: Draft,
        merchant: Merchant,
        numbers: "_Numbers",
        originals: dict[UUID, list[store.Original]],
    ) -> Invoice:
        terms = self._terms.on(draft.month.last, livemode=merchant.livemode)
        kind: Kind = kind_of(draft.charges)
        series = series_of(kind, draft.month, terms)
        sequence = await numbers.next(series)
        against = [
            Reference(number=each.number, issued_on=each.issued_on)
            for each in originals.get(draft.merchant_id, [])
            if kind == "credit_note" and Month.of(each.month) in draft.original_months
        ]
        whole = document(
            draft,
            number_of(series, sequence),
            self._recipient(merchant),
            against,
            terms,
            merchant_id=ids.encode("mrc", merchant.id),
            livemode=merchant.livemode,
        )
        return _row(whole, draft, merchant, series, sequence, at=self._clock)

    def _recipient(self, merchant: Merchant) -> Party:
        return Party(
            legal_name=merchant.legal_name or merchant.name,
            gstin=merchant.gstin,
            address=merchant.address,
            state_code=merchant.state_code,
            state=self._terms.state(merchant.state_code),
        )

    async def _originals(
        self, connection: Connection, drafts: dict[int, Draft], currency: str
    ) -> dict[UUID, list[store.Original]]:
        """The invoices that credit notes among the drafts may refer to, by merchant."""
        noted = [d for d in drafts.values() if kind_of(d.charges) == "credit_note"]
        months = {month for draft in noted for month in draft.original_months}
        found: dict[UUID, list[store.Original]] = defaultdict(list)
        whose = {draft.merchant_id for draft in noted}
        for each in await store.originals(connection, whose, months, currency) if noted else ():
            found[each.merchant_id].append(each)
        return found

    # ── reading and files ────────────────────────────────────────────────────────────────

    async def page(
        self, *, merchant_id: UUID | None, month: Month | None, after: UUID | None, most: int
    ) -> list[Shown]:
        """Newest first; `merchant_id` None is one of ours, who may see them all."""
        async with self._database.connection() as connection:
            found = await store.page(
                connection, merchant_id=merchant_id, month=month, after=after, most=most
            )
            formats = await store.formats(connection, [each.id for each in found])
        return [Shown(each, formats[each.id]) for each in found]

    async def get(self, invoice_id: UUID, merchant_id: UUID | None) -> Shown:
        async with self._database.connection() as connection:
            found = await store.get(connection, invoice_id)
            if found is None or merchant_id not in {None, found.merchant_id}:
                raise NotFound("no such invoice", "id")
            formats = await store.formats(connection, [invoice_id])
        return Shown(found, formats[invoice_id])

    async def file(
        self, invoice_id: UUID, merchant_id: UUID | None, form: str
    ) -> tuple[Invoice, bytes]:
        """The document itself, once it is there."""
        shown = await self.get(invoice_id, merchant_id)
        async with self._database.connection() as connection:
            content = await store.file_content(connection, invoice_id, form)
        if content is None:
            raise NotFound(f"there is no {form} of it yet", "id")
        return shown.invoice, content

    async def keep_file(self, invoice_id: UUID, form: str, sha256: bytes, content: bytes) -> bool:
        """Keeps a rendered document; False when it was here already, with the same bytes."""
        if hashlib.sha256(content).digest() != sha256:
            raise InvalidRequest("is not the hash of the content", "sha256")
        await self.get(invoice_id, None)
        async with self._database.connection() as connection:
            if await store.keep_file(
                connection, invoice_id, form, sha256=sha256, content=content, at=self._clock.now()
            ):
                return True
            kept = await store.file_hash(connection, invoice_id, form)
        if kept != sha256:
            raise Conflict("this document is here with other content", "invoice_id")
        return False


def build_invoices(database: Database, clock: Clock, merchants: Merchants) -> Invoices:
    """With the particulars that `config/` gives."""
    return Invoices(database, clock, merchants, load_terms(ROOT / "config"))


class _Numbers:
    """The next number of each series, while numbers are held."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last: dict[str, int] = {}

    async def next(self, series: str) -> int:
        if series not in self._last:
            found = await store.last_numbers(self._connection, [series])
            self._last[series] = found.get(series, 0)
        number_of(series, self._last[series] + 1)  # refuses before anything is given
        self._last[series] += 1
        return self._last[series]


def _row(
    whole: Document, draft: Draft, merchant: Merchant, series: str, sequence: int, *, at: Clock
) -> Invoice:
    now = at.now()
    return Invoice(
        id=ids.new(now),
        merchant_id=merchant.id,
        month=draft.month.first,
        currency=draft.currency,
        kind=whole.kind,
        series=series,
        sequence=sequence,
        number=whole.number,
        issued_on=whole.issued_on,
        total_minor=whole.total,
        document=whole,
        livemode=merchant.livemode,
        created_at=now,
    )


def _refused(refusal: KhataError) -> Receipt:
    return Receipt(status="refused", refusal=refusal)
