"""What must become of what a bank does late: the part of the model that expects it.

A bank may turn its own no into a yes at any time. Money that a payment has no use for any more
goes back to the payer, at once and again and again; what else it did counts where there is room
for it, and waits in suspense where there is none.
"""

from collections import Counter
from datetime import datetime, timedelta

from tests.simulation.model_payouts import Payout
from tests.simulation.model_transfers import Transfer
from tests.simulation.model_wallets import Load
from tests.simulation.things import Attempt, LateItem, Merchant, Payment, Refund, Settlement

HAS_MONEY = {"captured", "partially_refunded"}
FIRST, MOST = timedelta(minutes=1), timedelta(hours=6)


class Lateness:
    """`Model` has all of it; the other half is there."""

    merchants: dict[str, Merchant]
    receivable: Counter[str]

    def __init__(self) -> None:
        self.late: dict[str, LateItem] = {}  # by the attempt that brought it
        self.suspense: Counter[str] = Counter()  # by rail, credit positive

    def due_back(self, now: datetime) -> list[LateItem]:
        return [each for each in self.late.values() if each.due_at and each.due_at <= now]

    def came(self, payment: Payment, attempt: Attempt, now: datetime) -> None:
        """An authorization that its payment has no use for."""
        item = LateItem(
            payment=payment,
            reference=attempt.reference,
            rail=attempt.rail,
            amount=attempt.amount,
            captured=not payment.manual,
            operation="void" if payment.manual else "reverse",
            due_at=now,
        )
        self.late[attempt.reference] = item
        payment.late += attempt.amount
        if item.captured:
            self.receivable[attempt.rail] += attempt.amount

    def begun(self, item: LateItem, reference: str) -> None:
        item.tries.append(reference)
        item.returning, item.due_at = reference, None

    def gave_back(self, item: LateItem, attempt: Attempt, kind: str, now: datetime) -> None:
        """What the bank says of an attempt to give `item` back."""
        if kind == "approved" and item.returned:
            self.unplaced(item.payment, attempt, -1 if item.captured else 0)
            item.twice += attempt.amount if item.captured else 0
        elif kind == "approved":
            item.returned, item.returning, item.due_at = True, "", None
            item.payment.late_returned += item.amount
            if item.captured:
                self.receivable[item.rail] -= item.amount
        elif kind in {"declined", "failed"} and item.returning == attempt.reference:
            item.returning = ""
            if kind == "declined" and attempt.bank_operation == "reverse":
                item.operation = "refund"
            item.due_at = now + min(FIRST * 2 ** (len(item.tries) - 1), MOST)

    def unplaced(self, payment: Payment, attempt: Attempt, sign: int) -> None:
        """Taken (1) or given back (-1) at the bank, and no room for it here."""
        self.suspense[attempt.rail] += sign * attempt.amount
        self.receivable[attempt.rail] += sign * attempt.amount

    def turned(self, attempt: Attempt, now: datetime) -> bool:
        """The bank has done after all what it had refused; whether that says anything to us."""
        attempt.verdict = "approved"
        match attempt.operation, attempt.of:
            case "return", LateItem() as item:
                self.gave_back(item, attempt, "approved", now)
            case "authorize", Payment() as payment if (
                payment.deemed and payment.authorization == attempt.reference
            ):
                self.taken_again(payment, attempt)
            case operation, Payment() as payment:
                late = {
                    "authorize": self.came,
                    "capture": self._late_capture,
                    "void": self._late_void,
                    "release": self._late_release,
                    "extend": self._late_extension,
                    "reverse": self._late_reversal,
                }
                late[operation](payment, attempt, now)
            case "refund", Refund() as refund:
                self._late_refund(refund, attempt, now)
            case "payout", Payout() as payout:
                payout.found()
            case operation, Transfer() as transfer:
                transfer.told(operation, "approved")
            case operation, Load() as load:
                load.turned(operation, attempt.amount)
            case "payout", Settlement() as settlement:
                settlement.status = "paid"
                self.merchants[settlement.merchant].payable -= settlement.payout
        of = attempt.of
        if isinstance(of, Payment) and of.intent is not None and of.intent.payment is of:
            of.intent.follow(of, now)
        return True

    def _late_capture(self, payment: Payment, attempt: Attempt, now: datetime) -> None:
        room = payment.status in {"authorized", *HAS_MONEY}
        if room and attempt.amount <= payment.capturable:
            payment.capture_open += attempt.amount
            self._operate("capture", payment, attempt, "approved", now)
        else:
            self.unplaced(payment, attempt, 1)
            payment.unplaced_taken += attempt.amount

    def _late_release(self, payment: Payment, attempt: Attempt, now: datetime) -> None:
        if payment.status in {"authorized", *HAS_MONEY} and attempt.amount <= payment.capturable:
            payment.capture_open += attempt.amount
            self._operate("release", payment, attempt, "approved", now)

    def _late_extension(self, payment: Payment, attempt: Attempt, now: datetime) -> None:
        self._operate("extend", payment, attempt, "approved", now)

    def _late_void(self, payment: Payment, attempt: Attempt, now: datetime) -> None:
        if payment.status in {"requires_action", "authorized"} and not payment.capture_open:
            self._operate("void", payment, attempt, "approved", now)

    def _late_reversal(self, payment: Payment, attempt: Attempt, now: datetime) -> None:
        whole = attempt.amount == payment.captured == payment.refundable
        if payment.status == "captured" and whole and not payment.capture_open:
            payment.refund_open += attempt.amount
            self._operate("reverse", payment, attempt, "approved", now)
        else:
            self.unplaced(payment, attempt, -1)
            payment.unplaced_back += attempt.amount

    def _late_refund(self, refund: Refund, attempt: Attempt, now: datetime) -> None:
        payment = refund.payment
        if payment.status in HAS_MONEY and attempt.amount <= payment.refundable:
            payment.refund_open += attempt.amount
            self._move(payment.merchant, now, "refunds", attempt.amount)
            self._refund(refund, attempt, "approved", now)
        else:
            self.unplaced(payment, attempt, -1)
            payment.unplaced_back += attempt.amount

    def taken_again(self, *_: object) -> None:
        raise NotImplementedError

    def _operate(self, *_: object) -> bool:
        raise NotImplementedError

    def _refund(self, *_: object) -> None:
        raise NotImplementedError

    def _move(self, *_: object) -> None:
        raise NotImplementedError
