"""What must become of a payment that is told as a success before the payee's bank has said so: the
part of the model that expects it.
"""

from collections import Counter
from datetime import datetime

from tests.simulation.things import Attempt, Merchant, Payment

NO = {"declined", "failed"}


class Deeming:
    """`Model` has all of it; the other half is there."""

    merchants: dict[str, Merchant]
    attempts: dict[str, Attempt]
    receivable: Counter[str]
    suspense: Counter[str]

    def deemed(self, payment: Payment, attempt: Attempt, now: datetime) -> None:
        """The switch settles it: it is taken."""
        payment.deemed, payment.status = "deemed", "captured"
        payment.authorized = attempt.amount
        self._capture(payment, attempt.amount, now)

    def last_word(self, payment: Payment, attempt: Attempt, kind: str, now: datetime) -> None:
        """Of the payee's bank on what is deemed; what is none changes nothing."""
        if kind == "approved":
            payment.deemed = "confirmed"
        elif kind in NO:
            self._sent_back(payment, attempt, now)

    def _sent_back(self, payment: Payment, attempt: Attempt, now: datetime) -> None:
        reversing = sum(
            each.amount
            for each in self.attempts.values()
            if each.of is payment and each.operation == "reverse" and each.open
        )
        payment.deemed = "returned"
        payment.refund_open -= reversing
        payment.capture_open = 0
        back = payment.refundable
        payment.reversed += back
        payment.unplaced_back += attempt.amount - back
        if payment.status != "refunded":
            payment.status = "reversed"
        self.receivable[attempt.rail] -= attempt.amount
        self.suspense[attempt.rail] -= attempt.amount - back
        self._move(payment.merchant, now, "gross", -back)
        if back == attempt.amount:
            self._move(payment.merchant, now, "fees", -payment.fee)
            self._move(payment.merchant, now, "tax", -payment.tax)

    def taken_again(self, payment: Payment, attempt: Attempt) -> None:
        """What was sent back was not: nobody knows whose it is."""
        self.suspense[attempt.rail] += attempt.amount
        self.receivable[attempt.rail] += attempt.amount
        payment.unplaced_taken += attempt.amount

    def _capture(self, *_: object) -> None:
        raise NotImplementedError

    def _move(self, *_: object) -> None:
        raise NotImplementedError
