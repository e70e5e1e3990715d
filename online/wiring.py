"""How the slices that take many collaborators are built of the ground.

Belongs here: one function a slice, where it has no `build.py` of its own. Does not: which slices
there are (`services`), or what they share (`ground`).
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from online.attempts.domain import Attempt
from online.breaks import workflow as breaks_workflow
from online.breaks.terms import load_write_off_terms
from online.breaks.workflow import Workflow
from online.callbacks.build import build_callbacks
from online.callbacks.service import Callbacks
from online.disputes import intake as disputes_intake
from online.disputes.service import Disputes
from online.disputes.terms import load_terms
from online.escrows.following import Following
from online.ground import Ground, per_user
from online.holds.service import HoldFollower
from online.intents.service import IntentFollower, Intents
from online.kernel.events import Metadata
from online.mandates.build import MandateWork, build_mandates, mandate_follower, mandate_rules
from online.mandates.running import Collaborators as MandateCollaborators
from online.mandates.service import Mandates
from online.payments import cascade, late_returns
from online.payments.assessed import AssessedInstruments, AssessedPayments
from online.payments.authorizations import load_extensions, load_holds
from online.payments.fees import load_fees
from online.payments.methods import Instruments, Payables
from online.payments.orders import Followers
from online.payments.running import Collaborators
from online.payments.service import Payments
from online.payouts.beneficiaries import Beneficiaries
from online.payouts.build import build_beneficiaries, build_payouts
from online.payouts.service import Payouts
from online.platform.settings import ROOT
from online.postings.domain import Places
from online.rails.domain import Outcome
from online.rails.registry import PAYOUT_RAIL
from online.refunds import service as refunds_service
from online.refunds.service import Refunds
from online.reviews import service as reviews_service
from online.reviews.service import Queue, Reviews
from online.risk.assessor import Assessor
from online.risk.labels_sweep import Sweep
from online.security.keyfiles import load_key_ring
from online.settlements.payouts import Payouts as SettlementPayouts
from online.settlements.service import SettledDays, Settlements
from online.traces import service as traces_service
from online.traces.service import Traces
from online.transfers import service as transfers_service
from online.transfers.people import Directory
from online.transfers.service import Transfers
from online.transfers.terms import load_terms as load_transfer_terms

Resolve = Callable[[Attempt, Metadata, Outcome | None], Awaitable[object]]


def wire_payments(ground: Ground) -> tuple[Payments, Refunds]:
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
            extensions=load_extensions(ROOT / "config" / "authorizations.yaml"),
            upi=ground.upi,
            settled=SettledDays(),
            reviews=Queue(
                within=timedelta(hours=ground.settings.fraud_detection.review_within_hours)
            ),
            limits=ground.limits,
            escrowed=Following(ground.clock, ground.merchants),
            purses=ground.wallets,
            per_user=per_user(ground.settings),
            cascade=cascade.rules_of(ground.settings.cascade),
            patience=late_returns.patience_of(ground.settings.late_money),
        ),
        Followers(intents=IntentFollower(), holds=HoldFollower(), mandates=mandate_follower()),
    )
    refunds = Refunds(
        refunds_service.Collaborators(
            database=ground.database,
            writer=ground.writer,
            clock=ground.clock,
            attempts=ground.attempts,
            merchants=ground.merchants,
            payments=payments,
            escrowed=Following(ground.clock, ground.merchants),
            purses=ground.wallets,
        )
    )
    return payments, refunds


def wire_transfers(ground: Ground) -> Transfers:
    return Transfers(
        transfers_service.Collaborators(
            database=ground.database,
            writer=ground.writer,
            clock=ground.clock,
            attempts=ground.attempts,
            merchants=ground.merchants,
            risk=ground.risk,
            routing=ground.routing,
            directory=Directory(ground.customers, ground.vault, ground.handles),
            limits=ground.limits,
            terms=load_transfer_terms(ROOT / "config" / "tat.yaml"),
        )
    )


def wire_payouts(ground: Ground) -> tuple[Beneficiaries, Payouts]:
    beneficiaries = build_beneficiaries(
        ground.database,
        ground.writer,
        ground.clock,
        attempts=ground.attempts,
        vault=ground.vault,
        rails=ground.rails,
        rail=PAYOUT_RAIL,
    )
    payouts = build_payouts(
        ground.database,
        ground.writer,
        ground.clock,
        attempts=ground.attempts,
        merchants=ground.merchants,
        limits=ground.limits.rules,
        beneficiaries=beneficiaries,
        rail=PAYOUT_RAIL,
    )
    return beneficiaries, payouts


def wire_mandates(ground: Ground, payments: Payments) -> MandateWork:
    return build_mandates(
        MandateCollaborators(
            database=ground.database,
            writer=ground.writer,
            clock=ground.clock,
            attempts=ground.attempts,
            merchants=ground.merchants,
            routing=ground.routing,
            rails=ground.rails,
            rules=mandate_rules(),
        ),
        payments,
        customers=ground.customers,
        vault=ground.vault,
        handles=ground.handles,
    )


def wire_sweep(ground: Ground) -> Sweep:
    good_after = timedelta(days=ground.settings.fraud_detection.good_after_days)
    return Sweep(ground.database, ground.writer, ground.clock, good_after=good_after)


def wire_reviews(ground: Ground, payments: Payments) -> Reviews:
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


def wire_disputes(ground: Ground, payments: Payments) -> Disputes:
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
            escrowed=Following(ground.clock, ground.merchants),
        )
    )


def wire_callbacks(
    ground: Ground, disputes: Disputes, mandates: Mandates, resolvers: Mapping[str, Resolve]
) -> Callbacks:
    async def resolve(attempt: Attempt, actor: str, told: Outcome) -> None:
        await resolvers[attempt.ordered_by](attempt, Metadata(actor=actor), told)

    return build_callbacks(
        ground.settings,
        database=ground.database,
        clock=ground.clock,
        attempts=ground.attempts,
        rails=ground.rails,
        disputes=disputes,
        mandates=mandates,
        resolve=resolve,
    )


def wire_break_workflow(ground: Ground, places: Places) -> Workflow:
    return Workflow(
        breaks_workflow.Collaborators(
            database=ground.database,
            writer=ground.writer,
            clock=ground.clock,
            terms=load_write_off_terms(ROOT / "config" / "write_offs.yaml"),
            places=places,
        )
    )


def wire_assessor(ground: Ground, payments: Payments) -> Assessor:
    return Assessor(
        risk=ground.risk,
        clock=ground.clock,
        instruments=AssessedInstruments(ground.vault),
        payments=AssessedPayments(payments),
    )


def wire_instruments(ground: Ground) -> Instruments:
    payables = Payables(
        handles=ground.handles, delegations=ground.delegations, balances=ground.wallets
    )
    return Instruments(ground.vault, payables)


def wire_traces(
    ground: Ground,
    *,
    payments: Payments,
    intents: Intents,
    refunds: Refunds,
    disputes: Disputes,
    settlements: Settlements,
) -> Traces:
    return Traces(
        traces_service.Collaborators(
            database=ground.database,
            clock=ground.clock,
            payments=payments,
            intents=intents,
            attempts=ground.attempts,
            refunds=refunds,
            disputes=disputes,
            settlements=settlements,
        )
    )


def wire_intents(ground: Ground, payments: Payments) -> Intents:
    ring = ground.settings.data_dir / "keys" / "client_secret.key"
    secret = load_key_ring(ring, "client_secret").key(1)
    return Intents(ground.database, ground.writer, ground.clock, payments, secret)


def wire_settled(ground: Ground) -> SettlementPayouts:
    return SettlementPayouts(
        ground.database,
        ground.writer,
        ground.clock,
        ground.attempts,
        merchants=ground.merchants,
        rail=PAYOUT_RAIL,
    )
