"""What the API shows of settlements, and what it takes in, as wire structs."""

from datetime import date, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from online.kernel import ids
from online.ledger.pending import Sums
from online.ledger.reading import Line
from online.merchants.domain import Merchant
from online.platform.wire import WireStruct, id_of
from online.settlements.beneficiaries import Account
from online.settlements.domain import Batch, Settlement
from online.settlements.service import Due

MerchantId = Annotated[str, id_of("mrc")]
MerchantOrAll = Annotated[str, Meta(pattern=r"^(all|mrc_[0-7][0-9a-hjkmnp-tv-z]{25})\Z")]
Sum = Annotated[int, Meta(ge=0, le=2**53 - 1, description="minor units")]
SignedSum = Annotated[int, Meta(ge=-(2**53 - 1), le=2**53 - 1, description="minor units")]
Instant = Annotated[datetime, Meta(tz=True)]
Code = Annotated[str, Meta(min_length=1, max_length=40)]


class RequestSettlement(WireStruct, frozen=True, kw_only=True):
    """`["all"]` is every merchant that the caller's credentials are for."""

    date: date
    merchants: Annotated[list[MerchantOrAll], Meta(min_length=1, max_length=1000)]
    type: Literal["daily"] = "daily"


class BatchLine(WireStruct, frozen=True, kw_only=True):
    """A merchant's closed period, by its last business day. What comes back in a later period than
    it went (a reversed capture, a failed refund, a dispute that was won, a returned fee) makes
    that period's sum negative. What is left out is not compared with the books. `reserve` and
    `tds` are what is due, `payout` is what is owed after them: carried + net - reserve - tds.
    """

    merchant_id: MerchantId
    business_date: date
    currency: Literal["INR"]
    gross: SignedSum
    refunds: SignedSum
    fees: SignedSum
    tax: SignedSum
    net: SignedSum
    count: Sum
    disputes: SignedSum = 0
    reserve_released: SignedSum = 0
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    carried: SignedSum | None = None
    reserve: Sum | None = None
    tds: Sum | None = None
    payout: SignedSum | None = None
    snapshot: Sum | None = None

    def batch(self) -> Batch:
        return Batch(
            merchant_id=ids.decode("mrc", self.merchant_id),
            business_date=self.business_date,
            currency=self.currency,
            sums=Sums(
                gross_minor=self.gross,
                refunds_minor=self.refunds,
                disputes_minor=self.disputes,
                fees_minor=self.fees,
                tax_minor=self.tax,
                released_minor=self.reserve_released,
            ),
            net_minor=self.net,
            count=self.count,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            carried_minor=self.carried,
            reserve_minor=self.reserve,
            tds_minor=self.tds,
            payout_minor=self.payout,
            snapshot=self.snapshot,
        )


class BatchAnswer(Struct, frozen=True, kw_only=True):
    """`difference` is the batch's net minus the books'; `detail` says where it comes from.

    `payout` is what leaves pending for the merchant: 0 when all is carried forward.
    """

    merchant_id: str | None
    status: Literal["accepted", "exists", "refused"]
    settlement_id: str | None = None
    payout_attempt_id: str | None = None
    payout: int | None = None
    difference: int = 0
    detail: str | None = None
    param: str | None = None


class RequestedSettlement(Struct, frozen=True, kw_only=True):
    id: str
    status: str
    date: str
    type: str
    merchants: list[str]
    livemode: bool


