"""What a payer has to do, as links: a mandate in a UPI app, the page of a card's bank; and a UPI
app that reads the links of others.

UPI linking specification 1.6: required members, the initiation mode, `%20` for a space.
"""

import re
from typing import Final
from urllib.parse import parse_qsl, quote

from msgspec import Struct

from online.kernel.errors import InvalidRequest
from online.kernel.money import format_minor
from online.sandbox.rails import CURRENCY
from online.sandbox.wire import MandatePart, NextAction, OperationRequest, UpiPart

# What the app wants of a link that is made for one payment.
_READ: Final = {
    "pa": r"[A-Za-z0-9._-]{2,255}@[A-Za-z][A-Za-z0-9]{1,63}",
    "pn": r"[^\x00-\x1f]{1,99}",
    "mc": r"[0-9]{4}",
    "tid": r"[A-Za-z0-9]{35}",
    "tr": r"[A-Za-z0-9_.-]{1,35}",
    "am": r"[0-9]{1,12}\.[0-9]{2}",
    "cu": "INR",
    "mode": "[0-9]{2}",
}
_SIGNED_MODES: Final = frozenset({"02", "05", "13", "16", "17", "20", "23"})
_MANDATE: Final = "11"
_RECURRING: Final = "14"  # a standing instruction
_LONGEST_NOTE: Final = 50
_LONGEST_NAME: Final = 99


def next_action(
    request: OperationRequest, network_reference: str | None, public_url: str
) -> NextAction | None:
    """For a payment that waits for its payer; a collect request is in the payer's app already."""
    if request.card is not None:
        page = f"{public_url.rstrip('/')}/3ds/{request.reference}"
        return NextAction("redirect", page, return_url=request.return_url)
    upi = request.upi
    if upi is None or upi.flow == "collect":
        return None
    if request.mandate is not None:
        return NextAction(
            "upi_intent",
            _mandate(request, upi, request.mandate, network_reference, _MANDATE),
            qr=_mandate(request, upi, request.mandate, network_reference, _MANDATE),
        )
    return None  # whoever takes the payment makes its link


def _mandate(
    request: OperationRequest,
    upi: UpiPart,
    terms: MandatePart,
    network_reference: str | None,
    mode: str,
) -> str:
    """As payers' apps read it: the members of a payment's link, and those of the recurrence."""
    fields = {
        "pa": upi.payee_vpa,
        "pn": (upi.payee_name or "Khata")[:_LONGEST_NAME],
        "mn": terms.name[:_LONGEST_NOTE],
        "mc": upi.mcc or "",
        "tid": network_reference or "",
        "tr": request.reference,
        "validitystart": f"{terms.start_on:%d%m%Y}",
        "validityend": f"{terms.end_on:%d%m%Y}",
        "am": format_minor(request.amount, CURRENCY),
        "amrule": terms.amount_rule.upper(),
        "recur": terms.frequency.replace("_", "").upper(),
        "recurvalue": str(terms.debit_day or ""),
        "recurtype": (terms.debit_rule or "").upper(),
        "rev": "Y",
        "cu": CURRENCY,
        "txnType": "CREATE",
        "mode": mode,
        "purpose": _RECURRING,
    }
    query = "&".join(f"{name}={quote(value, safe='@')}" for name, value in fields.items() if value)
    return f"upi://mandate?{query}"


class Scanned(Struct, frozen=True):
    """What a payer's app takes from a link for the switch; the amount in paise."""

    payee_vpa: str
    reference: str
    transaction_id: str
    amount_minor: int


def scan(link: str) -> Scanned:
    """A link of a payment as a payer's app reads it; a refusal names the parameter."""
    head, _, query = link.partition("?")
    if head.lower() != "upi://pay":
        raise InvalidRequest("no link of a payment by UPI", param="link")
    given = parse_qsl(query, keep_blank_values=True)
    fields = dict(given)
    if len(fields) != len(given):
        raise InvalidRequest("a parameter stands there twice", param="link")
    for name, pattern in _READ.items():
        if re.fullmatch(pattern, fields.get(name, "")) is None:
            raise InvalidRequest("missing, or no such value", param=name)
    signed = fields["mode"] in _SIGNED_MODES
    if signed and (given[-1][0] != "sign" or not fields["sign"] or not fields.get("orgid")):
        raise InvalidRequest("a secure mode is signed, at the end", param="sign")
    whole, _, part = fields["am"].partition(".")
    return Scanned(fields["pa"], fields["tr"], fields["tid"], int(whole) * 100 + int(part))
