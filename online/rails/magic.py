"""The values that make the in-process rail do something: the sandbox's, as far as they need no
records. A test holds both tables against each other.
"""

from typing import Final, Literal

from msgspec import Struct, structs

from online.rails.codes import Dialect
from online.rails.domain import (
    Authentication,
    AuthorizeRequest,
    CaptureRequest,
    CardChecks,
    MandateRequest,
    OutcomeKind,
    Payee,
    PayoutRequest,
    RailRequest,
    RefundRequest,
    ReverseRequest,
    UpiFunding,
    VpaBeneficiary,
)

_K = OutcomeKind
When = Literal["at once", "silent", "garbled", "lost", "later", "unseen", "challenge", "deemed"]
Said = tuple[OutcomeKind, str]


class Magic(Struct, frozen=True, kw_only=True):
    """What becomes of an operation, and when the caller hears of it: `silent` is done, and no
    answer comes, `garbled` is done, and none that can be read; `lost` never arrived; `later` is as
    `meanwhile` says until an enquiry; of `unseen` the first enquiry finds nothing; `deemed` is as
    `meanwhile` says until a test decides it.
    """

    kind: OutcomeKind = _K.APPROVED
    code: str = "00"
    when: When = "at once"
    funding: UpiFunding = "bank"
    avs: str = "U"
    authentication: Authentication = "none"
    dispute: str | None = None  # the reason code with which it is disputed after capture
    meanwhile: Said = (_K.PENDING, "01")
    failing_enquiries: int = 0


class Behaviour(Struct, frozen=True):
    """A named way to act, in the codes of each kind of rail; `number` is of its card and amounts.
    `after`: what is done to a payment by UPI, where the payer has no say.
    """

    number: int
    upi: Magic
    card: Magic
    payout: Magic
    after: Magic | None = None

    def of(self, dialect: Dialect, *, pays: bool) -> Magic:
        if dialect == "upi":
            return self.upi if pays or self.after is None else self.after
        return self.card if dialect == "card" else self.payout


ORDINARY: Final = Magic()


def _alike(number: int, magic: Magic) -> Behaviour:
    return Behaviour(number, magic, magic, magic)


def _coded(
    number: int, kind: OutcomeKind, codes: tuple[str, ...], when: When = "at once"
) -> Behaviour:
    """`codes`: UPI, card, payout and perhaps UPI afterwards."""
    return Behaviour(number, *(Magic(kind=kind, code=code, when=when) for code in codes))


def _at_first(number: int, codes: tuple[str, str, str], ends: tuple[Magic, ...]) -> Behaviour:
    """Said to have failed, with a code that may mean that nobody knows."""
    pairs = zip(codes, ends, strict=True)
    return Behaviour(
        number,
        *(structs.replace(end, when="later", meanwhile=(_K.FAILED, code)) for code, end in pairs),
    )


def _unconfirmed(number: int, end: Magic, ends: tuple[Magic, ...]) -> Behaviour:
    """Debited, and nobody knows yet whether the money arrived. `end`: of a payment by UPI; `ends`:
    of what is done to one, of cards and payouts."""
    afterwards = _at_first(number, _UNCONFIRMED, ends)
    paid = structs.replace(end, when="later", meanwhile=(_K.FAILED, _UNCONFIRMED[0]))
    return structs.replace(afterwards, upi=paid, after=afterwards.upi)


def _stays_deemed(number: int) -> Behaviour:
    """Until somebody decides how it ends; elsewhere than of a payment by UPI nobody has to."""
    credited = _unconfirmed(number, _TCC, _YES)
    return structs.replace(credited, upi=structs.replace(credited.upi, when="deemed"))


