"""The services on a test database, wired without HTTP, with scripted rails and a clock of ours."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from online.attempts.domain import Attempt
from online.attempts.returned import Returns
from online.attempts.schedule import Pace, Schedule, Schedules
from online.attempts.service import Attempts
from online.breaks import workflow as breaks
from online.breaks.service import Breaks
from online.breaks.terms import load_write_off_terms
from online.customers.rights import load_rights
from online.customers.service import Customers
from online.disputes import intake as disputes
from online.disputes.service import Disputes
from online.disputes.terms import load_terms
from online.escrows.following import Following
from online.holds.service import HoldFollower
from online.intents.service import IntentFollower
from online.invoices.service import build_invoices
from online.kernel import ids
from online.kernel.bank_days import BankDays
from online.kernel.clock import IST, Clock, FixedClock, SystemClock
from online.kernel.events import Metadata
from online.ledger.writer import Writer
from online.limits.domain import UserLimits
from online.limits.rulebook import load_limits
from online.limits.service import Limits
from online.merchants.domain import Merchant
from online.merchants.service import Merchants
from online.payments.authorizations import load_extensions, load_holds
from online.payments.domain import Payment
from online.payments.fees import load_fees
from online.payments.orders import Call, Followers, Instrument, Order
from online.payments.running import Collaborators
from online.payments.service import Payments
from online.payouts.build import build_beneficiaries, build_payouts
from online.periods.service import Periods
from online.platform.db import Database
from online.platform.idempotency import Answer, IdempotencyKey
from online.platform.settings import ROOT
from online.postings.domain import Places
from online.postings.service import Postings
from online.rails.domain import CardReference, Upi
from online.refunds import service as refunds
from online.refunds.domain import Refund
from online.refunds.service import RefundOrder, Refunds
from online.reviews.service import Queue
from online.risk.labels import Labels
from online.risk.labels_sweep import Sweep
from online.routing.domain import Route
from online.routing.service import Routing
from online.seals.keys import FileSealKeys
from online.seals.service import Seals
from online.security.keyfiles import KeyRing
from online.settlements import service as settlements
from online.settlements.payouts import Payouts as SettlementPayouts
from online.settlements.rules import load_settlement_rules
from online.settlements.service import Settlements
from online.statements.service import Statements
from online.upi.keys import FAMILY, LinkKeys
from online.upi.service import Upi as UpiLinks
from online.upi.terms import load_upi_terms
from online.vault.service import Vault
from online.work.service import Work
from tests.fakes import NoPurses, ScriptedRails
from tests.risk import FixedTerms, risk_on

META = Metadata(actor="test")
PAYOUT_RAIL = "bank_hdfc"
PER_USER = UserLimits(transactions_per_day=10_000, amount_per_day_minor=10**12)
RAILS = ("upi_hdfc", "card_a")
UPI = UpiLinks(
    load_upi_terms(ROOT / "config" / "upi.yaml"), LinkKeys(KeyRing(FAMILY, {1: bytes(range(32))}))
)
PACE = Pace(max_enquiries=3, min_interval=timedelta(seconds=90))
SCHEDULE = Schedule(
    unknown=PACE,
    pending=PACE,
    deemed=PACE,
    not_found_final_after=timedelta(seconds=300),
    answer_within=timedelta(seconds=30),
)


NOW = timedelta()
AGE = timedelta(days=45)


class NoDevices:
    """Nobody here has linked one."""

    async def named(self, *_: object, **__: object) -> None:
        return None


class EveryDay(BankDays, frozen=True):
    """Banks that never rest: a test's clock starts today, whatever day that is."""

    def is_bank_day(self, day: date) -> bool:
        return True


def this_morning() -> datetime:
    """Today at ten in India: there are partitions for it, and the day is not over."""
    now = SystemClock().now().astimezone(IST)
    return now.replace(hour=10, minute=0, second=0, microsecond=0).astimezone(UTC)


