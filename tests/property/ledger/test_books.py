"""Whatever happens in whatever order, the ledger agrees with a dictionary, and refusals do nothing.

Driven through the real writer on PostgreSQL, one step at a time.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any
from uuid import UUID

import psycopg
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import (
    IllegalMove,
    InsufficientFunds,
    LimitExceeded,
    OverCapture,
    OverRefund,
    VersionConflict,
)
from online.kernel.events import Event, Metadata
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.aggregate import Origin
from online.ledger.change import Change, LimitMove
from online.ledger.journal import Journal, credit, debit
from online.ledger.recipes import Legs, Tax
from online.ledger.writer import AlreadyPosted
from online.operations.verify import verify_books
from online.payments.domain import Payment
from online.payments.store import PAYMENTS
from online.platform.idempotency import IdempotencyKey, KeyTaken
from tests.background import BackgroundWriter
from tests.builders import AT, an, uid
from tests.databases import as_role, fresh_database
from tests.property.ledger import books
from tests.property.ledger.books import RAIL, Books, PaymentInBooks

# One merchant may owe us a little, the other nothing.
EXPOSURE = {uid("careful"): 0, uid("trusted"): 300}
MERCHANTS = st.sampled_from(sorted(EXPOSURE))
AMOUNTS = st.integers(1, 1_000)
DAILY_CAP = 6_000
BY = Metadata(actor="test")

COUNTS = """select (select count(*) from payment_events),
    (select count(*) from ledger_transactions),
    (select count(*) from ledger_entries), (select count(*) from idempotency_keys),
    (select coalesce(sum(used), 0) from limit_counters), (select sum(version) from payments),
    (select sum(version) from ledger_accounts)"""
BALANCES = """select code, sum(posted)::bigint, sum(pending)::bigint
    from ledger_accounts group by code"""
SUMS = """select a.code, e.layer, sum(e.amount_cents)::bigint from ledger_entries e
    join ledger_accounts a on a.id = e.account_id group by 1, 2"""
CAPS = """select id, authorized_minor, captured_minor, refund_open_minor, refunded_minor
    from payments"""


class Ledger(RuleBasedStateMachine):
    """Rules as a merchant, a rail and an impatient client would play them."""

    postgres: Any
    template: str

    payments = Bundle("payments")
    refunds = Bundle("refunds")
    done = Bundle("done")

    def __init__(self) -> None:
        super().__init__()
        self.numbers = count()
        floors = {books.pending(m): -exposure for m, exposure in EXPOSURE.items()}
        floors |= {books.payable(m): 0 for m in EXPOSURE} | {books.REFUNDS: 0}
        self.books = Books(floors)
        self.model: dict[UUID, PaymentInBooks] = {}
        self.states: dict[UUID, Payment] = {}
        self.spent = dict.fromkeys(EXPOSURE, 0)
        self.fresh = fresh_database(self.postgres, self.template)
        self.url = self.fresh.__enter__()
        self.sql = psycopg.connect(self.url, autocommit=True)
        self.writer = BackgroundWriter(as_role(self.postgres, self.url, "khata_app")).__enter__()

    def teardown(self) -> None:
        try:
            assert self.writer.run(verify_books(self.url)).holds
        finally:
            self.writer.__exit__(None, None, None)
            self.sql.close()
            self.fresh.__exit__(None, None, None)

    # ── what a step is made of ───────────────────────────────────────────────────────────

    def new_id(self) -> UUID:
        return ids.derived("step", str(next(self.numbers)))

    def journal(
        self, kind: str, legs: Legs, cause: UUID | None = None, *, forced: bool = False
    ) -> Journal:
        return Journal(
            cause=cause or self.new_id(),
            kind=kind,
            currency="INR",
            postings=legs,
            business_date=AT.date(),
            effective_at=AT,
            livemode=False,
            forced=forced,
        )

    def moved(self, id_: UUID, events: Sequence[Event], *journals: Journal) -> Change:
        moved = PAYMENTS.move(self.states[id_], events, AT, BY)
        return Change(snapshots=(moved.row,), events=moved.events, journals=journals)

    def pending(self, merchant: UUID) -> chart.Account:
        return chart.merchant_pending(merchant, EXPOSURE[merchant])

    def taken(self, change: Change) -> Change:
        """Must be committed; remembers the payments as they are now."""
        refusal = self.writer.submit(change)
        assert refusal is None, refusal
        for row in change.snapshots:
            self.states[row.id] = row.row
        return change

    def refused(self, change: Change, by: type[Exception]) -> None:
        """Must be refused, and leave everything as it was."""
        before = self.sql.execute(COUNTS).fetchone()
        refusal = self.writer.submit(change)
        assert type(refusal) is by, f"{by.__name__} expected, got {refusal!r}"
        assert self.sql.execute(COUNTS).fetchone() == before

    # ── rules ────────────────────────────────────────────────────────────────────────────

    @initialize(target=payments, amount=AMOUNTS)
    def open_a_shop(self, amount):
        return self.authorize(uid("trusted"), amount, None)

    @rule(target=payments, merchant=MERCHANTS, amount=AMOUNTS, key=st.none() | st.integers(0, 3))
    def authorize(self, merchant, amount, key):
        origin = Origin(id=self.new_id(), merchant_id=merchant, livemode=False)
        events = [
            an(
                ev.PaymentCreated,
                amount=amount,
                currency="INR",
                method="card",
                capture_method="manual",
            ),
            an(ev.PaymentProcessing),
            an(ev.PaymentAuthorized, amount=amount, rail=RAIL),
        ]
        made = PAYMENTS.create(origin, events, AT, BY)
        legs = recipes.authorization(RAIL, self.pending(merchant), amount)
        change = Change(
            snapshots=(made.row,),
            events=made.events,
            journals=(self.journal("authorization", legs),),
            limits=(daily(merchant, amount),),
            reserve=reservation(merchant, key) if key is not None else None,
        )
        known = self.sql.execute(
            "select 1 from idempotency_keys where merchant_id = %s and key = %s",
            [merchant, str(key)],
        ).fetchone()
        if known:
            self.refused(change, KeyTaken)
        elif self.spent[merchant] + amount > DAILY_CAP:
            self.refused(change, LimitExceeded)
        else:
            self.taken(change)
            self.spent[merchant] += amount
            self.books.post(books.authorized(merchant, amount))
            self.model[origin.id] = PaymentInBooks(merchant, amount)
            return origin.id
        return multiple()

    @rule(target=done, id_=payments, amount=AMOUNTS, fee=st.integers(0, 30), tax=st.integers(0, 9))
    def capture(self, id_, amount, fee, tax):
        payment = self.model[id_]
        asked = an(ev.PaymentCaptureRequested, amount=amount)
        got = an(ev.PaymentCaptured, amount=amount, fee=fee, tax=tax, currency="INR")
        account = self.pending(payment.merchant)
        legs = (
            *recipes.release_authorization(RAIL, account, amount),
            *recipes.capture(RAIL, account, amount, fee, Tax(igst_minor=tax)),
        )
        expected = books.captured(payment.merchant, amount, fee, tax)
        change = self.unless_over(id_, [asked, got], self.journal("capture", legs))
        if not self.books.affordable(expected):
            self.refused(change, InsufficientFunds)
        elif amount > payment.uncaptured:
            self.refused(change, OverCapture)
        else:
            self.taken(change)
            payment.captured += amount
            self.books.post(expected)
            return change
        return multiple()

    def unless_over(self, id_: UUID, events: list[Event], journal: Journal) -> Change:
        try:
            return self.moved(id_, events, journal)
        except IllegalMove:  # voided, or refunded to the last paisa
            assume(False)
            raise

    @rule(target=done, id_=payments)
    def void(self, id_):
        payment = self.model[id_]
        assume(payment.authorized and not payment.captured)
        amount = payment.authorized
        legs = recipes.release_authorization(RAIL, self.pending(payment.merchant), amount)
        change = self.unless_over(id_, [an(ev.PaymentCanceled)], self.journal("void", legs))
        self.taken(change)
        payment.authorized = 0
        self.books.post(books.released(payment.merchant, amount))
        return change

    @rule(target=refunds, id_=payments, amount=AMOUNTS)
    def request_refund(self, id_, amount):
        payment, refund = self.model[id_], self.new_id()
        asked = an(ev.PaymentRefundRequested, amount=amount)
        legs = recipes.refund_requested(RAIL, self.pending(payment.merchant), amount)
        change = self.unless_over(id_, [asked], self.journal("refund_requested", legs, refund))
        expected = books.move(books.pending(payment.merchant), books.REFUNDS, amount)
        if not self.books.affordable(expected):
            self.refused(change, InsufficientFunds)
        elif amount > payment.refundable:
            self.refused(change, OverRefund)
        else:
            self.taken(change)
            payment.refunds[refund] = amount
            self.books.post(expected)
            return id_, refund
        return multiple()

    @rule(target=done, open_=consumes(refunds), succeeds=st.booleans())
    def end_refund(self, open_, succeeds):
        id_, refund = open_
        payment = self.model[id_]
        amount = payment.refunds.pop(refund)
        if succeeds:
            payment.refunded += amount
            all_ = payment.refunded == payment.captured
            event = an(ev.PaymentRefunded if all_ else ev.PaymentPartiallyRefunded, amount=amount)
            legs = recipes.refund_confirmed(RAIL, amount)
            expected = books.move(books.REFUNDS, books.RECEIVABLE, amount)
            kind = "refund_confirmed"
        else:
            event = an(ev.PaymentRefundFailed, amount=amount)
            legs = recipes.refund_failed(RAIL, self.pending(payment.merchant), amount)
            expected = books.move(books.REFUNDS, books.pending(payment.merchant), amount)
            kind = "refund_failed"
        change = self.taken(self.moved(id_, [event], self.journal(kind, legs)))
        self.books.post(expected)
        return change

    @rule(target=done, merchant=MERCHANTS, amount=AMOUNTS)
    def take_back(self, merchant, amount):
        """The bank has taken it already: whatever the merchant has, the books must say so."""
        legs = (
            debit(self.pending(merchant), amount),
            credit(chart.rail_receivable(RAIL), amount),
        )
        change = self.taken(Change(journals=(self.journal("taken_back", legs, forced=True),)))
        self.books.post(books.move(books.pending(merchant), books.RECEIVABLE, amount))
        return change

    @rule(target=done, merchant=MERCHANTS, net=AMOUNTS)
    def settle(self, merchant, net):
        legs = recipes.settlement(
            merchant, self.pending(merchant), payout=net, reserve=0, tranche="none", tds=0
        )
        expected = books.move(books.pending(merchant), books.payable(merchant), net)
        return self.only_money("settlement", legs, expected)

    @rule(target=done, merchant=MERCHANTS, amount=AMOUNTS)
    def pay_out(self, merchant, amount):
        legs = recipes.payout_sent(merchant, "bank_hdfc", amount)
        expected = books.move(books.payable(merchant), books.IN_TRANSIT, amount)
        return self.only_money("payout_sent", legs, expected)

    def only_money(self, kind: str, legs: Legs, expected: list[books.Leg]) -> Any:
        change = Change(journals=(self.journal(kind, legs),))
        if not self.books.affordable(expected):
            self.refused(change, InsufficientFunds)
            return multiple()
        self.taken(change)
        self.books.post(expected)
        return change

    @rule(change=done)
    def replay(self, change):
        """The same again: its payment has moved on, or its cause has posted."""
        if change.snapshots:
            self.refused(change, VersionConflict)
        alone = Change(journals=change.journals)
        before = self.sql.execute(COUNTS).fetchone()
        # A replay that the merchant could not even afford is refused for that first.
        assert type(self.writer.submit(alone)) in (AlreadyPosted, InsufficientFunds)
        assert self.sql.execute(COUNTS).fetchone() == before

    # ── what holds after every step ──────────────────────────────────────────────────────

    @invariant()
    def balances_equal_the_model(self):
        found = {}
        for code, posted, pending in self.sql.execute(BALANCES):
            found |= {(code, "posted"): posted, (code, "pending"): pending}
        assert {key: amount for key, amount in found.items() if amount} == self.books.standing()

    @invariant()
    def what_force_took_is_noted(self):
        found = dict(self.sql.execute("select code, forced from ledger_accounts where forced > 0"))
        assert found == self.books.below()

    @invariant()
    def entries_sum_to_the_balances_and_to_zero(self):
        sums = {(code, layer): total for code, layer, total in self.sql.execute(SUMS)}
        assert {key: total for key, total in sums.items() if total} == self.books.standing()
        for layer in ("posted", "pending"):
            assert sum(total for (_, of), total in sums.items() if of == layer) == 0

    @invariant()
    def payments_equal_the_model(self):
        found = {id_: tuple(amounts) for id_, *amounts in self.sql.execute(CAPS)}
        assert found == {
            id_: (p.authorized, p.captured, sum(p.refunds.values()), p.refunded)
            for id_, p in self.model.items()
        }


def daily(merchant: UUID, amount: int) -> LimitMove:
    return LimitMove(
        subject=str(merchant),
        rule="amount_per_day",
        window_start=AT.date(),
        delta=amount,
        cap=DAILY_CAP,
        livemode=False,
    )


def reservation(merchant: UUID, key: int) -> IdempotencyKey:
    return IdempotencyKey(
        merchant_id=merchant,
        key=str(key),
        request_hash=b"",
        created_at=AT,
        livemode=False,
        status=200,
        body=b"{}",
    )


def test_the_ledger_agrees_with_a_dictionary(postgres, template):
    machine = type("LedgerHere", (Ledger,), {"postgres": postgres, "template": template})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