_NO: Final = ("ZA", "05", "AC04", "YF")
_UNCONFIRMED: Final = ("RB", "68", "BT")
_YES: Final = (ORDINARY,) * 3
# How the switch ends what was deemed: the credit is confirmed, or it went back.
_TCC: Final = Magic(code="TCC")
_RET: Final = Magic(kind=_K.FAILED, code="RET")
_RETURNED: Final = tuple(Magic(kind=_K.FAILED, code=code) for code in ("21", "21", "91"))
BEHAVIOURS: Final = {
    "approve": _alike(1, ORDINARY),
    "decline": _coded(2, _K.DECLINED, _NO),
    "insufficient_funds": _coded(3, _K.DECLINED, ("Z9", "51", "AM04")),
    "technical_decline": _coded(4, _K.FAILED, ("UP", "96", "91")),
    "pending_then_success": _alike(5, Magic(when="later")),
    "pending_then_decline": _coded(6, _K.DECLINED, _NO, "later"),
    "timeout_then_success": _alike(7, Magic(when="unseen")),
    "timeout_then_decline": _coded(8, _K.DECLINED, _NO, "unseen"),
    "success_then_timeout": _alike(9, Magic(when="silent")),
    "decline_then_timeout": _coded(10, _K.DECLINED, _NO, "silent"),
    "lost": _alike(11, Magic(kind=_K.FAILED, code="U09", when="lost")),
    "late_success_after_failure": _at_first(12, ("UP", "96", "91"), _YES),
    "callback_duplicate": _alike(13, Magic(when="later")),  # there are no callbacks in the process
    "callback_out_of_order": _alike(14, Magic(when="later")),
    "callback_lost": _alike(15, Magic(when="later")),
    "enquiry_fails": _alike(16, Magic(when="silent", failing_enquiries=2)),
    "debit_without_credit": _unconfirmed(17, _TCC, _YES),
    "debit_returned": _unconfirmed(18, _RET, _RETURNED),
    "connection_reset": _alike(19, Magic(when="silent")),
    "bad_answer": _alike(20, Magic(when="garbled")),
    "slow": _alike(21, ORDINARY),
    "deemed": _stays_deemed(22),
}


def behaviour_card(name: str) -> str:
    """4000 0000 0000 7, the behaviour's number, a check digit (ISO/IEC 7812)."""
    digits = f"4000000000007{BEHAVIOURS[name].number:02d}"
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::-2])
    return digits + str(-(doubled + sum(map(int, digits[-2::-2]))) % 10)


VPAS: Final = {
    **{f"{name}@khata": rule.upi for name, rule in BEHAVIOURS.items()},
    "decline@khata": Magic(kind=_K.DECLINED, code="ZA"),
    "insufficient@khata": Magic(kind=_K.DECLINED, code="Z9"),
    "wrongpin@khata": Magic(kind=_K.DECLINED, code="ZM"),
    "techfail@khata": Magic(kind=_K.FAILED, code="UP"),
    "timeout@khata": Magic(when="silent"),
    "timeoutfail@khata": Magic(kind=_K.DECLINED, code="U30", when="silent"),
    "lost@khata": Magic(kind=_K.FAILED, code="U09", when="lost"),
    "pending@khata": Magic(when="later"),
    "credit@khata": Magic(funding="rupay_credit"),
    "wallet@khata": Magic(funding="ppi"),
    "creditline@khata": Magic(funding="credit_line"),
}
CARDS: Final = {
    **{behaviour_card(name): rule.card for name, rule in BEHAVIOURS.items()},
    "4000000000000002": Magic(kind=_K.DECLINED, code="05"),
    "4000000000009995": Magic(kind=_K.DECLINED, code="51"),
    "4000000000009987": Magic(kind=_K.DECLINED, code="41"),
    "4000000000009979": Magic(kind=_K.DECLINED, code="43"),
    "4000000000000069": Magic(kind=_K.DECLINED, code="54"),
    "4000000000000127": Magic(kind=_K.DECLINED, code="N7"),
    "4000000000000101": Magic(kind=_K.DECLINED, code="N7"),
    "4000000000000119": Magic(kind=_K.FAILED, code="96"),
    "4000000000006801": Magic(when="silent"),
    "4000000000006702": Magic(kind=_K.DECLINED, code="05", when="silent"),
    "4000000000003220": Magic(when="challenge", authentication="challenged"),
    "4000000000003063": Magic(authentication="frictionless"),
    "4000000000000259": Magic(dispute="10.4"),
    "4000000000000010": Magic(avs="N"),
}
# Whom a payout goes to: by VPA and by account number. Any other is who the payer says it is.
NO_PAYEE: Final = Magic(kind=_K.DECLINED, code="AC01")
PAYEES: Final = {
    **{f"{name}@khata": rule.payout for name, rule in BEHAVIOURS.items()},
    "decline@khata": Magic(kind=_K.DECLINED, code="AC04"),
    "nobody@khata": NO_PAYEE,
    "9990000404": NO_PAYEE,
    "9990000405": Magic(kind=_K.DECLINED, code="AC04"),
    "9990000068": Magic(when="silent"),
}
# A bank's number of a payout, by its mode: IMPS and UPI have an RRN, as payments do.
RRN: Final = "{number:012d}"
UTRS: Final = {
    "neft": "HDFCN{day:%y%j}{number:06d}",
    "rtgs": "HDFCR5{day:%Y%m%d}{number:08d}",
}
STRANGER: Final = "Somebody Else"
STRANGERS: Final = frozenset({"stranger@khata", "9990000777"})

