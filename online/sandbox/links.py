"""What a payer has to do, as links: a UPI app's, a QR code's, the page of a card's bank.

UPI linking specification 1.6: required members, the initiation mode, `%20` for a space.
"""

from typing import Final
from urllib.parse import quote

from online.kernel.money import format_minor
from online.sandbox.rails import CURRENCY
from online.sandbox.wire import NextAction, OperationRequest, UpiPart

_INTENT: Final = "04"
_DYNAMIC_QR: Final = "22"
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
    return NextAction(
        "upi_intent" if upi.flow == "intent" else "upi_qr",
        _pay(request, upi, network_reference, _INTENT),
        qr=_pay(request, upi, network_reference, _DYNAMIC_QR),
    )


def _pay(request: OperationRequest, upi: UpiPart, network_reference: str | None, mode: str) -> str:
    fields = {
        "pa": upi.payee_vpa,
        "pn": (upi.payee_name or "Khata")[:_LONGEST_NAME],
        "mc": upi.mcc or "",
        "tid": network_reference or "",
        "tr": request.reference,
        "tn": upi.note[:_LONGEST_NOTE],
        "am": format_minor(request.amount, CURRENCY),
        "cu": CURRENCY,
        "mode": mode,
        "purpose": "00",
    }
    query = "&".join(f"{name}={quote(value, safe='@')}" for name, value in fields.items() if value)
    return f"upi://pay?{query}"
