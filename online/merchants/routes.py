"""`/api/v1/merchants`, for the operator."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.merchants.domain import MdrOnRefund, Merchant, NewTerms, Size
from online.merchants.service import Merchants
from online.platform.calls import check_match, etag
from online.platform.openapi_page import problems
from online.platform.wire import WireStruct
from online.security.domain import Principal, allow

SettlementDays = Annotated[int, Meta(ge=0, le=30)]
ExposureLimit = Annotated[
    int,
    Meta(ge=0, le=10**15, description="minor units that refunds may take the balance below zero"),
]


class CreateMerchant(WireStruct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    mcc: Annotated[str, Meta(pattern=r"^[0-9]{4}\Z", description="ISO 18245 category")]
    state_code: Annotated[str, Meta(pattern=r"^[0-9]{2}\Z", description="GST state code")]
    settlement_days: SettlementDays = 1
    exposure_limit: ExposureLimit = 0
    mdr_on_refund: MdrOnRefund = "kept"
    size: Size = "standard"
    requires_signature: bool = True
    livemode: bool = False


class ChangeTerms(WireStruct, frozen=True, kw_only=True):
    """What is left out stays as it is."""

    settlement_days: SettlementDays | None = None
    exposure_limit: ExposureLimit | None = None
    mdr_on_refund: MdrOnRefund | None = None
    size: Size | None = None
    requires_signature: bool | None = None


class MerchantView(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    mcc: str
    state_code: str
    settlement_days: int
    exposure_limit: int
    mdr_on_refund: str
    size: str
    requires_signature: bool
    version: int
    livemode: bool
    created_at: datetime

    @classmethod
    def of(cls, merchant: Merchant) -> "MerchantView":
        return cls(
            id=ids.encode("mrc", merchant.id),
            name=merchant.name,
            mcc=merchant.mcc,
            state_code=merchant.state_code,
            settlement_days=merchant.settlement_days,
            exposure_limit=merchant.exposure_limit_minor,
            mdr_on_refund=merchant.mdr_on_refund,
            size=merchant.size,
            requires_signature=merchant.requires_signature,
            version=merchant.version,
            livemode=merchant.livemode,
            created_at=merchant.created_at,
        )


class MerchantSecrets(Struct, frozen=True, kw_only=True):
    """Shown this once; kept only as a hash or sealed."""

    client_id: str
    client_secret: str
    publishable_key: str
    signing_key_id: str
    signing_secret: str


class NewMerchantView(Struct, frozen=True, kw_only=True):
    merchant: MerchantView
    secrets: MerchantSecrets


@post("/merchants", summary="Add a merchant", tags=["merchants"], opt=allow("admin"))
async def create_merchant(
    data: JSONBody[CreateMerchant],
    principal: NamedDependency[Principal],
    merchants: NamedDependency[Merchants],
) -> NewMerchantView:
    new = await merchants.create(
        name=data.name,
        mcc=data.mcc,
        state_code=data.state_code,
        settlement_days=data.settlement_days,
        exposure_limit_minor=data.exposure_limit,
        mdr_on_refund=data.mdr_on_refund,
        size=data.size,
        requires_signature=data.requires_signature,
        livemode=data.livemode,
        actor=principal.actor,
    )
    return NewMerchantView(
        merchant=MerchantView.of(new.merchant),
        secrets=MerchantSecrets(
            client_id=new.client.client_id,
            client_secret=new.client.client_secret,
            publishable_key=new.publishable_key,
            signing_key_id=new.signing_key.id,
            signing_secret=new.signing_key.secret,
        ),
    )


@get("/merchants/{merchant_id:str}", summary="A merchant", tags=["merchants"], opt=allow("admin"))
async def read_merchant(
    merchant_id: FromPath[str], merchants: NamedDependency[Merchants]
) -> Response[MerchantView]:
    return _shown(await merchants.get(ids.decode("mrc", merchant_id)))


@post(
    "/merchants/{merchant_id:str}",
    status_code=200,
    summary="Change the terms of a merchant",
    description="Holds for what comes next. With `If-Match` the change is refused (412) when the "
    "terms were changed meanwhile. A lower exposure limit than is in use already takes nothing "
    "back: refunds are refused until the balance has risen above it.",
    tags=["merchants"],
    opt=allow("admin") | problems("precondition_failed"),
)
async def change_terms(
    request: Request[Any, Any, Any],
    merchant_id: FromPath[str],
    data: JSONBody[ChangeTerms],
    principal: NamedDependency[Principal],
    merchants: NamedDependency[Merchants],
) -> Response[MerchantView]:
    terms = NewTerms(
        settlement_days=data.settlement_days,
        exposure_limit_minor=data.exposure_limit,
        mdr_on_refund=data.mdr_on_refund,
        size=data.size,
        requires_signature=data.requires_signature,
    )

    def agree(merchant: Merchant) -> None:
        check_match(request, merchant.version)

    id_ = ids.decode("mrc", merchant_id)
    return _shown(await merchants.change_terms(id_, terms, agree, principal.actor))


def _shown(merchant: Merchant) -> Response[MerchantView]:
    return Response(MerchantView.of(merchant), headers=etag(merchant.version))


router = Router("/api/v1", route_handlers=[create_merchant, read_merchant, change_terms])