_Pair = tuple[Magic, Magic]  # by UPI, by another rail
_NO_FUNDS: Final = (Magic(kind=_K.DECLINED, code="Z9"), Magic(kind=_K.DECLINED, code="51"))
_SILENT: Final = (Magic(when="silent"), Magic(when="silent"))
_SILENT_NO: Final = (
    Magic(kind=_K.DECLINED, code="U30", when="silent"),
    Magic(kind=_K.DECLINED, code="05", when="silent"),
)
PAYMENTS: Final[dict[int, _Pair]] = {100_051: _NO_FUNDS, 100_067: _SILENT_NO, 100_068: _SILENT}
AFTERWARDS: Final[dict[int, _Pair]] = {100_151: _NO_FUNDS, 100_167: _SILENT_NO, 100_168: _SILENT}
REFUNDS: Final[dict[int, _Pair]] = {
    100_160: (Magic(when="later"), Magic(when="later")),
    100_161: (
        Magic(kind=_K.DECLINED, code="YF", when="later"),
        Magic(kind=_K.DECLINED, code="46", when="later"),
    ),
}
_AFTERWARDS: Final = (CaptureRequest, RefundRequest, ReverseRequest, PayoutRequest)


# What the amount decides: of payments, and of what is done afterwards.
_PAID: Final = {110_000 + rule.number: rule for rule in BEHAVIOURS.values()}
_DONE: Final = {110_100 + rule.number: rule for rule in BEHAVIOURS.values()}


def of_amount(request: RailRequest, dialect: Dialect) -> Magic | None:
    """What the amount alone decides."""
    pays = isinstance(request, AuthorizeRequest)
    behaviour = (_PAID if pays else _DONE).get(request.amount_minor)
    if behaviour is not None:
        return behaviour.of(dialect, pays=pays or isinstance(request, MandateRequest))
    rows: dict[int, _Pair] = {}
    if pays:
        rows = PAYMENTS
    elif isinstance(request, _AFTERWARDS):
        rows = AFTERWARDS | REFUNDS if isinstance(request, RefundRequest) else AFTERWARDS
    pair = rows.get(request.amount_minor)
    return None if pair is None else pair[0 if dialect == "upi" else 1]


DEBITS: Final = {f"mandate.{name}@khata": rule.upi for name, rule in BEHAVIOURS.items()}
UMN: Final = "{number:032d}@khata"  # of a mandate
RECOVERING: Final = "mandate.recovers@khata"  # the first debit lacks funds, the next do not


def of_mandate(vpa: str) -> Magic | None:
    """What the payer who is asked for a mandate says; nobody is debited, so nothing is deemed."""
    behaviour = BEHAVIOURS.get(vpa.removesuffix("@khata"))
    if behaviour is not None and behaviour.after is not None and behaviour.upi.when == "deemed":
        return behaviour.after
    return VPAS.get(vpa)


def of_debit(vpa: str, before: int) -> Magic:
    """What the payer of a mandate makes its debits do, after so many `before`."""
    if vpa == RECOVERING and before == 0:
        return _NO_FUNDS[0]
    return DEBITS.get(vpa, ORDINARY)


def of_payee(payee: Payee) -> Magic:
    """What paying to this account does, whatever the amount."""
    return PAYEES.get(_address(payee), ORDINARY)


def name_of(payee: Payee) -> str | None:
    """Whose account the bank says it is; None: there is none such."""
    if of_payee(payee) is NO_PAYEE:
        return None
    return STRANGER if _address(payee) in STRANGERS else payee.name


def _address(payee: Payee) -> str:
    return payee.vpa.lower() if isinstance(payee, VpaBeneficiary) else payee.account


def checks(magic: Magic, network: str, cvc: str | None, eci: str | None) -> CardChecks:
    """What the issuer says beside yes or no; `eci` is the one that came with a cryptogram."""
    strengths = ("02", "01", "00") if network == "mastercard" else ("05", "06", "07")
    authentication = magic.authentication
    own = strengths[0] if authentication in ("challenged", "frictionless") else strengths[2]
    matched = "N" if magic.code == "N7" else "M" if cvc else "P"
    return CardChecks(avs=magic.avs, cvc=matched, eci=eci or own, authentication=authentication)
