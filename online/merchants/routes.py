"""`/api/v1/merchants`, for the operator."""

from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.merchants.domain import (
    MIDNIGHT,
    MdrOnRefund,
    Merchant,
    NewTerms,
    PayoutManner,
    Schedule,
    Size,
    TdsSection,
)
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
LegalName = Annotated[str, Meta(min_length=1, max_length=200, description="as on invoices")]
Gstin = Annotated[str, Meta(pattern=r"^[0-9A-Z]{15}\Z", description="of the merchant's state")]
Address = Annotated[str, Meta(min_length=1, max_length=500)]
Weekday = Annotated[int, Meta(ge=1, le=7, description="that ends a weekly period; 1 is Monday")]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
Cycles = Annotated[
    tuple[TimeOfDay, ...],
    Meta(max_length=9, description="ends of a day's cycles in India, before the cut-off"),
]
Cutoff = Annotated[
    str,
    Meta(
        pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z",
        description="when a business day ends for settlement, in India; 24:00 is midnight",
    ),
]
MinPayout = Annotated[
    int, Meta(ge=0, le=10**15, description="minor units; less stays until there is more")
]
ReserveBps = Annotated[int, Meta(ge=0, le=10_000, description="basis points of what is captured")]
ReserveDays = Annotated[int, Meta(ge=0, le=730, description="days until a reserve is released")]
TdsBps = Annotated[
    int, Meta(ge=0, le=10_000, description="instead of the section's own rate, in basis points")
]
# What a change may take away again is sent as an empty text.
GstinOrNone = Annotated[str, Meta(pattern=r"^([0-9A-Z]{15})?\Z")]
AddressOrNone = Annotated[str, Meta(max_length=500)]


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
    legal_name: LegalName | None = None
    gstin: Gstin | None = None
    address: Address | None = None
    settlement_schedule: Schedule = "daily"
    settlement_weekday: Weekday | None = None
    settlement_cycles: Cycles = ()
    cutoff: Cutoff = MIDNIGHT
    min_payout: MinPayout = 0
    reserve_bps: ReserveBps = 0
    reserve_days: ReserveDays = 0
    tds_section: TdsSection | None = None
    tds_bps: TdsBps | None = None
    verified: bool = False
    payouts: PayoutManner = "automatic"

    def terms(self) -> NewTerms:
        return NewTerms(
            legal_name=self.legal_name,
            gstin=self.gstin,
            address=self.address,
            settlement_schedule=self.settlement_schedule,
            settlement_weekday=self.settlement_weekday,
            settlement_cycles=self.settlement_cycles,
            cutoff=self.cutoff,
            min_payout_minor=self.min_payout,
            reserve_bps=self.reserve_bps,
            reserve_days=self.reserve_days,
            tds_section=self.tds_section or "",
            tds_bps=self.tds_bps,
            verified=self.verified,
            payouts=self.payouts,
        )


class ChangeTerms(WireStruct, frozen=True, kw_only=True):
    """What is left out stays as it is, but that a schedule comes with its weekday or cycles and a
    TDS section with its rate. An empty `gstin`, `address` or `tds_section` takes it away.
    """

    settlement_days: SettlementDays | None = None
    exposure_limit: ExposureLimit | None = None
    mdr_on_refund: MdrOnRefund | None = None
    size: Size | None = None
    requires_signature: bool | None = None
    legal_name: LegalName | None = None
    gstin: GstinOrNone | None = None
    address: AddressOrNone | None = None
    settlement_schedule: Schedule | None = None
    settlement_weekday: Weekday | None = None
    settlement_cycles: Cycles | None = None
    cutoff: Cutoff | None = None
    min_payout: MinPayout | None = None
    reserve_bps: ReserveBps | None = None
    reserve_days: ReserveDays | None = None
    tds_section: Literal["194-O", ""] | None = None
    tds_bps: TdsBps | None = None
    verified: bool | None = None
    payouts: PayoutManner | None = None

    def terms(self) -> NewTerms:
        return NewTerms(
            settlement_days=self.settlement_days,
            exposure_limit_minor=self.exposure_limit,
            mdr_on_refund=self.mdr_on_refund,
            size=self.size,
            requires_signature=self.requires_signature,
            legal_name=self.legal_name,
            gstin=self.gstin,
            address=self.address,
            settlement_schedule=self.settlement_schedule,
            settlement_weekday=self.settlement_weekday,
            settlement_cycles=self.settlement_cycles,
            cutoff=self.cutoff,
            min_payout_minor=self.min_payout,
            reserve_bps=self.reserve_bps,
            reserve_days=self.reserve_days,
            tds_section=self.tds_section,
            tds_bps=self.tds_bps,
            verified=self.verified,
            payouts=self.payouts,
        )


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
    legal_name: str
    gstin: str | None
    address: str | None
    settlement_schedule: str
    settlement_weekday: int | None
    settlement_cycles: list[str]
    cutoff: str
    min_payout: int
    reserve_bps: int
    reserve_days: int
    tds_section: str | None
    tds_bps: int | None
    verified: bool
    payouts: str

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
            legal_name=merchant.legal_name,
            gstin=merchant.gstin,
            address=merchant.address,
            settlement_schedule=merchant.settlement_schedule,
            settlement_weekday=merchant.settlement_weekday,
            settlement_cycles=list(merchant.settlement_cycles),
            cutoff=merchant.cutoff,
            min_payout=merchant.min_payout_minor,
            reserve_bps=merchant.reserve_bps,
            reserve_days=merchant.reserve_days,
            tds_section=merchant.tds_section,
            tds_bps=merchant.tds_bps,
            verified=merchant.verified,
            payouts=merchant.payouts,
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
        terms=data.terms(),
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
    def agree(merchant: Merchant) -> None:
        check_match(request, merchant.version)

    id_ = ids.decode("mrc", merchant_id)
    return _shown(await merchants.change_terms(id_, data.terms(), agree, principal.actor))


def _shown(merchant: Merchant) -> Response[MerchantView]:
    return Response(MerchantView.of(merchant), headers=etag(merchant.version))


router = Router("/api/v1", route_handlers=[create_merchant, read_merchant, change_terms])
