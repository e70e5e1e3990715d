"""`seed-history`: a seeded past of the sandbox's world, through the same events and writer.

What the days of history moved is closed by one cut-over posting: rails have paid, merchants were
paid out, the fees are in the bank. Reconciliation begins with the day after. Nothing of the past
was assessed, and its payments say so.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg.errors import UniqueViolation

from online.attempts.store import ATTEMPTS
from online.customers.domain import Customer, mask_vpa
from online.customers.rights import load_rights
from online.customers.service import Customers
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock, FixedClock, SystemClock, business_date
from online.kernel.events import Metadata
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.aggregate import Origin
from online.ledger.change import Change, SnapshotRow
from online.ledger.journal import Journal, Posting, credit, debit
from online.ledger.writer import Writer
from online.merchants.domain import Merchant
from online.merchants.service import Merchants, NewMerchant
from online.payments.fees import FeeTable, Sale, load_fees, price
from online.payments.store import PAYMENTS
from online.platform.db import Database
from online.platform.settings import ROOT, Settings, load_settings
from online.risk.domain import RiskInput
from online.risk.labels import VERDICTS, Subject, Told, Word, told
from online.risk.recording import activity
from online.sandbox.world import World, WorldPayment
from online.security.build import build_credentials
from online.vault.service import Vault, build_vault

_BY: Final = Metadata(actor="seed:history")
_CHUNK: Final = 2_048
_RAILS: Final = {"upi": ("upi_hdfc", "upi_icici"), "card": ("card_a", "card_b")}
_NOT_ASSESSED: Final[dict[str, Any]] = {
    "score": 0,
    "level": "low",
    "decision": "allow",
    "model_version": None,
    "source": "history",
}
_EXPOSURE_MINOR: Final = 50_000_00
_BANK: Final = "hdfc"


class Terms(msgspec.Struct, frozen=True):
    """What a payment cost, and after how long one without a complaint counted as good."""

    fees: FeeTable
    good_after: timedelta


class Past:
    """Turns payments of the world into changes, and counts what must be cut over."""

    def __init__(
        self, world: World, merchants: dict[str, Merchant], vault: Vault, terms: Terms
    ) -> None:
        self._world = world
        self._merchants = merchants
        self._vault = vault
        self._fees = terms.fees
        self._good_after = terms.good_after
        self._numbers = 0
        self.customers: set[tuple[str, str]] = set()
        self.receivable: Counter[str] = Counter()
        self.pending: Counter[UUID] = Counter()
        self.labels = 0

    def changes(self, payments: Iterable[WorldPayment], until: datetime) -> Iterator[Change]:
        for payment in payments:
            yield self._change(payment, until)

    def _change(self, payment: WorldPayment, until: datetime) -> Change:
        merchant = self._merchants[payment.merchant_ref]
        instrument, mask = self._instrument(payment, merchant)
        origin = Origin(id=ids.new(payment.at), merchant_id=merchant.id, livemode=False)
        attempt = Origin(id=ids.new(payment.at), merchant_id=merchant.id, livemode=False)
        self._numbers += 1
        rail = _RAILS[payment.method][self._numbers % 4 == 0]
        customer_id = customer_id_of(payment.merchant_ref, payment.customer_ref)
        self.customers.add((payment.merchant_ref, payment.customer_ref))
        created = ev.PaymentCreated(
            merchant_id=ids.encode("mrc", merchant.id),
            mcc=merchant.mcc,
            amount=payment.amount_minor,
            currency="INR",
            method=payment.method,
            capture_method="automatic",
            priority="balanced",
            instrument=instrument,
            instrument_mask=mask,
            customer_id=ids.encode("cus", customer_id),
            device_id=payment.device,
        )
        sent, captured, journal = self._capture(payment, merchant, origin.id, attempt.id, rail)
        processing = ev.PaymentProcessing(
            attempt_id=captured.attempt_id, route=rail, rail=rail, risk=_NOT_ASSESSED
        )
        paid = PAYMENTS.create(origin, [created, processing, captured], payment.at, _BY)
        done = ev.AttemptSucceeded(code="00", rail_reference=captured.rail_reference)
        tried = ATTEMPTS.create(attempt, [sent, done], payment.at, _BY)
        facts = RiskInput(
            payment_id=origin.id,
            at=payment.at,
            amount_minor=payment.amount_minor,
            currency="INR",
            method=payment.method,
            merchant_id=merchant.id,
            instrument=instrument,
            customer_key=ids.encode("cus", customer_id),
            device_key=payment.device,
            livemode=False,
        )
        labels = self._labels(payment, facts, until)
        return Change(
            snapshots=(paid.row, tried.row, *_verdict(labels)),
            events=(*paid.events, *tried.events, *(e for each in labels for e in each.events)),
            journals=(journal,),
            appends=(activity(facts), *(a for each in labels for a in each.appends)),
        )

    def _instrument(self, payment: WorldPayment, merchant: Merchant) -> tuple[str, str]:
        if payment.vpa is not None:
            return self._vault.instrument_hash(payment.vpa), mask_vpa(payment.vpa)
        number = self._world.pan(payment.card or 0)
        return self._vault.card_fingerprint(number, merchant.id), f"{number[:6]}…{number[-4:]}"

    def _capture(
        self, payment: WorldPayment, merchant: Merchant, payment_id: UUID, attempt: UUID, rail: str
    ) -> tuple[ev.AttemptSent, ev.PaymentCaptured, Journal]:
        day = business_date(payment.at)
        amount = payment.amount_minor
        sale = Sale(
            method=payment.method,
            rail=rail,
            funding=None,
            mcc=merchant.mcc,
            amount_minor=amount,
            day=day,
            state_code=merchant.state_code,
            merchant_size=merchant.size,
        )
        fee = price(self._fees, sale)
        reference = ids.encode("att", attempt)
        rail_reference = f"{self._numbers:012d}"
        captured = ev.PaymentCaptured(
            attempt_id=reference,
            rail=rail,
            rail_reference=rail_reference,
            amount=amount,
            currency="INR",
            fee=fee.fee_minor,
            tax=fee.tax.total_minor,
            captured_total=amount,
        )
        sent = ev.AttemptSent(
            operation="authorize",
            amount=amount,
            currency="INR",
            rail=rail,
            route=rail,
            payment_id=ids.encode("pay", payment_id),
        )
        pending = chart.merchant_pending(merchant.id, merchant.exposure_limit_minor)
        journal = Journal(
            cause=attempt,
            kind="capture",
            currency="INR",
            postings=recipes.capture(rail, pending, amount, fee.fee_minor, fee.tax),
            business_date=day,
            effective_at=payment.at,
            livemode=False,
            reference=reference,
            merchant_id=merchant.id,
            metadata={
                "payment_id": ids.encode("pay", payment_id),
                "attempt_id": reference,
                "rail": rail,
                "rail_reference": rail_reference,
                "method": payment.method,
            },
        )
        self.receivable[rail] += amount
        self.pending[merchant.id] += amount - fee.fee_minor - fee.tax.total_minor
        return sent, captured, journal

    def _labels(self, payment: WorldPayment, facts: RiskInput, until: datetime) -> list[Told]:
        """What age and a dispute told later; what is known only after history ends is not known."""
        known_at = payment.label_known_at if payment.fraud else None
        words = [Word(fraud=False, source="aged", at=payment.at + self._good_after, metadata=_BY)]
        if known_at is not None:
            # Who complains early is heard before the payment has aged, and it does not any more.
            words = [word for word in words if word.at < known_at]
            words.append(Word(fraud=True, source="dispute", at=known_at, metadata=_BY))
        subject = _subject(facts)
        found: list[Told] = []
        for word in words:
            if word.at <= until:
                found.append(told(subject, word))
                subject = msgspec.structs.replace(subject, **_known(found[-1]))
        self.labels += sum(each.verdict.fraud for each in found)
        return found

    def cut_over(self, day: date, at: datetime) -> Journal:
        """One posting that leaves rails and merchants at zero, and the fees in the bank."""
        rails = [
            credit(chart.rail_receivable(rail), amount) for rail, amount in self.receivable.items()
        ]
        merchants = [
            debit(chart.merchant_pending(id_, _EXPOSURE_MINOR), amount)
            for id_, amount in self.pending.items()
        ]
        left = self.opening_bank_minor
        postings: list[Posting] = [*rails, *merchants, debit(chart.bank(_BANK), left)]
        return Journal(
            cause=ids.derived("cutover", day.isoformat()),
            kind="cutover",
            currency="INR",
            postings=recipes.legs(*postings),
            business_date=day,
            effective_at=at,
            livemode=False,
        )

    @property
    def opening_bank_minor(self) -> int:
        return self.receivable.total() - self.pending.total()


def _subject(facts: RiskInput) -> Subject:
    return Subject(
        payment_id=facts.payment_id,
        merchant_id=facts.merchant_id,
        card_key=facts.card_key,
        vpa_key=facts.vpa_key,
        customer_key=facts.customer_key,
        device_key=facts.device_key,
        ip_key=facts.ip_key,
        amount_minor=facts.amount_minor,
        livemode=facts.livemode,
    )


def _known(label: Told) -> dict[str, Any]:
    verdict = label.verdict
    names = ("fraud", "source", "known_at", "version")
    return {name: getattr(verdict, name) for name in names}


def _verdict(labels: Sequence[Told]) -> tuple[SnapshotRow, ...]:
    """The last word on a payment, which is new to the books."""
    if not labels:
        return ()
    newest = labels[-1].verdict
    return (SnapshotRow(VERDICTS, newest.id, 0, newest),)


def customer_id_of(merchant_ref: str, customer_ref: str) -> UUID:
    """A person of the world as a customer of one merchant: the same in every run."""
    return ids.derived("world", merchant_ref, customer_ref)


def run(arguments: argparse.Namespace) -> None:
    """Writes the past and prints one line of JSON about it."""
    settings = msgspec.structs.replace(load_settings(), data_dir=arguments.data.absolute())
    print(msgspec.json.encode(asyncio.run(_seed(arguments, settings))).decode())  # noqa: T201


async def _seed(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    until = date.fromisoformat(arguments.until)
    first = until - timedelta(days=arguments.days - 1)
    ends = datetime.fromisoformat(f"{until + timedelta(days=1)}T00:00:00+05:30")
    database = Database(arguments.database)
    await database.open()
    writer = Writer(database)
    await writer.start()
    try:
        clock = FixedClock(datetime.fromisoformat(f"{first}T00:00:00+05:30"))
        world = World(arguments.seed)
        made = await _merchants(settings, database, clock, world)
        vault = build_vault(database, clock, settings.data_dir / "keys")
        merchants = {ref: new.merchant for ref, new in made.items()}
        terms = Terms(
            load_fees(ROOT / "config" / "fees.yaml"),
            timedelta(days=settings.fraud_detection.good_after_days),
        )
        past = Past(world, merchants, vault, terms)
        payments = world.payments(arguments.payments, first, arguments.days)
        count = await _write(writer, past.changes(payments, ends), arguments.payments)
        moment = ends - timedelta(seconds=1)
        await writer.submit(Change(journals=(past.cut_over(until, moment),)))
        await _customers(database, clock, world, merchants, past)
    finally:
        await writer.stop()
        await database.close()
    return {
        "payments": count,
        "labels": past.labels,
        "from": first.isoformat(),
        "until": until.isoformat(),
        "opening_bank_minor": past.opening_bank_minor,
        "merchants": [_shown(ref, new) for ref, new in made.items()],
    }


def _shown(ref: str, new: NewMerchant) -> dict[str, str]:
    return {
        "ref": ref,
        "merchant_id": ids.encode("mrc", new.merchant.id),
        "name": new.merchant.name,
        "client_id": new.client.client_id,
        "client_secret": new.client.client_secret,
    }


async def _merchants(
    settings: Settings, database: Database, clock: Clock, world: World
) -> dict[str, NewMerchant]:
    merchants = Merchants(database, clock, build_credentials(settings, database, SystemClock()))
    made: dict[str, NewMerchant] = {}
    for shop in world.merchants:
        try:
            made[shop.ref] = await merchants.create(
                name=shop.name,
                mcc=shop.mcc,
                state_code=shop.state_code,
                exposure_limit_minor=_EXPOSURE_MINOR,
                requires_signature=settings.security.require_signature,
                livemode=False,
                merchant_id=ids.derived("world", shop.ref),
            )
        except UniqueViolation:
            sys.exit("this database has a history already: it is written once")
    return made


async def _write(writer: Writer, changes: Iterator[Change], expected: int) -> int:
    count = 0
    while chunk := list(islice(changes, _CHUNK)):
        for refusal in await writer.submit_all(chunk):
            if refusal is not None:
                raise refusal
        count += len(chunk)
        print(f"history {count:>7,} of {expected:,}", file=sys.stderr, flush=True)  # noqa: T201
    return count


async def _customers(
    database: Database, clock: Clock, world: World, merchants: dict[str, Merchant], past: Past
) -> None:
    people = {person.ref: person for person in world.customers}
    rows = [
        Customer(
            id=customer_id_of(shop, ref),
            merchant_id=merchants[shop].id,
            name=people[ref].name,
            email=None,
            phone=None,
            upi_type=None,
            vpa_masked=mask_vpa(people[ref].vpas[0]),
            livemode=False,
            created_at=clock.now(),
        )
        for shop, ref in sorted(past.customers)
    ]
    rights = load_rights(ROOT / "config" / "users.yaml")
    await Customers(database, clock, rights).add_all(rows)