class House:
    """Everything a test may want to call; `books()` is what the ledger says afterwards."""

    def __init__(self, database_url: str) -> None:
        self.clock = FixedClock(this_morning())
        self.rails = ScriptedRails()
        self.database = Database(database_url, size=20)
        self.writer = Writer(self.database)
        self.routing = Routing([_route("upi_hdfc", "upi"), _route("card_a", "card")])
        self.attempts = Attempts(self.rails, Schedules(SCHEDULE), self.clock, self.routing)
        self.merchants = Merchants(self.database, self.clock, None)  # type: ignore[arg-type]
        self.customers = Customers(
            self.database, self.clock, load_rights(ROOT / "config" / "users.yaml")
        )
        self.risk_terms = FixedTerms()
        self.risk = risk_on(self.database, terms=self.risk_terms)
        self.escrowed = Following(self.clock, self.merchants)
        self.payments = Payments(
            self._of_payments(),
            Followers(intents=IntentFollower(), holds=HoldFollower(), mandates=IntentFollower()),
        )
        self.refunds = Refunds(
            refunds.Collaborators(
                database=self.database,
                writer=self.writer,
                clock=self.clock,
                attempts=self.attempts,
                merchants=self.merchants,
                payments=self.payments,
                escrowed=self.escrowed,
                purses=NoPurses(),
            )
        )
        self.disputes = Disputes(
            disputes.Collaborators(
                database=self.database,
                writer=self.writer,
                clock=self.clock,
                attempts=self.attempts,
                merchants=self.merchants,
                payments=self.payments,
                rails=self.rails,
                fees=load_fees(ROOT / "config" / "fees.yaml"),
                terms=load_terms(ROOT / "config" / "disputes.yaml"),
                escrowed=self.escrowed,
            )
        )
        self.labels = Labels(self.database, self.writer, self.clock)
        self.label_sweep = Sweep(self.database, self.writer, self.clock, good_after=AGE)
        self.work = Work(self.database, self.clock)
        self._furnish_settlements()
        self._furnish_payouts()
        self.invoices = build_invoices(self.database, self.clock, self.merchants)
        self.periods = Periods(self.database, self.clock, self.attempts)
        self.statements = Statements(self.database, self.clock, self.work, self.merchants)
        places = Places(rails=frozenset({*RAILS, PAYOUT_RAIL}), banks=frozenset({"hdfc"}))
        self.postings = Postings(self.database, self.writer, self.clock, places)
        self.seals = _seals(self.database, self.clock)
        self.breaks = Breaks(self.database, self.writer, self.clock)
        self.break_workflow = breaks.Workflow(self._of_breaks(places))

    def _furnish_settlements(self) -> None:
        self.payouts = SettlementPayouts(
            self.database,
            self.writer,
            self.clock,
            self.attempts,
            merchants=self.merchants,
            rail=PAYOUT_RAIL,
        )
        self.settlements = Settlements(
            settlements.Collaborators(
                database=self.database,
                writer=self.writer,
                clock=self.clock,
                merchants=self.merchants,
                work=self.work,
                payouts=self.payouts,
                rules=replace(
                    load_settlement_rules(ROOT / "config"), bank_days=EveryDay(), close_after=NOW
                ),
            )
        )

    def _furnish_payouts(self) -> None:
        self.beneficiaries = build_beneficiaries(
            self.database,
            self.writer,
            self.clock,
            attempts=self.attempts,
            vault=vault_on(self.database, self.clock),
            rails=self.rails,
            rail=PAYOUT_RAIL,
        )
        self.merchant_payouts = build_payouts(
            self.database,
            self.writer,
            self.clock,
            attempts=self.attempts,
            merchants=self.merchants,
            limits=load_limits(ROOT / "config" / "limits.yaml", PER_USER),
            beneficiaries=self.beneficiaries,
            rail=PAYOUT_RAIL,
        )
        self.returns = Returns(
            self.database,
            self.attempts,
            {
                "settlement": self.payouts.returned,
                "pout": self.merchant_payouts.returned,
                "bnf": self.beneficiaries.returned,
            },
        )

    def _of_breaks(self, places: Places) -> breaks.Collaborators:
        return breaks.Collaborators(
            database=self.database,
            writer=self.writer,
            clock=self.clock,
            terms=load_write_off_terms(ROOT / "config" / "write_offs.yaml"),
            places=places,
        )

    def _of_payments(self) -> Collaborators:
        return Collaborators(
            database=self.database,
            writer=self.writer,
            clock=self.clock,
            attempts=self.attempts,
            merchants=self.merchants,
            risk=self.risk,
            routing=self.routing,
            fees=load_fees(ROOT / "config" / "fees.yaml"),
            holds=load_holds(ROOT / "config" / "authorizations.yaml"),
            extensions=load_extensions(ROOT / "config" / "authorizations.yaml"),
            escrowed=self.escrowed,
            settled=settlements.SettledDays(),
            reviews=Queue(within=timedelta(hours=24)),
            limits=Limits(
                load_limits(ROOT / "config" / "limits.yaml", PER_USER),
                self.customers,
                NoDevices(),
                self.database,
            ),
            purses=NoPurses(),
            per_user=PER_USER,
            upi=UPI,
        )

    async def merchant(self, *, exposure_limit_minor: int = 10**9, **terms: Any) -> Merchant:
        """With a contract of the usual kind but for `terms`."""
        fields: dict[str, Any] = {
            "id": ids.new(self.clock.now()),
            "name": "Chai Point",
            "mcc": "5814",
            "state_code": "27",
            "settlement_days": 1,
            "exposure_limit_minor": exposure_limit_minor,
            "requires_signature": False,
            "livemode": False,
            "created_at": self.clock.now(),
            **terms,
        }
        columns = ", ".join(fields)
        values = ", ".join(f"%({name})s" for name in fields)
        async with self.database.connection() as connection:
            await connection.execute(f"insert into merchants ({columns}) values ({values})", fields)
        return await self.merchants.get(fields["id"])

    def key(self, merchant: Merchant, name: str | None = None) -> IdempotencyKey:
        return IdempotencyKey(
            merchant_id=merchant.id,
            key=name or ids.new(self.clock.now()).hex,
            request_hash=b"0" * 32,
            created_at=self.clock.now(),
            livemode=merchant.livemode,
        )

    async def pay(
        self, merchant: Merchant, amount_minor: int, *, method: str = "upi", capture: bool = True
    ) -> Payment:
        """A payment as the rail's next outcome leaves it; captured at once when it approves."""
        key = ids.new(self.clock.now()).hex
        card = CardReference(token_id=ids.new(self.clock.now()), merchant_id=merchant.id)
        upi = Upi(flow="intent", payee_vpa="chai@khata", payer_vpa="asha@khata")
        order = Order(
            merchant_id=merchant.id,
            amount_minor=amount_minor,
            currency="INR",
            instrument=Instrument(
                method=method,
                key=key,
                mask="as***@khata",
                upi=upi if method == "upi" else None,
                card=card if method == "card" else None,
            ),
            capture_method="automatic" if capture else "manual",
            priority="balanced",
        )
        call = Call(key=self.key(merchant), render=lambda *_: Answer(201, b"{}"))
        return (await self.payments.pay(order, call, META)).payment

    async def capture(self, payment: Payment, amount_minor: int) -> Payment:
        """A part of an authorization, as the rail's next outcome leaves the payment."""
        merchant = await self.merchants.get(payment.merchant_id)
        call = Call(key=self.key(merchant), render=lambda *_: Answer(200, b"{}"))
        done = await self.payments.capture(payment.id, merchant.id, amount_minor, call, META)
        return done.payment

    async def refund(
        self,
        payment: Payment,
        amount_minor: int | None = None,
        key: IdempotencyKey | None = None,
    ) -> Refund:
        merchant = await self.merchants.get(payment.merchant_id)
        call = refunds.Call(key=key or self.key(merchant), render=rendered)
        order = RefundOrder(
            payment_id=payment.id, merchant_id=merchant.id, amount_minor=amount_minor
        )
        return await self.refunds.create(order, call, META)

    async def open_attempt(self, operation: str) -> Attempt:
        """The one attempt of this operation that has no outcome yet."""
        sql = (
            "select id from attempts where operation = %s"
            " and status in ('sent', 'pending', 'unknown')"
        )
        async with self.database.connection() as connection:
            rows = await (await connection.execute(sql, (operation,))).fetchall()
            assert len(rows) == 1, rows
            found = await self.attempts.get(connection, rows[0][0])
        assert found is not None
        return found

    async def books(self) -> dict[str, int]:
        """Posted balances by account code, stripes summed; what is zero is left out."""
        rows = await self.rows(
            "select code, sum(posted)::bigint from ledger_accounts group by code order by code"
        )
        return {code: posted for code, posted in rows if posted}

    async def check_books(self) -> None:
        """Each transaction sums to zero, each balance is the sum of its entries."""
        unbalanced = await self.rows(
            "select transaction_id, layer from ledger_entries"
            " group by transaction_id, layer having sum(amount_cents) <> 0"
        )
        assert unbalanced == []
        off = await self.rows(
            "select a.code from ledger_accounts a left join ledger_entries e"
            " on e.account_id = a.id and e.layer = 'posted'"
            " group by a.id having a.posted <> coalesce(sum(e.amount_cents), 0)"
        )
        assert off == []

    async def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return await (await connection.execute(sql, parameters)).fetchall()

    async def count(self, table: str) -> int:
        return int((await self.rows(f"select count(*) from {table}"))[0][0])


def _seals(database: Database, clock: FixedClock) -> Seals:
    return Seals(database, clock, FileSealKeys(KeyRing("seal_signing", {1: b"1" * 32})))


def vault_on(database: Database, clock: Clock) -> Vault:
    return Vault(
        database,
        clock,
        card_keys=KeyRing("card_encryption", {1: b"2" * 32}),
        hash_keys=KeyRing("instrument_hash", {1: b"3" * 32}),
    )


def rendered(refund: Refund) -> Answer:
    return Answer(201, json.dumps({"status": refund.status}).encode())


def pending_code(merchant_id: UUID) -> str:
    return f"merchant:{ids.encode('mrc', merchant_id)}:pending"


def payable_code(merchant_id: UUID) -> str:
    return f"merchant:{ids.encode('mrc', merchant_id)}:payable"


def _route(name: str, method: str) -> Route:
    return Route(
        name=name,
        provider=name,
        methods=frozenset({method}),
        max_amount_minor=10**12,
        priority=1,
        fee_bps=50,
    )


@asynccontextmanager
async def house_on(database_url: str) -> AsyncIterator[House]:
    house = House(database_url)
    await house.database.open()
    await house.writer.start()
    try:
        yield house
    finally:
        await house.writer.stop()
        await house.database.close()
