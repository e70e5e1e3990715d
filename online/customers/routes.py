"""`/api/v1/customers`."""

from datetime import datetime
from typing import Annotated, Literal

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from online.customers.domain import Customer
from online.customers.service import Customers
from online.kernel import ids
from online.platform.wire import WireStruct
from online.security.domain import Principal, allow


class CreateCustomer(WireStruct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    email: Annotated[str, Meta(pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}\Z")] | None = None
    phone: Annotated[str, Meta(pattern=r"^\+?[0-9]{6,15}\Z")] | None = None
    upi_type: Literal["mini", "max"] | None = None
    vpa: Annotated[str, Meta(max_length=320)] | None = None

    def __repr__(self) -> str:
        return "CreateCustomer(…)"


class CustomerView(Struct, frozen=True, kw_only=True):
    id: str
    name: str | None
    email: str | None
    phone: str | None
    upi_type: str | None
    vpa_masked: str | None
    livemode: bool
    created_at: datetime

    @classmethod
    def of(cls, customer: Customer) -> "CustomerView":
        return cls(
            id=ids.encode("cus", customer.id),
            name=customer.name,
            email=customer.email,
            phone=customer.phone,
            upi_type=customer.upi_type,
            vpa_masked=customer.vpa_masked,
            livemode=customer.livemode,
            created_at=customer.created_at,
        )


@post("/customers", summary="Add a customer", tags=["customers"], opt=allow("customers:write"))
async def create_customer(
    data: JSONBody[CreateCustomer],
    customers: NamedDependency[Customers],
    principal: NamedDependency[Principal],
) -> CustomerView:
    customer = await customers.create(
        merchant_id=principal.merchant,
        livemode=principal.livemode,
        name=data.name,
        email=data.email,
        phone=data.phone,
        upi_type=data.upi_type,
        vpa=data.vpa,
    )
    return CustomerView.of(customer)


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
) -> CustomerView:
    customer = await customers.get(ids.decode("cus", customer_id), principal.merchant)
    return CustomerView.of(customer)


router = Router("/api/v1", route_handlers=[create_customer, read_customer])
