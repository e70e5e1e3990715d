"""`/api/v1/periods`, for finance."""

from datetime import date, datetime
from typing import Annotated, Any

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from online.kernel.errors import InvalidRequest
from online.kernel.months import InvalidMonth, Month
from online.periods.domain import AccountPeriod, Period, Total
from online.periods.service import Periods
from online.platform.openapi_page import problems
from online.security.domain import Principal, allow


class TotalView(Struct, frozen=True, kw_only=True):
    """Amounts are minor units of `currency`; `layer` is `posted` or `pending`."""

    currency: str
    layer: str
    livemode: bool
    entries: int
    debit: int
    credit: int

    @classmethod
    def of(cls, total: Total) -> "TotalView":
        return cls(
            currency=total.currency,
            layer=total.layer,
            livemode=total.livemode,
            entries=total.entries,
            debit=total.debit,
            credit=total.credit,
        )


class PeriodView(Struct, frozen=True, kw_only=True):
    """A closed month. `status` is `closing` while its trial balance is summed; `sha256` is over
    that trial balance, a line an account."""

    month: str
    status: str
    closed_by: str
    closed_at: datetime
    accounts: int | None
    entries: int | None
    totals: list[TotalView] | None
    sha256: str | None

    @classmethod
    def of(cls, period: Period) -> "PeriodView":
        totals = period.totals
        return cls(
            month=period.name,
            status="closing" if totals is None else "closed",
            closed_by=period.closed_by,
            closed_at=period.closed_at,
            accounts=period.accounts,
            entries=period.entries,
            totals=None if totals is None else [TotalView.of(each) for each in totals],
            sha256=period.sha256.hex() if period.sha256 else None,
        )


class PeriodList(Struct, frozen=True, kw_only=True):
    """`open_from` is the first day that may be posted to; null while no month was closed."""

    open_from: date | None
    data: list[PeriodView]


class BalanceView(Struct, frozen=True, kw_only=True):
    """One account's month: `closing` = `opening` − `debit` + `credit`, in minor units."""

    id: str
    account: str
    currency: str
    layer: str
    livemode: bool
    opening: int
    debit: int
    credit: int
    closing: int
    entries: int

    @classmethod
    def of(cls, line: AccountPeriod) -> "BalanceView":
        return cls(
            id=line.id,
            account=line.code,
            currency=line.currency,
            layer=line.layer,
            livemode=line.livemode,
            opening=line.opening_minor,
            debit=line.debit_minor,
            credit=line.credit_minor,
            closing=line.closing_minor,
            entries=line.entries,
        )


class BalanceList(Struct, frozen=True, kw_only=True):
    data: list[BalanceView]
    has_more: bool


@get(
    "/periods", summary="Closed months, newest first", tags=["books"], opt=allow("admin", "service")
)
async def list_periods(periods: NamedDependency[Periods]) -> PeriodList:
    found = await periods.all()
    return PeriodList(
        open_from=Month.of(found[0].month).next.first if found else None,
        data=[PeriodView.of(each) for each in found],
    )


@get(
    "/periods/{month:str}",
    summary="A closed month",
    tags=["books"],
    opt=allow("admin", "service"),
)
async def read_period(month: FromPath[str], periods: NamedDependency[Periods]) -> PeriodView:
    return PeriodView.of(await periods.get(_month(month)))


@get(
    "/periods/{month:str}/balances",
    summary="The trial balance that a month was closed with",
    tags=["books"],
    opt=allow("admin", "service"),
)
async def list_balances(
    month: FromPath[str],
    periods: NamedDependency[Periods],
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    starting_after: Annotated[str | None, QueryParameter(max_length=200)] = None,
) -> BalanceList:
    after = starting_after or ""
    if "\x00" in after:
        raise InvalidRequest("must not contain the NUL character", "starting_after")
    found = await periods.balances(_month(month), after=after, most=limit + 1)
    return BalanceList(
        data=[BalanceView.of(line) for line in found[:limit]], has_more=len(found) > limit
    )


@post(
    "/periods/{month:str}/close",
    status_code=200,
    summary="Close a month of the books",
    description="For ever: from then on nothing is posted to this month or to any before it, and "
    "what comes late goes to the first open day. Months close in order, each once it is over and "
    "nothing of it is undecided. The same call again answers the month as it was closed.",
    tags=["books"],
    opt=allow("admin") | problems("period_not_over", "period_out_of_order", "period_undecided"),
)
async def close_period(
    month: FromPath[str],
    principal: NamedDependency[Principal],
    periods: NamedDependency[Periods],
) -> PeriodView:
    return PeriodView.of(await periods.close(_month(month), principal.actor))


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except InvalidMonth as error:
        raise InvalidRequest(str(error), "month") from None


_HANDLERS: list[Any] = [list_periods, read_period, list_balances, close_period]
router = Router("/api/v1", route_handlers=_HANDLERS)
