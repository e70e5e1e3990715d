"""`POST /api/v1/risk/assess`: how risky a payment is, without making it."""

from typing import Annotated, Literal

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from online.kernel import ids
from online.kernel.errors import InvalidRequest
from online.platform.openapi_page import problems
from online.platform.wire import AmountMinor, IpAddress, Text, WireStruct, id_of
from online.risk import labels_routes
from online.risk.assessor import Assessor, Question
from online.risk.domain import Assessment
from online.security.domain import Principal, allow

Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]


class AssessedMethod(WireStruct, frozen=True):
    """What would be paid with: a VPA, or a card by its token."""

    type: Literal["upi", "card"]
    vpa: Text | None = None
    token: Annotated[str, id_of("tok")] | None = None


class AssessRequest(WireStruct, frozen=True):
    """A payment that exists, by its id; or one that might be made, by its fields."""

    payment_id: Annotated[str, id_of("pay")] | None = None
    amount: AmountMinor | None = None
    currency: Currency = "INR"
    payment_method: AssessedMethod | None = None
    customer_id: Annotated[str, id_of("cus")] | None = None
    device_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    ip_address: IpAddress | None = None


class RiskFactorView(Struct, frozen=True):
    code: str
    description: str
    score: int


class DeviceTrustView(Struct, frozen=True):
    device_id: str | None
    state: str
    score: int
    level: str


class RiskAssessmentView(Struct, frozen=True, kw_only=True):
    """The score is the sum of its factors' scores."""

    transaction_id: str
    risk_score: int
    risk_level: str
    decision: str
    factors: list[RiskFactorView]
    device_trust: DeviceTrustView
    model_version: str | None
    rules_version: int
    livemode: bool

    @classmethod
    def of(cls, found: Assessment, *, livemode: bool) -> "RiskAssessmentView":
        trust = found.device_trust
        return cls(
            transaction_id=ids.encode("pay", found.payment_id),
            risk_score=found.score,
            risk_level=found.level,
            decision=found.decision,
            factors=[RiskFactorView(f.code, f.description, f.score) for f in found.factors],
            device_trust=DeviceTrustView(trust.device_id, trust.state, trust.score, trust.level),
            model_version=found.model_version,
            rules_version=found.rules_version,
            livemode=livemode,
        )


@post(
    "/risk/assess",
    status_code=200,
    summary="Assess the risk of a payment",
    description="For a payment by its id, as of its creation; or for one that is only thought of.",
    tags=["risk"],
    opt=allow("risk:write") | problems("not_found"),
)
async def assess_risk(
    data: JSONBody[AssessRequest],
    principal: NamedDependency[Principal],
    assessor: NamedDependency[Assessor],
) -> RiskAssessmentView:
    merchant_id, livemode = principal.merchant, principal.livemode
    if data.payment_id is not None:
        found = await assessor.of_payment(
            ids.decode("pay", data.payment_id), merchant_id=merchant_id, livemode=livemode
        )
    else:
        found = await assessor.of_question(
            _question(data), merchant_id=merchant_id, livemode=livemode
        )
    return RiskAssessmentView.of(found, livemode=livemode)


def _question(data: AssessRequest) -> Question:
    if data.amount is None:
        raise InvalidRequest("either payment_id or amount is required", param="amount")
    method = data.payment_method
    if method is None:
        raise InvalidRequest("payment_method is required with amount", param="payment_method")
    missing = method.vpa is None if method.type == "upi" else method.token is None
    if missing:
        name = "vpa" if method.type == "upi" else "token"
        raise InvalidRequest(f"{method.type} needs a {name}", param=f"payment_method.{name}")
    return Question(
        amount_minor=data.amount,
        currency=data.currency,
        method=method.type,
        vpa=method.vpa if method.type == "upi" else None,
        card_token=method.token if method.type == "card" else None,
        customer_id=data.customer_id,
        device_id=data.device_id,
        ip_address=data.ip_address,
    )


router = Router("/api/v1", route_handlers=[assess_risk, *labels_routes.handlers])
