"""`/api/v1/upi`: links and QR codes, who signed one, what the switch's codes mean."""

from datetime import date
from typing import Annotated, Any, Final

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import Meta, Struct

from online.kernel.clock import Clock, business_date
from online.merchants.service import Merchants
from online.platform.lists import Limit
from online.platform.openapi_page import problems
from online.platform.openapi_shapes import files_of
from online.platform.wire import WireStruct
from online.rails.codes import Class, Meaning, table
from online.security.domain import Principal, allow, allow_anyone
from online.upi import qr
from online.upi.domain import LONGEST, LONGEST_NOTE
from online.upi.qr import CONTENT_TYPES, Format
from online.upi.service import Purchase, Reading, Signature, Upi

Amount = Annotated[int, Meta(ge=1, le=10**13, description="paise; none: the payer enters it")]
Note = Annotated[str, Meta(min_length=1, max_length=LONGEST_NOTE, pattern=r"^[ -~]+\Z")]
Reference = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,35}\Z")]
Scale = Annotated[int, QueryParameter(ge=1, le=20, description="pixels of one module")]
_HOUR: Final = "public, max-age=3600"


class MakeLink(WireStruct, frozen=True, kw_only=True):
    """`reference` comes back with what is paid (`tr`), `note` is shown to the payer (`tn`)."""

    amount: Amount | None = None
    note: Note | None = None
    reference: Reference | None = None


class ReadLink(WireStruct, frozen=True, kw_only=True):
    link: Annotated[str, Meta(min_length=1, max_length=LONGEST)]


class LinkView(Struct, frozen=True, kw_only=True):
    """A link by the specification's names; amounts in paise, null where the payer enters it.

    `signature`: `valid` and `invalid` of links that name a payee of ours; of anybody else's only
    their own bank can tell. `other`: what the specification does not know.
    """

    link: str
    pa: str
    pn: str | None
    mc: str | None
    tid: str | None
    tr: str | None
    tn: str | None
    am: int | None
    mam: int | None
    cu: str
    url: str | None
    mode: str | None
    mode_meaning: str | None
    dynamic: bool
    purpose: str | None
    orgid: str | None
    other: dict[str, str]
    signature: Signature

    @classmethod
    def of(cls, text: str, read: Reading) -> "LinkView":
        link, mode = read.link, read.mode
        return cls(
            link=text,
            pa=link.pa,
            pn=link.pn,
            mc=link.mc,
            tid=link.tid,
            tr=link.tr,
            tn=link.tn,
            am=link.am,
            mam=link.mam,
            cu=link.cu,
            url=link.url,
            mode=link.mode,
            mode_meaning=mode.meaning if mode else None,
            dynamic=mode.dynamic if mode else False,
            purpose=link.purpose,
            orgid=link.orgid,
            other=dict(link.also),
            signature=read.signature,
        )


class CodeView(Struct, frozen=True, kw_only=True):
    """What a code means from `valid_from` to `valid_to` (India's days, both included; null is
    open). `terminal`: nothing more comes of the payment by itself. `retryable`: the payer may try
    again. `message` may be shown to them."""

    code: str
    type: Class
    decline_code: str
    retryable: bool
    terminal: bool
    message: str
    valid_from: date | None
    valid_to: date | None

    @classmethod
    def of(cls, code: str, row: Meaning) -> "CodeView":
        return cls(
            code=code,
            type=row.class_,
            decline_code=row.decline_code,
            retryable=row.retryable,
            terminal=row.terminal,
            message=row.message,
            valid_from=None if row.valid_from == date.min else row.valid_from,
            valid_to=None if row.valid_to == date.max else row.valid_to,
        )


class CodePage(Struct, frozen=True, kw_only=True):
    """By code; `starting_after` the last one shows what comes next."""

    data: list[CodeView]
    has_more: bool


@post(
    "/upi/links",
    status_code=200,
    summary="A link of the merchant's that is good for any number of payments",
    description=(
        "For a printed code: `GET /api/v1/upi/qr` draws it. It is signed, so that nobody can put"
        " another amount or another payee into it. What comes in by it is told by the bank and"
        " makes no payment here; one that shall be followed from its beginning is made by"
        " `POST /api/v1/payments`, which answers with a link of its own."
    ),
    tags=["upi"],
    opt=allow("payments:read", "payments:write") | problems("invalid_link"),
)
async def make_link(
    data: JSONBody[MakeLink],
    principal: NamedDependency[Principal],
    merchants: NamedDependency[Merchants],
    upi: NamedDependency[Upi],
) -> LinkView:
    text = upi.static(await _purchase(principal, merchants, data))
    return LinkView.of(text, upi.read(text))


