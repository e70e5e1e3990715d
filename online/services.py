"""All use cases, wired once: what the HTTP app, the worker and the commands share.

Belongs here: who gets whom. Does not: any rule, any route.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final

import msgspec

from online.attempts.domain import Attempt
from online.attempts.service import Attempts
from online.balances.service import Balances
from online.breaks import workflow as breaks_workflow
from online.breaks.service import Breaks
from online.breaks.terms import load_write_off_terms
from online.breaks.workflow import Workflow
from online.callbacks.build import build_callbacks
from online.callbacks.service import Callbacks
from online.calls.service import Calls
from online.customers.service import Customers
from online.devices.service import Devices
from online.disputes import intake as disputes_intake
from online.disputes.service import Disputes
from online.disputes.terms import load_terms
from online.ground import Ground, build_ground
from online.intents.service import IntentFollower, Intents
from online.invoices.service import Invoices, build_invoices
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.ledger.writer import Writer
from online.limits.domain import UserLimits
from online.merchants.service import Merchants
from online.payments import cascade, late_returns
from online.payments.assessed import AssessedInstruments, AssessedPayments
from online.payments.authorizations import load_holds
from online.payments.fees import load_fees
from online.payments.methods import Instruments
from online.payments.service import Payments
from online.payments.two_commits import Collaborators
from online.periods.service import Periods
from online.platform.db import Database
from online.platform.settings import ROOT, Settings
from online.postings.domain import Places
from online.postings.service import Postings
from online.rails.domain import Outcome
from online.rails.registry import PAYOUT_RAIL, Rails
from online.refunds import service as refunds_service
from online.refunds.service import Refunds
from online.reviews import service as reviews_service
from online.reviews.service import Queue, Reviews
from online.risk.assessor import Assessor
from online.risk.labels import Labels
from online.risk.labels_sweep import Sweep
from online.risk.service import Risk
from online.risk.tiles import require_complete
from online.routing.service import Routing
from online.screening.build import Screening
from online.seals.keys import load_seal_keys
from online.seals.service import Seals
from online.security.keyfiles import load_key_ring
from online.security.service import Credentials
from online.settlements.build import build_settlements
from online.settlements.payouts import Payouts
from online.settlements.service import SettledDays, Settlements
from online.statements.service import Statements
from online.traces import service as traces_service
from online.traces.service import Traces
from online.vault.service import Vault
from online.work.service import Work

_BANKS: Final = frozenset({"hdfc", "icici"})  # where rails settle

Resolve = Callable[[Attempt, Metadata, Outcome | None], Awaitable[object]]


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a process of the service may use. `start` before use, `stop` after."""

    settings: Settings
    clock: Clock
    database: Database
    readings: Database  # what risk reads of every payment
    writer: Writer
    credentials: Credentials
    merchants: Merchants
    customers: Customers
    devices: Devices
    vault: Vault
    rails: Rails
    routing: Routing
    attempts: Attempts
    screening: Screening
    risk: Risk
    assessor: Assessor
    labels: Labels
    label_sweep: Sweep
    reviews: Reviews
    instruments: Instruments
    payments: Payments
    intents: Intents
    refunds: Refunds
    disputes: Disputes
    settlements: Settlements
    statements: Statements
    periods: Periods
    invoices: Invoices
    traces: Traces
    balances: Balances
    callbacks: Callbacks
    calls: Calls
    breaks: Breaks
    break_workflow: Workflow
    postings: Postings
    seals: Seals
    work: Work
    resolvers: Mapping[str, Resolve]

    async def start(self) -> None:
        await self.database.open()
        await self.readings.open()
        await require_complete(self.database)
        await self.writer.start()
        await self.screening.start()
        await self.risk.start()
        await self.routing.start()

    async def stop(self) -> None:
        await self.callbacks.stop()
        await self.routing.stop()
        await self.risk.stop()
        await self.screening.stop()
        await self.writer.stop()
        await self.rails.close()
        await self.readings.close()
        await self.database.close()

    async def resolve(self, attempt: Attempt, actor: str, told: Outcome | None = None) -> None:
        """Lets the slice that ordered an attempt record what became of it: by the rail's own
        signed word (`told`), else by asking it. An attempt that is over may still turn out done."""
        await self.resolvers[attempt.ordered_by](attempt, Metadata(actor=actor), told)