class SettlementView(Struct, frozen=True, kw_only=True):
    """Amounts are minor units of `currency`.

    `net` is what the period moved: gross - refunds - disputes - fees - tax + reserve_released,
    which counts what came free of escrows, less what was set aside in them, too.
    `carried` is what earlier periods left. `payout` = carried + net - reserve - tds - withheld,
    and `carried_out` stays for the next period: carried + net - payout - reserve - tds. `withheld`
    is what refunds after the period have used of it already; where nothing is paid, what is due
    (`reserve_due`, `tds_due`) is taken with the next payout.
    """

    id: str
    merchant_id: str
    business_date: date
    currency: str
    status: str
    starts_at: datetime | None
    ends_at: datetime
    pay_on: date
    gross: int
    refunds: int
    disputes: int
    fees: int
    tax: int
    reserve_released: int
    net: int
    carried: int
    reserve_due: int
    reserve: int
    tds_due: int
    tds: int
    withheld: int
    payout: int
    carried_out: int
    release_on: date | None
    reserve_released_on: date | None
    payout_attempt_id: str | None
    payout_code: str | None
    utr: str | None
    livemode: bool
    created_at: datetime

    @classmethod
    def of(cls, settlement: Settlement) -> "SettlementView":
        attempt = settlement.payout_attempt_id
        return cls(
            id=settlement.reference,
            merchant_id=ids.encode("mrc", settlement.merchant_id),
            business_date=settlement.business_date,
            currency=settlement.currency,
            status=settlement.status,
            starts_at=settlement.starts_at,
            ends_at=settlement.ends_at,
            pay_on=settlement.pay_on,
            gross=settlement.gross_minor,
            refunds=settlement.refunds_minor,
            disputes=settlement.disputes_minor,
            fees=settlement.fees_minor,
            tax=settlement.tax_minor,
            reserve_released=settlement.released_minor,
            net=settlement.net_minor,
            carried=settlement.carried_minor,
            reserve_due=settlement.reserve_due_minor,
            reserve=settlement.reserve_minor,
            tds_due=settlement.tds_due_minor,
            tds=settlement.tds_minor,
            withheld=settlement.withheld_minor,
            payout=settlement.payout_minor,
            carried_out=settlement.carried_out_minor,
            release_on=settlement.release_on,
            reserve_released_on=settlement.reserve_released_on,
            payout_attempt_id=ids.encode("att", attempt) if attempt else None,
            payout_code=settlement.payout_code,
            utr=settlement.utr,
            livemode=settlement.livemode,
            created_at=settlement.created_at,
        )


class SettlementList(Struct, frozen=True, kw_only=True):
    """Newest period first; `starting_after` the last id shows what comes next."""

    data: list[SettlementView]
    has_more: bool


class LineView(Struct, frozen=True, kw_only=True):
    """One entry of the merchant's pending balance, credit positive."""

    id: str
    transaction_id: str
    kind: str
    reference: str | None
    payment_id: str | None
    amount: int
    occurred_at: datetime

    @classmethod
    def of(cls, line: Line) -> "LineView":
        return cls(
            id=ids.encode("ent", line.id),
            transaction_id=ids.encode("txn", line.transaction_id),
            kind=line.kind,
            reference=line.reference,
            payment_id=line.payment_id,
            amount=line.amount_minor,
            occurred_at=line.occurred_at,
        )


class LineList(Struct, frozen=True, kw_only=True):
    """In the order of posting; all lines together sum to the settlement's `net`."""

    data: list[LineView]
    has_more: bool


class ScheduleItem(Struct, frozen=True, kw_only=True):
    """A period by its last business day: it ends at `ends_at` and is paid on `settle_on`."""

    business_date: date
    ends_at: datetime
    settle_on: date
    settlements: list[SettlementView]

    @classmethod
    def of(cls, due: Due) -> "ScheduleItem":
        return cls(
            business_date=due.business_date,
            ends_at=due.ends_at,
            settle_on=due.pay_on,
            settlements=[SettlementView.of(each) for each in due.settlements],
        )


class ScheduleView(Struct, frozen=True, kw_only=True):
    """`settlement_days` is the n of T+n, in bank days; times of day are in India."""

    merchant_id: str
    settlement_schedule: str
    settlement_weekday: int | None
    settlement_cycles: list[str]
    cutoff: str
    settlement_days: int
    min_payout: int
    items: list[ScheduleItem]

    @classmethod
    def of(cls, merchant: Merchant, items: list[ScheduleItem]) -> "ScheduleView":
        return cls(
            merchant_id=ids.encode("mrc", merchant.id),
            settlement_schedule=merchant.settlement_schedule,
            settlement_weekday=merchant.settlement_weekday,
            settlement_cycles=list(merchant.settlement_cycles),
            cutoff=merchant.cutoff,
            settlement_days=merchant.settlement_days,
            min_payout=merchant.min_payout_minor,
            items=items,
        )


class ChangeBeneficiary(WireStruct, frozen=True, kw_only=True):
    """The bank account that payouts go to."""

    account: Annotated[str, Meta(pattern=r"^[0-9A-Z]{6,34}\Z", description="account number")]
    ifsc: Annotated[str, Meta(pattern=r"^[A-Z]{4}0[A-Z0-9]{6}\Z")]
    name: Annotated[str, Meta(pattern=r"^[ -~]{1,100}\Z", description="as the bank has it")]


class BeneficiaryView(Struct, frozen=True, kw_only=True):
    """`usable_from`: until then payouts go to the account before."""

    merchant_id: str
    account_masked: str
    ifsc: str
    name: str
    version: int
    usable_from: datetime
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> "BeneficiaryView":
        return cls(
            merchant_id=ids.encode("mrc", account.merchant_id),
            account_masked=account.masked,
            ifsc=account.ifsc,
            name=account.name,
            version=account.version,
            usable_from=account.usable_from,
            created_at=account.created_at,
        )
