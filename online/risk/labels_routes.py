"""`POST /api/v1/risk/labels`: a merchant says what a payment turned out to be. Mounted by
`routes.py`."""

from datetime import datetime
from typing import Annotated, Any, Final

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.kernel.events import Metadata
from online.platform.http import request_id_of
from online.platform.openapi_page import problems
from online.platform.wire import WireStruct, id_of
from online.risk.labels import Labels, Reported, Verdict
from online.security.domain import Principal, allow


class ReportLabel(WireStruct, frozen=True, kw_only=True):
    """No personal data in `reason`: what is written stays for ever."""

    payment_id: Annotated[str, id_of("pay")]
    fraud: bool
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class LabelView(Struct, frozen=True, kw_only=True):
    """What is known of the payment now; `source`: who said so, since `known_at`."""

    payment: str
    fraud: bool
    source: str
    known_at: datetime
    livemode: bool

    @classmethod
    def of(cls, verdict: Verdict) -> "LabelView":
        return cls(
            payment=ids.encode("pay", verdict.id),
            fraud=verdict.fraud,
            source=verdict.source,
            known_at=verdict.known_at,
            livemode=verdict.livemode,
        )


@post(
    "/risk/labels",
    status_code=200,
    summary="Say that a payment was fraud, or that it was good",
    description=(
        "Risk learns from it: the payer's next payments are scored with it, and so are models"
        " trained from now on. Nothing is edited: a later word is a label of its own, and the"
        " latest one counts. The same word again changes nothing. No money moves by it."
    ),
    tags=["risk"],
    opt=allow("risk:write") | problems("not_found"),
)
async def report_label(
    request: Request[Any, Any, Any],
    data: JSONBody[ReportLabel],
    principal: NamedDependency[Principal],
    labels: NamedDependency[Labels],
) -> LabelView:
    reported = Reported(
        payment_id=ids.decode("pay", data.payment_id), fraud=data.fraud, reason=data.reason
    )
    verdict = await labels.report(
        reported,
        merchant_id=principal.merchant,
        livemode=principal.livemode,
        metadata=Metadata(actor=principal.actor, request_id=request_id_of(request)),
    )
    return LabelView.of(verdict)


handlers: Final = [report_label]