def build_services(settings: Settings, clock: Clock | None = None) -> Services:
    """The object graph; opens nothing."""
    ground = build_ground(settings, clock)
    database, writer, clock = ground.database, ground.writer, ground.clock
    payments, refunds = _payments(ground)
    work = Work(database, clock)
    seals = Seals(database, clock, load_seal_keys(settings.data_dir / "keys"))
    payouts = Payouts(
        database, writer, clock, ground.attempts, merchants=ground.merchants, rail=PAYOUT_RAIL
    )
    places = Places(rails=frozenset(ground.rails.names), banks=_BANKS)
    secrets = load_key_ring(settings.data_dir / "keys" / "client_secret.key", "client_secret")
    intents = Intents(database, writer, clock, payments, secrets.key(1))
    disputes = _disputes(ground, payments)
    settlements = build_settlements(
        database, writer, clock, merchants=ground.merchants, work=work, payouts=payouts
    )
    resolvers: Mapping[str, Resolve] = {
        "payment": payments.resolve,
        "refund": refunds.resolve,
        "settlement": payouts.resolve,
    }
    return Services(
        **msgspec.structs.asdict(ground),
        assessor=Assessor(
            risk=ground.risk,
            clock=clock,
            instruments=AssessedInstruments(ground.vault),
            payments=AssessedPayments(payments),
        ),
        labels=Labels(database, writer, clock),
        label_sweep=_sweep(ground),
        reviews=_reviews(ground, payments),
        instruments=Instruments(ground.vault),
        payments=payments,
        intents=intents,
        refunds=refunds,
        disputes=disputes,
        settlements=settlements,
        statements=Statements(database, clock, work, ground.merchants),
        periods=Periods(database, clock, ground.attempts, seals),
        invoices=build_invoices(database, clock, ground.merchants),
        traces=Traces(
            traces_service.Collaborators(
                database=database,
                clock=clock,
                payments=payments,
                intents=intents,
                attempts=ground.attempts,
                refunds=refunds,
                disputes=disputes,
                settlements=settlements,
            )
        ),
        balances=Balances(database, ground.merchants),
        callbacks=_callbacks(ground, disputes, resolvers),
        calls=Calls(database, ground.attempts),
        breaks=Breaks(database, writer, clock),
        break_workflow=_break_workflow(ground, places),
        postings=Postings(database, writer, clock, places),
        seals=seals,
        work=work,
        resolvers=resolvers,
    )


def _payments(ground: Ground) -> tuple[Payments, Refunds]:
    per_user = ground.settings.rate_limits.per_user
    payments = Payments(
        Collaborators(
            database=ground.database,
            writer=ground.writer,
            clock=ground.clock,
            attempts=ground.attempts,
            merchants=ground.merchants,
            risk=ground.risk,
            routing=ground.routing,
            fees=load_fees(ROOT / "config" / "fees.yaml"),
            holds=load_holds(ROOT / "config" / "authorizations.yaml"),
            settled=SettledDays(),
            reviews=Queue(
                within=timedelta(hours=ground.settings.fraud_detection.review_within_hours)
            ),
            limits=UserLimits(
                transactions_per_day=per_user.transactions_per_day,
                amount_per_day_minor=per_user.amount_per_day_minor,
            ),
            cascade=cascade.rules_of(ground.settings.cascade),
            patience=late_returns.patience_of(ground.settings.late_money),
        ),
        IntentFollower(),
    )
    refunds = Refunds(
        refunds_service.Collaborators(
            database=ground.database,
            writer=ground.writer,
            clock=ground.clock,
            attempts=ground.attempts,
            merchants=ground.merchants,
            payments=payments,
        )
    )
    return payments, refunds


def _sweep(ground: Ground) -> Sweep:
    good_after = timedelta(days=ground.settings.fraud_detection.good_after_days)
    return Sweep(ground.database, ground.writer, ground.clock, good_after=good_after)


def _reviews(ground: Ground, payments: Payments) -> Reviews:
    lease = timedelta(minutes=ground.settings.fraud_detection.review_lease_minutes)
    return Reviews(
        reviews_service.Collaborators(
            database=ground.database,
            writer=ground.writer,
            clock=ground.clock,
            payments=payments,
            lease=lease,
        )
    )


def _disputes(ground: Ground, payments: Payments) -> Disputes:
    return Disputes(
        disputes_intake.Collaborators(
            database=ground.database,
            writer=ground.writer,
            clock=ground.clock,
            attempts=ground.attempts,
            merchants=ground.merchants,
            payments=payments,
            rails=ground.rails,
            fees=load_fees(ROOT / "config" / "fees.yaml"),
            terms=load_terms(ROOT / "config" / "disputes.yaml"),
        )
    )


def _callbacks(ground: Ground, disputes: Disputes, resolvers: Mapping[str, Resolve]) -> Callbacks:
    async def resolve(attempt: Attempt, actor: str, told: Outcome) -> None:
        await resolvers[attempt.ordered_by](attempt, Metadata(actor=actor), told)

    return build_callbacks(
        ground.settings,
        database=ground.database,
        clock=ground.clock,
        attempts=ground.attempts,
        rails=ground.rails,
        disputes=disputes,
        resolve=resolve,
    )


def _break_workflow(ground: Ground, places: Places) -> Workflow:
    return Workflow(
        breaks_workflow.Collaborators(
            database=ground.database,
            writer=ground.writer,
            clock=ground.clock,
            terms=load_write_off_terms(ROOT / "config" / "write_offs.yaml"),
            places=places,
        )
    )