@get(
    "/upi/qr",
    summary="The merchant's link as a QR code",
    description="The same link as `POST /api/v1/upi/links` makes, as SVG or PNG.",
    tags=["upi"],
    opt=allow("payments:read", "payments:write")
    | files_of(*CONTENT_TYPES.values())
    | problems("invalid_link"),
)
async def draw_link(
    principal: NamedDependency[Principal],
    merchants: NamedDependency[Merchants],
    upi: NamedDependency[Upi],
    amount: Annotated[int | None, QueryParameter(ge=1, le=10**13)] = None,
    note: Annotated[
        str | None, QueryParameter(max_length=LONGEST_NOTE, pattern=r"^[ -~]+\Z")
    ] = None,
    reference: Annotated[str | None, QueryParameter(pattern=r"^[A-Za-z0-9._-]{1,35}\Z")] = None,
    format: FromQuery[Format] = "svg",  # noqa: A002 - the name on the wire
    scale: Scale = 4,
) -> Response[bytes]:
    asked = MakeLink(amount=amount, note=note or None, reference=reference)
    text = upi.static(await _purchase(principal, merchants, asked))
    return Response(qr.render(text, format, scale=scale), media_type=CONTENT_TYPES[format])


async def _purchase(principal: Principal, merchants: Merchants, asked: MakeLink) -> Purchase:
    merchant = await merchants.get(principal.merchant)
    return Purchase(
        merchant_id=merchant.id,
        merchant_name=merchant.name,
        mcc=merchant.mcc,
        amount_minor=asked.amount,
        note=asked.note,
        reference=asked.reference,
    )


@post(
    "/upi/links/parse",
    status_code=200,
    summary="What a UPI link or QR code says",
    description=(
        "Reads `upi://pay` links of the linking specification 1.6 as payers' apps do: parameters in"
        " any order and case, `+` or `%20` for a space, empty ones and unknown ones. Refused with"
        " `invalid_link`, whose `param` is the parameter that is wrong."
    ),
    tags=["upi"],
    opt=allow("payments:read", "payments:write", publishable=True) | problems("invalid_link"),
)
async def read_link(data: JSONBody[ReadLink], upi: NamedDependency[Upi]) -> LinkView:
    return LinkView.of(data.link, upi.read(data.link))


@get(
    "/upi/keys",
    summary="The public keys of signed links",
    description=(
        "JWK (RFC 7517), P-256. A link's `sign` is the base64 of an ECDSA signature with SHA-256,"
        " in DER, over the link as it stands before `&sign=`, percent-encoding and all."
    ),
    tags=["upi"],
    opt=allow_anyone(),
)
async def read_keys(upi: NamedDependency[Upi]) -> Response[dict[str, Any]]:
    return Response({"keys": upi.keys.jwks}, headers={"Cache-Control": _HOUR})


@get(
    "/upi/response-codes",
    summary="What UPI's response codes mean",
    description=(
        "A code has a row for each span of days in which it meant the same; `on` shows those of one"
        " day, today by default. A code that is not here is read by the rail's own status alone."
    ),
    tags=["upi"],
    opt=allow("payments:read", "payments:write"),
)
async def list_codes(
    clock: NamedDependency[Clock],
    on: FromQuery[date | None] = None,
    type: FromQuery[Class | None] = None,  # noqa: A002 - the name on the wire
    limit: Limit = 100,
    starting_after: Annotated[str, QueryParameter(max_length=40)] = "",
) -> CodePage:
    day = on or business_date(clock.now())
    found = [
        CodeView.of(code, row)
        for code, rows in sorted(table()["upi"].items())
        for row in rows
        if code > starting_after and row.holds(day) and type in (None, row.class_)
    ]
    return CodePage(data=found[:limit], has_more=len(found) > limit)


router = Router(
    "/api/v1",
    route_handlers=[make_link, draw_link, read_link, read_keys, list_codes],
)
