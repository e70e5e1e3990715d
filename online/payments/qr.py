"""The QR code of a payment that waits for its payer."""

from typing import Annotated, Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from online.kernel import ids
from online.kernel.errors import IllegalMove
from online.payments.domain import Payment, Status
from online.payments.service import Payments
from online.platform.openapi_page import problems
from online.platform.openapi_shapes import files_of
from online.security.domain import Principal, allow
from online.upi import qr
from online.upi.qr import CONTENT_TYPES, Format

_SCALE: Final = QueryParameter(ge=1, le=20, description="pixels of one module")


@get(
    "/payments/{payment_id:str}/qr",
    summary="The QR code of a payment that waits for its payer",
    description=(
        "`next_action.qr` of the payment, drawn as SVG or PNG. It pays this payment alone, once,"
        " and is refused with 409 when the payment waits for nobody, or not for a scan."
    ),
    tags=["payments"],
    opt=allow("payments:read", "payments:write")
    | files_of(*CONTENT_TYPES.values())
    | problems("not_found", "illegal_state"),
)
async def draw_payment(
    payment_id: FromPath[str],
    principal: NamedDependency[Principal],
    payments: NamedDependency[Payments],
    format: FromQuery[Format] = "svg",  # noqa: A002 - the name on the wire
    scale: Annotated[int, _SCALE] = 4,
) -> Response[bytes]:
    payment = await payments.get(ids.decode("pay", payment_id), principal.merchant)
    return Response(
        qr.render(_link(payment), format, scale=scale),
        media_type=CONTENT_TYPES[format],
        headers={"Cache-Control": "no-store"},
    )


def _link(payment: Payment) -> str:
    link = (payment.next_action or {}).get("qr")
    if payment.status is not Status.REQUIRES_ACTION or not link:
        raise IllegalMove(f"a payment that is {payment.status} has no code to scan")
    return str(link)
