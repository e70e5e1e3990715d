"""What a bank may do with an operation: outcomes, when the caller hears of them, and the named
behaviours that magic values (`magic.py`) and fault scripts (`script.py`) choose from.

Belongs here: the words and their meaning, as data. Does not: who chooses, and what follows.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final, Literal, get_args

import msgspec

from online.sandbox.rails import Method

Operation = Literal[
    "authorize",
    "capture",
    "void",
    "release",
    "extend",
    "reverse",
    "refund",
    "payout",
    "mandate",
    "mandate_revoke",
]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
FinalStatus = Literal["approved", "declined", "failed"]
Status = Literal["approved", "declined", "pending", "failed"]
Funding = Literal["bank", "ppi", "rupay_credit", "credit_line"]
Authentication = Literal["challenged", "frictionless", "failed", "none"]
CallbackManner = Literal["once", "duplicate", "out_of_order", "lost"]


class When(Enum):
    """When the caller hears of an outcome."""

    AT_ONCE = "answers at once"
    SLOW = "answers, but slowly"
    HELD = "done at once, but the answer comes after the caller's time-out; an enquiry knows it"
    RESET = "done at once, but the connection ends in the middle of the answer; an enquiry knows it"
    GARBLED = "done at once, but the answer is HTML, a 500 or half of it; an enquiry knows it"
    LATER = "it ends by itself a little later; a callback tells and an enquiry knows it"
    UNSEEN = "no answer, and enquiries find nothing; it takes effect a little later"
    LOST = "never arrived: no answer, and an enquiry finds nothing"
    DEEMED = "the payer is debited, the credit is not confirmed; a little later it is, or went back"
    UNDECIDED = "the same until somebody decides it"
    CHALLENGE = "pending, until the payer has confirmed on the page of the card's bank"


class Said(msgspec.Struct, frozen=True):
    """What is answered until an operation has ended."""

    status: Status
    code: str
    message: str


UNDER_WAY: Final = Said("pending", "01", "Under way")


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the bank decides, and how it lets the caller know."""

    status: FinalStatus
    code: str
    message: str
    when: When = When.AT_ONCE
    funding: Funding = "bank"  # of a UPI payment: where its money comes from
    avs: str = "U"  # of a card: Indian banks hardly check addresses
    authentication: Authentication = "none"
    dispute: str | None = None  # the reason code with which it is disputed after capture
    meanwhile: Said = UNDER_WAY  # of one that ends later
    callback: CallbackManner = "once"  # how its end is told
    returned: bool = False  # of a payout: paid, and sent back the day after
    failing_enquiries: int = 0  # so many come to nothing before one is answered


APPROVED: Final = Outcome("approved", "00", "Approved")
# How the payee's bank ends a deemed approval: it has the money after all, or sent it back.
TCC: Final = Outcome("approved", "TCC", "The credit is confirmed")
RET: Final = Outcome("failed", "RET", "The money went back to the payer")


class Behaviour(msgspec.Struct, frozen=True):
    """A named way to act; the kinds of rail speak different codes."""

    number: int  # of its magic card and amounts
    told: str
    upi: Outcome
    card: Outcome
    payout: Outcome
    upi_after: Outcome | None = None  # what is done to a payment, where the payer has no say

    def outcome(self, method: Method, operation: Operation) -> Outcome:
        """What it comes to on a rail of this kind."""
        payer_decides = operation == "authorize"
        if operation == "mandate":  # which debits nobody: nothing of it is deemed
            payer_decides = self.upi.when not in (When.DEEMED, When.UNDECIDED)
        if method == "upi" and not payer_decides and self.upi_after is not None:
            return self.upi_after
        by_method = {"upi": self.upi, "card": self.card, "payout": self.payout}
        return by_method[method]


def _alike(number: int, told: str, outcome: Outcome) -> Behaviour:
    return Behaviour(number, told, outcome, outcome, outcome)


def _approved(when: When, **fields: object) -> Outcome:
    return msgspec.structs.replace(APPROVED, when=when, **fields)


def _no(number: int, told: str, when: When = When.AT_ONCE) -> Behaviour:
    """A business answer: the payer, the card's bank or the beneficiary's says no."""
    return Behaviour(
        number,
        told,
        Outcome("declined", "ZA", "Declined by customer", when),
        Outcome("declined", "05", "Do not honour", when),
        Outcome("declined", "AC04", "The account is closed", when),
        Outcome("declined", "YF", "The account is blocked", when),
    )


