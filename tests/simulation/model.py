"""What must be so, in plain Python: the amounts and states that follow from requests and answers.

Written from the payment's rules, not from the service's code: it imports none of it. It hears three
things: which requests the service took in, what the bank answered, and what time it is.
"""

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from tests.simulation.bank import Record
from tests.simulation.model_deemed import Deeming
from tests.simulation.model_escrows import Escrow
from tests.simulation.model_holds import extended
from tests.simulation.model_late import Lateness
from tests.simulation.model_mandates import Execution, Mandate
from tests.simulation.model_payouts import Beneficiary, Payout
from tests.simulation.model_transfers import People, Transfer
from tests.simulation.model_wallets import Load, Money, Purse
from tests.simulation.things import (
    Attempt,
    Dispute,
    Intent,
    LateItem,
    Merchant,
    Payment,
    Refund,
    Settlement,
)

INDIA = timezone(timedelta(hours=5, minutes=30))
FINAL_AFTER = timedelta(seconds=300)
PATIENCE = timedelta(minutes=15)
NO = {"declined", "failed"}
COMES = {"gross", "reserve_released"}
UNDER_WAY = {"processing", "requires_action", "unknown"}
HAS_MONEY = {"captured", "partially_refunded"}


def share(amount: int, bps: int) -> int:
    """Rounded half to even, by way of decimals."""
    exact = Decimal(amount) * bps / 10_000
    return int(exact.to_integral_value(ROUND_HALF_EVEN))


def day_of(at: datetime) -> date:
    return at.astimezone(INDIA).date()


