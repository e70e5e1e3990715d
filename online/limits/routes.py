"""`/api/v1/customers/{id}/limits`."""

from datetime import date, datetime
from typing import Annotated, Literal

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Struct, structs

from online.customers.service import Customers
from online.devices.service import Devices
from online.kernel import ids
from online.kernel.clock import Clock
from online.limits.domain import Kind, Method
from online.limits.service import Limits, Spend, Standing
from online.merchants.service import Merchants
from online.platform.lists import IdFilter
from online.security.domain import Principal, allow

Mcc = Annotated[
    str | None, QueryParameter(pattern="^[0-9]{4}$", description="of the payee; without it, yours")
]
Purpose = Annotated[
    str | None, QueryParameter(pattern="^[0-9A-Z]{2}$", description="code that UPI knows")
]


class LimitView(Struct, frozen=True, kw_only=True):
    """`counts` says what `cap`, `used` and `headroom` are counted in: an amount in minor units, or
    transactions. `per` is the window; of a single payment there is none."""

    rule: str
    counts: Literal["amount", "transactions"]
    per: str
    cap: int
    used: int
    headroom: int
    window_start: date | None
    window_end: datetime | None
    version: str
    source: str

    @classmethod
    def of(cls, standing: Standing) -> "LimitView":
        window = standing.window
        counts: Literal["amount", "transactions"]
        counts = "transactions" if "transactions_per_" in standing.name else "amount"
        return cls(
            rule=standing.name,
            counts=counts,
            per=standing.name.partition("_per_")[2] if window else "payment",
            cap=standing.cap,
            used=standing.used,
            headroom=standing.headroom,
            window_start=window.window_start if window else None,
            window_end=window.until if window else None,
            version=standing.rule.version,
            source=standing.rule.source,
        )


class LimitsView(Struct, frozen=True, kw_only=True):
    """`headroom` is the most that one payment can be now, in minor units; None: no limit says."""

    customer_id: str
    user_type: str
    kyc_level: str
    kind: str
    method: str
    mcc: str
    payee_verified: bool
    factor_required: bool
    headroom: int | None
    limits: list[LimitView]
    object: Literal["customer_limits"] = "customer_limits"


@get(
    "/customers/{customer_id:str}/limits",
    summary="What a customer may still pay",
    description="Every limit that would count for such a payment made to you now, the device's "
    "among them, and how much of it is left. A payment is held to all of them at once.",
    tags=["customers"],
    opt=allow("customers:read"),
)
async def read_limits(
    customer_id: FromPath[str],
    principal: NamedDependency[Principal],
    customers: NamedDependency[Customers],
    merchants: NamedDependency[Merchants],
    devices: NamedDependency[Devices],
    limits: NamedDependency[Limits],
    clock: NamedDependency[Clock],
    kind: FromQuery[Kind] = "p2m",
    method: FromQuery[Method] = "upi",
    mcc: Mcc = None,
    purpose: Purpose = None,
    device_id: IdFilter = None,
) -> LimitsView:
    customer = await customers.get(ids.decode("cus", customer_id), principal.merchant)
    merchant = await merchants.get(principal.merchant)
    spend = Spend(
        kind=kind,
        subject=f"customer:{customer.id}",
        merchant_id=merchant.id,
        amount_minor=0,
        at=clock.now(),
        livemode=principal.livemode,
        method=method,
        customer_id=customer.id,
        mcc=mcc or merchant.mcc,
        purpose=purpose,
        verified=merchant.verified,
    )
    if device_id is not None:
        shown = await devices.show(ids.decode("dev", device_id), merchant.id)
        spend = structs.replace(spend, device=shown.state.value, trust=shown.trust.score)
    user, standings, factor = await limits.standing(spend)
    amounts = [LimitView.of(each) for each in standings]
    spent = any(each.counts == "transactions" and each.headroom == 0 for each in amounts)
    left = [each.headroom for each in amounts if each.counts == "amount"]
    return LimitsView(
        customer_id=customer_id,
        user_type=user.user_type,
        kyc_level=user.kyc,
        kind=kind,
        method=method,
        mcc=spend.mcc or "",
        payee_verified=merchant.verified,
        factor_required=factor,
        headroom=0 if spent else min(left, default=None),
        limits=amounts,
    )


router = Router("/api/v1", route_handlers=[read_limits])
