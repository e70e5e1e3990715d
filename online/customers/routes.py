"""`/api/v1/customers`."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from online.customers.domain import Customer
from online.customers.service import Customers
from online.kernel import ids
from online.platform.calls import check_match, etag
from online.platform.lists import Cursor, Limit, cut, window
from online.platform.openapi_page import problems
from online.platform.wire import WireStruct
from online.security.domain import Principal, allow

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Email = Annotated[str, Meta(pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}\Z")]
Phone = Annotated[str, Meta(pattern=r"^\+?[0-9]{6,15}\Z")]
UpiType = Literal["mini", "max"]
KycLevel = Literal["none", "minimum", "full"]
Vpa = Annotated[str, Meta(max_length=320)]


class CreateCustomer(WireStruct, frozen=True, kw_only=True):
    """`upi_type: max` is a user with full KYC, `mini` one with none or minimum; without a
    `kyc_level`, MAX is full and everybody else none."""

    name: Name | None = None
    email: Email | None = None
    phone: Phone | None = None
    upi_type: UpiType | None = None
    kyc_level: KycLevel | None = None
    vpa: Vpa | None = None

    def __repr__(self) -> str:
        return "CreateCustomer(…)"


class UpdateCustomer(WireStruct, frozen=True, kw_only=True):
    """A field that is left out stays as it is; null takes its value away. MINI becomes MAX by
    `upi_type` and `kyc_level` together: what is in their wallet stays there."""

    name: Name | UnsetType | None = UNSET
    email: Email | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    upi_type: UpiType | UnsetType | None = UNSET
    kyc_level: KycLevel | UnsetType = UNSET
    vpa: Vpa | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return "UpdateCustomer(…)"

    @property
    def given(self) -> dict[str, Any]:
        return {name: v for name, v in structs.asdict(self).items() if v is not UNSET}


class EraseCustomer(WireStruct, frozen=True, kw_only=True):
    """No fields."""


class CustomerView(Struct, frozen=True, kw_only=True):
    """`erased_at`: since when its personal fields are gone for good."""

    id: str
    name: str | None
    email: str | None
    phone: str | None
    upi_type: str | None
    kyc_level: str
    vpa_masked: str | None
    livemode: bool
    created_at: datetime
    erased_at: datetime | None

    @classmethod
    def of(cls, customer: Customer) -> "CustomerView":
        return cls(
            id=ids.encode("cus", customer.id),
            name=customer.name,
            email=customer.email,
            phone=customer.phone,
            upi_type=customer.upi_type,
            kyc_level=customer.kyc_level,
            vpa_masked=customer.vpa_masked,
            livemode=customer.livemode,
            created_at=customer.created_at,
            erased_at=customer.erased_at,
        )


class CustomerList(Struct, frozen=True, kw_only=True):
    data: list[CustomerView]
    has_more: bool
    object: Literal["list"] = "list"
    url: str = "/api/v1/customers"


def _shown(customer: Customer, status: int = 200) -> Response[CustomerView]:
    view = CustomerView.of(customer)
    return Response(view, headers=etag(customer.version), status_code=status)


@post("/customers", summary="Add a customer", tags=["customers"], opt=allow("customers:write"))
async def create_customer(
    data: JSONBody[CreateCustomer],
    customers: NamedDependency[Customers],
    principal: NamedDependency[Principal],
) -> Response[CustomerView]:
    customer = await customers.create(
        merchant_id=principal.merchant,
        livemode=principal.livemode,
        name=data.name,
        email=data.email,
        phone=data.phone,
        upi_type=data.upi_type,
        kyc_level=data.kyc_level,
        vpa=data.vpa,
    )
    return _shown(customer, status=201)


@get(
    "/customers",
    summary="Customers, newest first",
    tags=["customers"],
    opt=allow("customers:read"),
)
async def list_customers(
    customers: NamedDependency[Customers],
    principal: NamedDependency[Principal],
    limit: Limit = 10,
    starting_after: Cursor = None,
) -> CustomerList:
    asked = window("cus", limit, starting_after)
    shown, more = cut(await customers.page(principal.merchant, asked), asked)
    return CustomerList(data=[CustomerView.of(each) for each in shown], has_more=more)


@get(
    "/customers/{customer_id:str}",
    summary="A customer",
    tags=["customers"],
    opt=allow("customers:read"),
)
async def read_customer(
    customer_id: FromPath[str],
    customers: NamedDependency[Customers],
    principal: NamedDependency[Principal],
) -> Response[CustomerView]:
    return _shown(await customers.get(ids.decode("cus", customer_id), principal.merchant))


@post(
    "/customers/{customer_id:str}",
    status_code=200,
    summary="Change a customer",
    description="`If-Match` with the `ETag` of what you read refuses a change that somebody else "
    "made meanwhile.",
    tags=["customers"],
    opt=allow("customers:write") | problems("precondition_failed"),
)
async def update_customer(
    request: Request[Any, Any, Any],
    customer_id: FromPath[str],
    data: JSONBody[UpdateCustomer],
    customers: NamedDependency[Customers],
    principal: NamedDependency[Principal],
) -> Response[CustomerView]:
    id_ = ids.decode("cus", customer_id)
    check = partial(check_match, request)
    return _shown(await customers.update(id_, principal.merchant, data.given, check))


@post(
    "/customers/{customer_id:str}/erase",
    status_code=200,
    summary="Erase what is personal about a customer",
    description="Name, email, phone and masked VPA are taken away for good. Payments and books "
    "stay: they hold the bare id. Erasing again changes nothing.",
    tags=["customers"],
    opt=allow("customers:write") | problems("precondition_failed"),
)
async def erase_customer(
    request: Request[Any, Any, Any],
    customer_id: FromPath[str],
    data: JSONBody[EraseCustomer],  # noqa: ARG001 - read so that unknown fields are refused
    customers: NamedDependency[Customers],
    principal: NamedDependency[Principal],
) -> Response[CustomerView]:
    id_ = ids.decode("cus", customer_id)
    check = partial(check_match, request)
    return _shown(await customers.erase(id_, principal.merchant, check))


router = Router(
    "/api/v1",
    route_handlers=[
        create_customer,
        list_customers,
        read_customer,
        update_customer,
        erase_customer,
    ],
)