class Model(Lateness, Deeming):
    """Everything we expect, and how each answer of the bank changes it."""

    def __init__(self, daily_limit: int) -> None:
        super().__init__()
        self.merchants: dict[str, Merchant] = {}
        self.payments: dict[str, Payment] = {}
        self.refunds: dict[str, Refund] = {}
        self.intents: dict[str, Intent] = {}
        self.disputes: dict[str, Dispute] = {}
        self.settlements: list[Settlement] = []
        self.mandates: list[Mandate] = []
        self.executions: list[Execution] = []
        self.beneficiaries: list[Beneficiary] = []
        self.payouts: list[Payout] = []
        self.scheduled: tuple[datetime, Payout] | None = None  # the one that waits for its time
        self.people = People()
        self.transfers: list[Transfer] = []
        self.purses: list[Purse] = []
        self.attempts: dict[str, Attempt] = {}
        self.spent: Counter[tuple[str, date]] = Counter()
        self.counted: Counter[str] = Counter()  # of handles and delegations
        self.receivable: Counter[str] = Counter()  # by rail: taken minus given back
        self.daily_limit = daily_limit
        self.escrows: list[Escrow] = []
        self.money = Money(self.receivable, self.suspense)

    # ── requests that were taken in ──────────────────────────────────────────────────────

    def sent(self, record: Record, of: Any, at: datetime) -> None:
        """The bank was asked for `of`."""
        reference, operation, amount = record.reference, str(record.operation), record.amount
        known = "return" if isinstance(of, LateItem) else operation
        self.attempts[reference] = Attempt(
            reference, known, amount, of, at, record.rail, bank_operation=operation
        )
        match operation, of:
            case _, LateItem():
                self.begun(of, reference)
            case "authorize", Payment():
                of.authorization, of.rail = reference, record.rail  # the last one counts
            case "capture" | "release", Payment():
                of.capture_open += amount
            case "void", Payment():
                of.capture_open = of.authorized - of.captured
            case "reverse", Payment():
                of.refund_open += amount
                of.capture_open = of.authorized - of.captured
            case "refund", Refund():
                of.payment.refund_open += amount
                self._move(of.payment.merchant, at, "refunds", amount)

    def spend(self, payment: Payment, sign: int = 1) -> None:
        self.spent[payment.payer, day_of(payment.created_at)] += sign * payment.amount
        for counter, amount in payment.takes.items():
            self.counted[counter] += sign * amount

    def would_pass_limit(self, payer: str, amount: int, at: datetime) -> bool:
        return self.spent[payer, day_of(at)] + amount > self.daily_limit

    # ── answers ──────────────────────────────────────────────────────────────────────────

    def told(self, reference: str, kind: str, now: datetime, *, call: bool) -> bool:
        """Whether this answer, to the `call` itself or to an enquiry, changed anything."""
        attempt = self.attempts.get(reference)
        if attempt is None:
            return False
        if not attempt.open:  # whoever records the end first wins, unless a no becomes a yes
            return attempt.verdict in NO and kind == "approved" and self.turned(attempt, now)
        if call and attempt.enquired and kind not in {"approved", *NO}:
            return False
        attempt.enquired = attempt.enquired or not call
        if kind == "not_found":
            kind = "failed" if now - attempt.sent_at >= FINAL_AFTER else "unknown"
        attempt.open = kind not in {"approved", *NO}
        attempt.verdict = "" if attempt.open else kind
        if not self._record(attempt, kind, now):
            return False
        if isinstance(attempt.of, Payment) and attempt.of.intent is not None:
            attempt.of.intent.follow(attempt.of, now)
        return True

    def _record(self, attempt: Attempt, kind: str, now: datetime) -> bool:
        match attempt.operation, attempt.of:
            case "return", LateItem() as item:
                self.gave_back(item, attempt, kind, now)
            case "authorize", Payment() as payment:
                self._authorize(payment, attempt, kind, now)
            case "refund", Refund() as refund:
                self._refund(refund, attempt, kind, now)
            case "payout", Settlement() as settlement:
                self._payout(settlement, kind)
            case "payout", Payout() as payout:
                payout.ended(kind)
            case operation, Transfer() as transfer:
                transfer.told(operation, kind)
            case operation, Load() as load:
                load.told(operation, attempt.amount, kind, now)
            case operation, Payment() as payment:
                return self._operate(operation, payment, attempt, kind, now)
        return True

    def _authorize(self, payment: Payment, attempt: Attempt, kind: str, now: datetime) -> None:
        current = payment.authorization == attempt.reference and payment.status in UNDER_WAY
        if payment.deemed and payment.authorization == attempt.reference:
            self.last_word(payment, attempt, kind, now)
            return
        if kind == "deemed" and current and not payment.manual:
            self.deemed(payment, attempt, now)
            return
        if kind == "approved" and not current:
            self.came(payment, attempt, now)
        elif kind == "approved":
            payment.authorized = attempt.amount
            if payment.manual:
                payment.status = "authorized"
                self.merchants[payment.merchant].held += attempt.amount
            else:
                payment.status = "captured"
                self._capture(payment, attempt.amount, now)
        elif current:
            after = {
                "pending": "requires_action",
                "unknown": "unknown",
                "deemed": "unknown",  # what only holds money waits for the last word
            }
            payment.status = after.get(kind, "failed")
            if kind in NO:
                self.spend(payment, -1)

    def _operate(
        self, operation: str, payment: Payment, attempt: Attempt, kind: str, now: datetime
    ) -> bool:
        match operation, kind:
            case "capture", "approved" if payment.status not in {"authorized", *HAS_MONEY}:
                self.unplaced(payment, attempt, 1)
                payment.unplaced_taken += attempt.amount
            case "capture", "approved":
                payment.capture_open -= attempt.amount
                self.merchants[payment.merchant].held -= attempt.amount
                if payment.status != "partially_refunded":
                    payment.status = "captured"
                self._capture(payment, attempt.amount, now)
            case "capture", "declined" | "failed" if payment.status in {"authorized", *HAS_MONEY}:
                payment.capture_open -= attempt.amount
            case "release" | "extend", _:
                return self._keep(operation, payment, attempt, kind)
            case "void", "approved" if payment.status in {"requires_action", "authorized"}:
                payment.status = "canceled"
                self._release(payment)
                self.spend(payment, -1)
            case "void", "declined" | "failed" if payment.status in {
                "requires_action",
                "authorized",
            }:
                payment.capture_open = 0
            case "reverse", _:
                return self._reversal(payment, attempt, kind, now)
            case _:
                return False
        return True

    def _reversal(self, payment: Payment, attempt: Attempt, kind: str, now: datetime) -> bool:
        by_itself = payment.status == "reversed"  # the bank has sent it back
        if kind == "approved" and by_itself:
            self.unplaced(payment, attempt, -1)
            payment.unplaced_back += attempt.amount
        elif kind == "approved":
            self._reverse(payment, attempt.amount, now)
        elif kind in NO and not by_itself:
            payment.refund_open -= attempt.amount
            payment.capture_open = 0
        else:
            return False
        return True

    def _capture(self, payment: Payment, amount: int, now: datetime) -> None:
        payment.captured += amount
        payment.capture_days.add(day_of(now))
        self.receivable[payment.rail] += amount
        self._move(payment.merchant, now, "gross", amount)

    def charged(self, payment: Payment, fee: int, tax: int, at: datetime) -> None:
        """What the service says it took for the captures of a payment so far."""
        self._move(payment.merchant, at, "fees", fee - payment.fee)
        self._move(payment.merchant, at, "tax", tax - payment.tax)
        payment.fee, payment.tax = fee, tax

    def _keep(self, operation: str, payment: Payment, attempt: Attempt, kind: str) -> bool:
        """What is done to money that is held, beside taking it."""
        match operation, kind:
            case "release", "approved":
                self._let_go(payment, attempt.amount)
            case "release", "declined" | "failed":
                payment.capture_open -= attempt.amount
            case "extend", "approved" if payment.status in {"authorized", *HAS_MONEY}:
                extended(payment, attempt.sent_at)
            case _:
                return False
        return True

    def _let_go(self, payment: Payment, amount: int) -> None:
        """A part of what is held; with the last of it a payment may be over."""
        payment.capture_open -= amount
        payment.authorized -= amount
        self.merchants[payment.merchant].held -= amount
        if not payment.authorized:
            payment.status = "canceled"
            self.spend(payment, -1)
        elif payment.authorized == payment.captured == payment.refunded:
            payment.status = "refunded"

    def _release(self, payment: Payment) -> None:
        self.merchants[payment.merchant].held -= payment.authorized - payment.captured
        payment.authorized = payment.captured
        payment.capture_open = 0

    def _reverse(self, payment: Payment, amount: int, now: datetime) -> None:
        self._release(payment)
        payment.refund_open -= amount
        payment.reversed += amount
        payment.status = "reversed"
        self.receivable[payment.rail] -= amount
        self._move(payment.merchant, now, "gross", -amount)
        self._move(payment.merchant, now, "fees", -payment.fee)
        self._move(payment.merchant, now, "tax", -payment.tax)

    def _refund(self, refund: Refund, attempt: Attempt, kind: str, now: datetime) -> None:
        payment = refund.payment
        if kind == "approved":
            refund.status = "succeeded"
            payment.refund_open -= attempt.amount
            payment.refunded += attempt.amount
            self.receivable[payment.rail] -= attempt.amount
            whole = payment.refunded == payment.captured == payment.authorized
            if payment.status != "reversed":
                payment.status = "refunded" if whole else "partially_refunded"
        elif kind in NO:
            refund.status = "failed"
            payment.refund_open -= attempt.amount
            self._move(payment.merchant, now, "refunds", -attempt.amount)
        elif kind == "unknown" and refund.status == "pending":
            refund.status = "unknown"

    def _payout(self, settlement: Settlement, kind: str) -> None:
        merchant = self.merchants[settlement.merchant]
        if kind == "approved":
            settlement.status = "paid"
        elif kind in NO:
            settlement.status = "payout_failed"
            merchant.payable += settlement.payout

    def returned(self, refund: Refund, fee: int, tax: int, at: datetime) -> None:
        """What the service says it gave back of its fee with a refund."""
        self._move(refund.payment.merchant, at, "fees", refund.fee - fee)
        self._move(refund.payment.merchant, at, "tax", refund.tax - tax)
        refund.fee, refund.tax = fee, tax

    # ── disputes ─────────────────────────────────────────────────────────────────────────

    def dispute_opened(self, dispute: Dispute, now: datetime) -> None:
        self.disputes[dispute.name] = dispute
        merchant = dispute.payment.merchant
        self.merchants[merchant].disputed += dispute.amount
        self._move(merchant, now, "disputes", dispute.amount)

    def dispute_closed(self, dispute: Dispute, status: str, now: datetime) -> None:
        dispute.status = status
        self.merchants[dispute.payment.merchant].disputed -= dispute.amount
        if status == "won":
            self._move(dispute.payment.merchant, now, "disputes", -dispute.amount)
        else:
            self.receivable[dispute.payment.rail] -= dispute.amount

    def dispute_charged(self, dispute: Dispute, fee: int, tax: int, now: datetime) -> None:
        dispute.fee = fee
        self._move(dispute.payment.merchant, now, "fees", fee)
        self._move(dispute.payment.merchant, now, "tax", tax)

    def pass_deadlines(self, now: datetime) -> None:
        for dispute in self.disputes.values():
            if dispute.status == "needs_response" and now >= dispute.respond_by:
                dispute.status = "under_review"

    def moved(self, merchant: str, at: datetime, what: str, amount: int) -> None:
        """What moved a merchant's money without a bank: a payment from a wallet."""
        self._move(merchant, at, what, amount)

    # ── days ─────────────────────────────────────────────────────────────────────────────

    def _move(self, merchant: str, at: datetime, what: str, amount: int) -> None:
        """`gross` and what is released come to the merchant, everything else leaves them."""
        self.merchants[merchant].days[day_of(at)][what] += amount
        self.merchants[merchant].balance += amount if what in COMES else -amount

    def period(self, merchant: str, last: date) -> Counter[str]:
        """What the days since the last settlement moved, up to `last`; `net` is their sum."""
        book, sums = self.merchants[merchant], Counter[str]()
        for day in [day for day in book.days if book.settled_until < day <= last]:
            sums.update(book.days[day])
        net = sum(amount if what in COMES else -amount for what, amount in sums.items())
        return Counter({**sums, "net": net})

    def owed(self, merchant: str, last: date) -> Counter[str]:
        """What is due of a period with all that earlier ones left, and what remains to be paid."""
        book, sums = self.merchants[merchant], self.period(merchant, last)
        gross = max(sums["gross"], 0)
        reserve = book.due["reserve"] + share(gross, book.reserve_bps)
        tds = book.due["tds"] + share(gross, book.tds_bps)
        owed = book.carried + sums["net"] - reserve - tds
        return Counter(reserve=reserve, tds=tds, payout=owed)

    def settle(self, merchant: str, last: date) -> Settlement:
        book, sums, owed = (
            self.merchants[merchant],
            self.period(merchant, last),
            self.owed(merchant, last),
        )
        payout = min(owed["payout"], book.balance - owed["reserve"] - owed["tds"])
        book.settled_until = last
        book.carried += sums["net"]
        release_on = last + timedelta(days=book.reserve_days)
        made = Settlement(merchant, last, max(payout, 0), owed["reserve"], release_on)
        if payout < book.min_payout:
            book.due = Counter(reserve=owed["reserve"], tds=owed["tds"])
            made.status, made.payout, made.reserve = "carried", 0, 0
        else:
            book.due = Counter()
            book.reserve += owed["reserve"]
            book.tds += owed["tds"]
            if book.on_demand:
                made.status = "payable"
                book.payable += payout
            taken = payout + owed["reserve"] + owed["tds"]
            book.balance -= taken
            book.carried -= taken
        self.settlements.append(made)
        return made

    def release_reserves(self, now: datetime) -> None:
        for made in self.settlements:
            if made.reserve and not made.released and made.release_on <= day_of(now):
                made.released = True
                self.merchants[made.merchant].reserve -= made.reserve
                self._move(made.merchant, now, "reserve_released", made.reserve)

    def expire_authorizations(self, now: datetime) -> list[Payment]:
        """Those whose time is over and that nothing is under way on."""
        ended = []
        for payment in self.payments.values():
            due = payment.expires_at is not None and now >= payment.expires_at
            left = payment.authorized - payment.captured
            asked = any(
                each.open and each.operation == "extend" and each.of is payment
                for each in self.attempts.values()
            )
            if not due or not left or payment.capture_open or payment.refund_open or asked:
                continue
            if payment.status == "authorized":
                self._release(payment)
                payment.status = "expired"
                self.spend(payment, -1)
                if payment.intent is not None:
                    payment.intent.follow(payment, now)
            elif payment.status in HAS_MONEY:
                self._release(payment)
                if payment.refunded == payment.captured:
                    payment.status = "refunded"
            else:
                continue
            ended.append(payment)
        return ended

    def overdue(self, now: datetime) -> list[Payment]:
        """Those whose payer was waited for until their intent's time was over."""
        return [
            intent.payment
            for intent in self.intents.values()
            if intent.status == "requires_action" and now >= intent.expires_at
            if intent.payment is not None and self.voidable(intent.payment, now, PATIENCE)
        ]

    def voidable(self, payment: Payment, now: datetime, pause: timedelta = timedelta()) -> bool:
        """What waits for its payer is voided once at a time; the worker waits after a refusal."""
        if payment.captured or payment.capture_open:
            return False
        voids = (v for v in self.attempts.values() if v.operation == "void" and v.of is payment)
        if payment.status == "requires_action":
            return not any(void.open or void.sent_at > now - pause for void in voids)
        return payment.status == "authorized"

    def expire_intents(self, now: datetime) -> list[Intent]:
        ended = [i for i in self.intents.values() if i.waiting and now >= i.expires_at]
        for intent in ended:
            intent.status = "expired"
        return ended
