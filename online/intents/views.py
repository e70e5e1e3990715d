"""An intent as it is shown over the wire, with its customer and merchant."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from online.customers.domain import Customer
from online.intents.domain import Intent
from online.intents.service import Intents
from online.kernel import ids
from online.merchants.domain import Merchant
from online.platform.idempotency import Answer


class CustomerPart(Struct, frozen=True, kw_only=True):
    id: str
    name: str | None
    email: str | None
    phone: str | None
    upi_type: str | None
    vpa_masked: str | None


class MerchantPart(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    mcc: str


class IntentView(Struct, frozen=True, kw_only=True):
    """Amount in minor units of `currency`."""

    id: str
    amount: int
    currency: str
    payment_methods: list[str]
    customer: CustomerPart | None
    merchant: MerchantPart
    status: str
    client_secret: str
    capture_method: str
    priority: str
    description: str | None
    payment_id: str | None
    next_action: dict[str, Any] | None
    last_payment_error: dict[str, Any] | None
    livemode: bool
    created_at: datetime
    expires_at: datetime


class IntentList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    url: str = "/api/v1/intents"
    has_more: bool
    data: list[IntentView]


class Showing(Struct, frozen=True, kw_only=True):
    """Renders intents of one merchant and customer."""

    intents: Intents
    merchant: Merchant
    customer: Customer | None

    def view(self, intent: Intent) -> IntentView:
        return IntentView(
            id=ids.encode("pi", intent.id),
            amount=intent.amount_minor,
            currency=intent.currency,
            payment_methods=intent.payment_methods,
            customer=_customer(self.customer) if self.customer else None,
            merchant=MerchantPart(
                id=ids.encode("mrc", self.merchant.id),
                name=self.merchant.name,
                mcc=self.merchant.mcc,
            ),
            status=intent.status,
            client_secret=self.intents.client_secret(intent.id),
            capture_method=intent.capture_method,
            priority=intent.priority,
            description=intent.description,
            payment_id=ids.encode("pay", intent.payment_id) if intent.payment_id else None,
            next_action=intent.next_action,
            last_payment_error=intent.last_payment_error,
            livemode=intent.livemode,
            created_at=intent.created_at,
            expires_at=intent.expires_at,
        )

    def answer(self, done: int, intent: Intent) -> Answer:
        return Answer(done, msgspec.json.encode(self.view(intent)))

    def followed(self, _: object, intent: object, __: object) -> Answer:
        """For a call whose payment the intent follows; a decline is told in the intent."""
        assert isinstance(intent, Intent)
        return self.answer(200, intent)


def _customer(customer: Customer) -> CustomerPart:
    return CustomerPart(
        id=ids.encode("cus", customer.id),
        name=customer.name,
        email=customer.email,
        phone=customer.phone,
        upi_type=customer.upi_type,
        vpa_masked=customer.vpa_masked,
    )
