"""`/api/v1/late-money` for people of the house: what came too late and is not given back yet."""

from datetime import datetime

from litestar import get
from litestar.di import NamedDependency
from msgspec import Struct

from online.kernel import ids
from online.payments.domain import Payment
from online.payments.late import Late
from online.payments.service import Payments
from online.platform.lists import Cursor, Limit, window
from online.security.domain import Principal, allow


class LateItem(Struct, frozen=True, kw_only=True):
    """What one operation brought, and how far its return is."""

    attempt: str  # that took it
    rail: str
    amount: int
    captured: bool  # else it is only held
    tries: int  # to give it back
    under_way: str | None  # the attempt that gives it back now: see `/attempts`
    next_try_at: datetime | None


class LateMoney(Struct, frozen=True, kw_only=True):
    """A payment that took money when it was over, or had gone on without it."""

    payment: str
    merchant: str
    status: str
    currency: str
    amount_late: int
    amount_returned: int
    created_at: datetime
    open: list[LateItem]
    livemode: bool


class LateMoneyPage(Struct, frozen=True, kw_only=True):
    data: list[LateMoney]
    has_more: bool


@get(
    "/late-money",
    summary="Money that came too late and is not given back yet",
    description=(
        "Newest payment first. It was taken from the payer after its payment had failed, was"
        " canceled or had gone on by another rail; it goes back by itself. A return that the rail"
        " refuses is begun again at `next_try_at`, ever more slowly, and never given up."
    ),
    tags=["recovery"],
    opt=allow("admin", "attempts:read", "attempts:write"),
)
async def list_late_money(
    principal: NamedDependency[Principal],
    payments: NamedDependency[Payments],
    limit: Limit = 20,
    starting_after: Cursor = None,
) -> LateMoneyPage:
    asked = window("pay", limit, starting_after)
    found, more = await payments.late_open(principal.livemode, asked)
    return LateMoneyPage(data=[_view(payment) for payment in found], has_more=more)


def _view(payment: Payment) -> LateMoney:
    return LateMoney(
        payment=ids.encode("pay", payment.id),
        merchant=ids.encode("mrc", payment.merchant_id),
        status=payment.status,
        currency=payment.currency,
        amount_late=payment.late_minor,
        amount_returned=payment.late_returned_minor,
        created_at=payment.created_at,
        open=[_item(each) for each in payment.late or () if each.returned_by is None],
        livemode=payment.livemode,
    )


def _item(late: Late) -> LateItem:
    return LateItem(
        attempt=ids.encode("att", late.attempt_id),
        rail=late.rail,
        amount=late.amount_minor,
        captured=late.captured,
        tries=len(late.sent),
        under_way=ids.encode("att", late.sent[-1]) if late.returning else None,
        next_try_at=late.due_at,
    )
