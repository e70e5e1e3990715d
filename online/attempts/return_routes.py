"""`/internal/v1/payout-returns`: the pipeline hands in what bank statements send back."""

from datetime import date
from typing import Annotated, Any, Literal

from litestar import Request, Response, post
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from online.attempts.returned import Returned, Returns
from online.kernel import ids
from online.kernel.errors import InvalidRequest, KhataError, Refused
from online.kernel.events import Metadata
from online.platform import ndjson
from online.platform.http import request_id_of
from online.platform.openapi_shapes import lines_of
from online.platform.wire import WireStruct, id_of
from online.security.domain import Principal, allow

Code = Annotated[str, Meta(min_length=1, max_length=40)]


class ReturnLine(WireStruct, frozen=True, kw_only=True):
    """A payout that came back: the attempt that the bank's line names, and its own reference."""

    attempt_id: Annotated[str, id_of("att")]
    amount: Annotated[int, Meta(ge=1, le=2**53 - 1, description="minor units")]
    returned_on: date
    code: Code | None = None
    reference: Annotated[str, Meta(min_length=1, max_length=64)] | None = None

    def returned(self) -> Returned:
        return Returned(
            attempt_id=ids.decode("att", self.attempt_id),
            amount_minor=self.amount,
            returned_on=self.returned_on,
            code=self.code,
            reference=self.reference,
        )


class ReturnAnswer(Struct, frozen=True, kw_only=True):
    """`order_id` is what had been paid: a settlement, a payout, a beneficiary's verification."""

    attempt_id: str | None
    status: Literal["recorded", "exists", "refused"]
    settlement_id: str | None = None
    order_id: str | None = None
    detail: str | None = None
    param: str | None = None


@post(
    "/internal/v1/payout-returns",
    status_code=200,
    summary="Hand in payouts that the bank sent back (NDJSON)",
    description="Once each: the money is payable again. A settlement's payout can be sent again; "
    "one that a merchant ordered is over.",
    tags=["internal"],
    opt=allow("service") | lines_of(ReturnLine),
    media_type=ndjson.MEDIA_TYPE,
    request_max_body_size=ndjson.MAX_BODY_BYTES,
)
async def take_in_returns(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    returns: NamedDependency[Returns],
) -> Response[bytes]:
    metadata = Metadata(actor=principal.actor, request_id=request_id_of(request))
    read = await ndjson.read_lines(request, ReturnLine)
    return ndjson.response([await _take_return(line, returns, metadata) for line in read])


async def _take_return(
    line: ReturnLine | Refused, returns: Returns, metadata: Metadata
) -> ReturnAnswer:
    if isinstance(line, Refused):
        return ReturnAnswer(attempt_id=None, status="refused", detail=line.detail, param=line.param)
    try:
        order_id = await returns.record(line.returned(), metadata)
    except ids.InvalidId as error:
        refusal: KhataError = InvalidRequest(str(error), "attempt_id")
    except Refused as error:
        refusal = error
    else:
        if order_id is None:
            return ReturnAnswer(attempt_id=line.attempt_id, status="exists")
        return ReturnAnswer(
            attempt_id=line.attempt_id,
            status="recorded",
            settlement_id=order_id if order_id.startswith("stl_") else None,
            order_id=order_id,
        )
    return ReturnAnswer(
        attempt_id=line.attempt_id, status="refused", detail=refusal.detail, param=refusal.param
    )