def _unconfirmed(
    number: int,
    told: str,
    end: Outcome,
    ends: Mapping[Method, Outcome],
    when: When = When.DEEMED,
) -> Behaviour:
    """The payer is debited, and nobody knows yet whether the money arrived. `end`: of a payment by
    UPI, which is deemed approved; `ends`: of what is done to one, of cards and payouts.
    """
    text = "The credit is not confirmed"
    codes: dict[Method, str] = {"upi": "RB", "card": "68", "payout": "BT"}
    by_method = {
        method: msgspec.structs.replace(
            ends[method], when=When.LATER, meanwhile=Said("failed", code, text)
        )
        for method, code in codes.items()
    }
    card, payout, after = by_method["card"], by_method["payout"], by_method["upi"]
    paid = msgspec.structs.replace(end, when=when, meanwhile=after.meanwhile)
    return Behaviour(number, told, paid, card, payout, after)


def _failed_at_first(number: int, told: str) -> Behaviour:
    codes: dict[Method, str] = {"upi": "UP", "card": "96", "payout": "91"}
    by_method = {
        method: _approved(When.LATER, meanwhile=Said("failed", code, "Technical failure"))
        for method, code in codes.items()
    }
    return Behaviour(number, told, by_method["upi"], by_method["card"], by_method["payout"])


_CREDITED: Final[dict[Method, Outcome]] = {
    "upi": APPROVED,
    "card": APPROVED,
    "payout": APPROVED,
}
_RETURNED: Final[dict[Method, Outcome]] = {
    "upi": Outcome("failed", "21", "The debit was reversed"),
    "card": Outcome("failed", "21", "No action was taken"),
    "payout": Outcome("failed", "91", "The beneficiary's bank did not answer"),
}
BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "approve": _alike(1, "done", APPROVED),
    "decline": _no(2, "a business decline"),
    "insufficient_funds": Behaviour(
        3,
        "a decline for want of money",
        Outcome("declined", "Z9", "Insufficient funds"),
        Outcome("declined", "51", "Insufficient funds"),
        Outcome("declined", "AM04", "Insufficient funds"),
    ),
    "technical_decline": Behaviour(
        4,
        "a definite technical failure: nothing was done",
        Outcome("failed", "UP", "PSP timed out"),
        Outcome("failed", "96", "System malfunction"),
        Outcome("failed", "91", "The beneficiary's bank did not answer"),
    ),
    "pending_then_success": _alike(5, "pending, then done", _approved(When.LATER)),
    "pending_then_decline": _no(6, "pending, then declined", When.LATER),
    "timeout_then_success": _alike(
        7, "no answer; nothing is done until a little later", _approved(When.UNSEEN)
    ),
    "timeout_then_decline": _no(8, "no answer; declined a little later", When.UNSEEN),
    "success_then_timeout": _alike(9, "done, and the answer is lost", _approved(When.HELD)),
    "decline_then_timeout": _no(10, "declined, and the answer is lost", When.HELD),
    "lost": _alike(
        11, "the request never arrived", Outcome("failed", "U09", "Request lost", When.LOST)
    ),
    "late_success_after_failure": _failed_at_first(12, "said to have failed, and done later"),
    "callback_duplicate": _alike(
        13,
        "pending, then done, and told more than once",
        _approved(When.LATER, callback="duplicate"),
    ),
    "callback_out_of_order": _alike(
        14,
        "pending, then done, and the end is told before the beginning",
        _approved(When.LATER, callback="out_of_order"),
    ),
    "callback_lost": _alike(
        15, "pending, then done, and nobody is told", _approved(When.LATER, callback="lost")
    ),
    "enquiry_fails": _alike(
        16,
        "done, the answer is lost, and the first two enquiries come to nothing",
        _approved(When.HELD, failing_enquiries=2),
    ),
    "debit_without_credit": _unconfirmed(
        17, "the payer is debited and the credit not confirmed; later it is", TCC, _CREDITED
    ),
    "debit_returned": _unconfirmed(
        18,
        "the payer is debited and the credit not confirmed; later it is returned",
        RET,
        _RETURNED,
    ),
    "connection_reset": _alike(
        19, "done, and the connection ends in the middle of the answer", _approved(When.RESET)
    ),
    "bad_answer": _alike(20, "done, and the answer makes no sense", _approved(When.GARBLED)),
    "slow": _alike(21, "done, and answered slowly", _approved(When.SLOW)),
    "deemed": _unconfirmed(
        22,
        "a payment by UPI: the payer is debited and the credit not confirmed, until"
        " `POST /admin/deemed/{reference}/tcc` or `/ret`; anything else: later it is confirmed",
        TCC,
        _CREDITED,
        When.UNDECIDED,
    ),
}
