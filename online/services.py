"""All use cases, wired once: what the HTTP app, the worker and the commands share.

Belongs here: who gets whom. Does not: any rule, any route.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from online.approvals.build import build_approvals
from online.approvals.service import Approvals
from online.attempts.domain import Attempt
from online.attempts.returned import Returns
from online.attempts.service import Attempts
from online.balances.service import Balances
from online.breaks.service import Breaks
from online.breaks.workflow import Workflow
from online.callbacks.service import Callbacks
from online.calls.service import Calls
from online.customers.service import Customers
from online.delegations.service import Delegations
from online.devices.service import Devices
from online.disputes.service import Disputes
from online.escrows.build import build_escrows
from online.escrows.service import Escrows
from online.ground import build_ground
from online.handles.service import Handles
from online.holds.build import build_holds
from online.holds.service import Holds
from online.intents.service import Intents
from online.invoices.service import Invoices, build_invoices
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.ledger.writer import Writer
from online.limits.service import Limits
from online.mandates.build import MandateWork
from online.merchants.service import Merchants
from online.payments.methods import Instruments
from online.payments.service import Payments
from online.payouts.beneficiaries import Beneficiaries
from online.payouts.service import Payouts
from online.periods.service import Periods
from online.platform.db import Database
from online.platform.settings import Settings
from online.postings.domain import Places
from online.postings.service import Postings
from online.rails.domain import Outcome
from online.rails.registry import Rails
from online.refunds.service import Refunds
from online.reviews.service import Reviews
from online.risk.assessor import Assessor
from online.risk.labels import Labels
from online.risk.labels_sweep import Sweep
from online.risk.service import Risk
from online.risk.tiles import require_complete
from online.routing.service import Routing
from online.screening.build import Screening
from online.seals.keys import load_seal_keys
from online.seals.service import Seals
from online.security.service import Credentials
from online.settlements.build import build_settlements
from online.settlements.payouts import Payouts as SettlementPayouts
from online.settlements.service import Settlements
from online.statements.service import Statements
from online.traces.service import Traces
from online.transfers.service import Transfers
from online.upi.service import Upi
from online.vault.service import Vault
from online.wallets.service import Wallets
from online.wallets.top_ups import TopUps
from online.wiring import (
    Resolve,
    wire_assessor,
    wire_break_workflow,
    wire_callbacks,
    wire_disputes,
    wire_instruments,
    wire_intents,
    wire_mandates,
    wire_payments,
    wire_payouts,
    wire_reviews,
    wire_settled,
    wire_sweep,
    wire_traces,
    wire_transfers,
)
from online.work.service import Work

_BANKS: Final = frozenset({"hdfc", "icici"})  # where rails settle


Payers = Mapping[str, SettlementPayouts | Payouts | Beneficiaries]


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
    handles: Handles
    delegations: Delegations
    wallets: Wallets
    top_ups: TopUps
    limits: Limits
    upi: Upi
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
    approvals: Approvals
    payments: Payments
    intents: Intents
    refunds: Refunds
    mandates: MandateWork
    transfers: Transfers
    disputes: Disputes
    holds: Holds
    escrows: Escrows
    settlements: Settlements
    beneficiaries: Beneficiaries
    payouts: Payouts
    returns: Returns
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
    payments, refunds = wire_payments(ground)
    mandates = wire_mandates(ground, payments)
    transfers = wire_transfers(ground)
    work = Work(database, clock)
    seals = Seals(database, clock, load_seal_keys(settings.data_dir / "keys"))
    settled = wire_settled(ground)
    beneficiaries, payouts = wire_payouts(ground)
    payers: Payers = {"settlement": settled, "pout": payouts, "bnf": beneficiaries}
    returned = {orderer: each.returned for orderer, each in payers.items()}
    places = Places(rails=frozenset(ground.rails.names), banks=_BANKS)
    intents = wire_intents(ground, payments)
    disputes = wire_disputes(ground, payments)
    settlements = build_settlements(
        database, writer, clock, merchants=ground.merchants, work=work, payouts=settled
    )
    resolvers: Mapping[str, Resolve] = {
        **{orderer: each.resolve for orderer, each in payers.items()},
        "payment": payments.resolve,
        "refund": refunds.resolve,
        "trf": transfers.resolve,
        "mnd": mandates.mandates.resolve,
        "top": ground.top_ups.resolve,
    }
    return Services(
        **msgspec.structs.asdict(ground),
        assessor=wire_assessor(ground, payments),
        labels=Labels(database, writer, clock),
        label_sweep=wire_sweep(ground),
        reviews=wire_reviews(ground, payments),
        instruments=wire_instruments(ground),
        approvals=build_approvals(ground, payments),
        payments=payments,
        intents=intents,
        refunds=refunds,
        mandates=mandates,
        transfers=transfers,
        disputes=disputes,
        holds=build_holds(database, clock, payments, merchants=ground.merchants),
        escrows=build_escrows(ground, payments, refunds.out_of_escrow),
        settlements=settlements,
        beneficiaries=beneficiaries,
        payouts=payouts,
        returns=Returns(database, ground.attempts, returned),
        statements=Statements(database, clock, work, ground.merchants),
        periods=Periods(database, clock, ground.attempts, seals),
        invoices=build_invoices(database, clock, ground.merchants),
        traces=wire_traces(
            ground,
            payments=payments,
            intents=intents,
            refunds=refunds,
            disputes=disputes,
            settlements=settlements,
        ),
        balances=Balances(database, ground.merchants),
        callbacks=wire_callbacks(ground, disputes, mandates.mandates, resolvers),
        calls=Calls(database, ground.attempts),
        breaks=Breaks(database, writer, clock),
        break_workflow=wire_break_workflow(ground, places),
        postings=Postings(database, writer, clock, places),
        seals=seals,
        work=work,
        resolvers=resolvers,
    )
