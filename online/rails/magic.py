"""The values that make the in-process rail do something: the sandbox's, as far as they need no
records. A test holds both tables against each other.
"""

from typing import Final, Literal

from msgspec import Struct

from online.rails.domain import (
    Authentication,
    AuthorizeRequest,
    CaptureRequest,
    CardChecks,
    OutcomeKind,
    PayoutRequest,
    RailRequest,
    RefundRequest,
    ReverseRequest,
    UpiFunding,
)

_K = OutcomeKind
When = Literal["at once", "silent", "lost", "later", "challenge"]


class Magic(Struct, frozen=True, kw_only=True):
    """What becomes of an operation, and when the caller hears of it: `silent` is done, and no
    answer comes; `lost` never arrived; `later` is pending until an enquiry.
    """

    kind: OutcomeKind = _K.APPROVED
    code: str = "00"
    when: When = "at once"
    funding: UpiFunding = "bank"
    avs: str = "U"
    authentication: Authentication = "none"
    dispute: str | None = None  # the reason code with which it is disputed after capture


ORDINARY: Final = Magic()
VPAS: Final = {
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


def of_amount(request: RailRequest, *, upi: bool) -> Magic | None:
    """What the amount alone decides."""
    rows: dict[int, _Pair] = {}
    if isinstance(request, AuthorizeRequest):
        rows = PAYMENTS
    elif isinstance(request, _AFTERWARDS):
        rows = AFTERWARDS | REFUNDS if isinstance(request, RefundRequest) else AFTERWARDS
    pair = rows.get(request.amount_minor)
    return None if pair is None else pair[0 if upi else 1]


def checks(magic: Magic, network: str, cvc: str | None, eci: str | None) -> CardChecks:
    """What the issuer says beside yes or no; `eci` is the one that came with a cryptogram."""
    strengths = ("02", "01", "00") if network == "mastercard" else ("05", "06", "07")
    authentication = magic.authentication
    own = strengths[0] if authentication in ("challenged", "frictionless") else strengths[2]
    matched = "N" if magic.code == "N7" else "M" if cvc else "P"
    return CardChecks(avs=magic.avs, cvc=matched, eci=eci or own, authentication=authentication)
