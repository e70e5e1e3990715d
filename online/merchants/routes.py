"""`/api/v1/merchants`, for the operator."""

from datetime import datetime
from typing import Annotated

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.merchants.domain import Merchant
from online.merchants.service import Merchants
from online.platform.wire import WireStruct
from online.security.domain import allow


class CreateMerchant(WireStruct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    mcc: Annotated[str, Meta(pattern=r"^[0-9]{4}\Z", description="ISO 18245 category")]
    state_code: Annotated[str, Meta(pattern=r"^[0-9]{2}\Z", description="GST state code")]
    settlement_days: Annotated[int, Meta(ge=0, le=30)] = 1
    exposure_limit: Annotated[int, Meta(ge=0, le=10**15, description="minor units")] = 0
    requires_signature: bool = True
    livemode: bool = False


class MerchantView(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    mcc: str
    state_code: str
    settlement_days: int
    exposure_limit: int
    requires_signature: bool
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
            requires_signature=merchant.requires_signature,
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
    data: JSONBody[CreateMerchant], merchants: NamedDependency[Merchants]
) -> NewMerchantView:
    new = await merchants.create(
        name=data.name,
        mcc=data.mcc,
        state_code=data.state_code,
        settlement_days=data.settlement_days,
        exposure_limit_minor=data.exposure_limit,
        requires_signature=data.requires_signature,
        livemode=data.livemode,
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
) -> MerchantView:
    return MerchantView.of(await merchants.get(ids.decode("mrc", merchant_id)))


router = Router("/api/v1", route_handlers=[create_merchant, read_merchant])
