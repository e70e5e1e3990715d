"""`/api/v1/balance` and `/api/v1/ledger/accounts`."""

from datetime import date, datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Struct

from online.balances.domain import Balance, cut_of
from online.balances.service import Balances
from online.kernel import ids
from online.kernel.errors import InvalidRequest
from online.ledger.cut import BookAccount, Entry, Page
from online.ledger.journal import Layer
from online.platform.lists import Cursor, Limit, cut, window
from online.security.domain import Principal, allow

_DAY_OR_INSTANT: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2}))?$"
)
Moment = Annotated[
    str | None, QueryParameter(max_length=40, schema_extra={"pattern": _DAY_OR_INSTANT})
]
MerchantId = Annotated[str | None, QueryParameter(max_length=40)]

_READERS: Final = allow("ledger:read", "service", "admin")
_MOMENTS: Final = (
    "`as_of`: a business date (all of it) or an instant; what counts is when something took "
    "effect. `known_at`: the same, for when it was written down; it reaches no further than its "
    "own business date. Both include themselves. Together they answer what we thought, then, that "
    "the books were."
)


class BalanceView(Struct, frozen=True, kw_only=True):
    """Minor units of `currency`, what we owe. `total` is the sum of the first five; `authorized`
    is promised by card holders, not captured, and part of none of them.
    """

    currency: str
    pending: int
    payable: int
    reserve: int
    disputed: int
    escrow: int
    total: int
    authorized: int

    @classmethod
    def of(cls, balance: Balance) -> "BalanceView":
        return cls(
            currency=balance.currency,
            pending=balance.pending_minor,
            payable=balance.payable_minor,
            reserve=balance.reserve_minor,
            disputed=balance.disputed_minor,
            escrow=balance.escrow_minor,
            total=balance.total_minor,
            authorized=balance.authorized_minor,
        )


class MerchantBalance(Struct, frozen=True, kw_only=True):
    merchant_id: str
    livemode: bool
    as_of: str | None
    known_at: str | None
    balances: list[BalanceView]
    object: Literal["balance"] = "balance"


class AccountView(Struct, frozen=True, kw_only=True):
    """Balances in minor units of `currency`, credit positive: an asset's is negative.

    A striped account is one account here, whose balances are the sum of its stripes.
    """

    id: str
    code: str
    currency: str
    normal_side: Literal["debit", "credit"]
    merchant_id: str | None
    posted: int
    pending: int
    stripes: int
    livemode: bool

    @classmethod
    def of(cls, account: BookAccount) -> "AccountView":
        owner = account.merchant_id
        return cls(
            id=ids.encode("acc", account.id),
            code=account.code,
            currency=account.currency,
            normal_side="debit" if account.normal_side == "D" else "credit",
            merchant_id=ids.encode("mrc", owner) if owner else None,
            posted=account.posted_minor,
            pending=account.pending_minor,
            stripes=len(account.parts),
            livemode=account.livemode,
        )


class AccountList(Struct, frozen=True, kw_only=True):
    """By code, then currency."""

    data: list[AccountView]
    has_more: bool
    object: Literal["list"] = "list"
    url: str = "/api/v1/ledger/accounts"


class EntryView(Struct, frozen=True, kw_only=True):
    """A leg; `amount` is signed, debit negative.

    `balance` is the account's at this entry: the sum of all entries up to it, in the order of
    this list and within `as_of` and `known_at`. `balance_after` is what was stored with the
    entry: of its stripe, in the order of writing.
    """

    id: str
    transaction_id: str
    account_id: str
    amount: int
    currency: str
    entry_type: str
    balance: int
    balance_after: int
    layer: str
    business_date: date
    effective_at: datetime
    created_at: datetime
    kind: str
    reference: str | None

    @classmethod
    def of(cls, entry: Entry, account_id: str, balance: int) -> "EntryView":
        return cls(
            id=ids.encode("ent", entry.id),
            transaction_id=ids.encode("txn", entry.transaction_id),
            account_id=account_id,
            amount=entry.amount_minor,
            currency=entry.currency,
            entry_type=entry.entry_type,
            balance=balance,
            balance_after=entry.balance_after,
            layer=entry.layer,
            business_date=entry.business_date,
            effective_at=entry.effective_at,
            created_at=entry.created_at,
            kind=entry.kind,
            reference=entry.reference,
        )


class EntryList(Struct, frozen=True, kw_only=True):
    """Newest first. `balance` is the account's within `as_of` and `known_at`; `opening` and
    `closing` stand before the oldest and after the newest entry of this page.
    """

    url: str
    account: AccountView
    layer: str
    as_of: str | None
    known_at: str | None
    balance: int
    opening: int
    closing: int
    data: list[EntryView]
    has_more: bool
    object: Literal["list"] = "list"

    @classmethod
    def of(cls, page: Page, layer: Layer, as_of: str | None, known_at: str | None) -> "EntryList":
        account = AccountView.of(page.account)
        shown = zip(page.entries, page.balances, strict=True)
        return cls(
            url=f"/api/v1/ledger/accounts/{account.id}/entries",
            account=account,
            layer=layer,
            as_of=as_of,
            known_at=known_at,
            balance=page.closing_minor,
            opening=page.opening_minor,
            closing=page.balances[0] if page.balances else page.opening_minor,
            data=[EntryView.of(entry, account.id, balance) for entry, balance in shown],
            has_more=page.has_more,
        )


def _owner(principal: Principal, named: str | None) -> UUID | None:
    """Whose accounts a call is about; None is everybody's, for those who may see them."""
    wanted = ids.decode("mrc", named) if named is not None else None
    if principal.merchant_id is not None and wanted not in {None, principal.merchant_id}:
        raise InvalidRequest("these credentials belong to another merchant", "merchant_id")
    return principal.merchant_id or wanted


@get(
    "/balance",
    summary="A merchant's balance",
    description=_MOMENTS,
    tags=["ledger"],
    opt=_READERS,
)
async def read_balance(
    principal: NamedDependency[Principal],
    balances: NamedDependency[Balances],
    merchant_id: MerchantId = None,
    as_of: Moment = None,
    known_at: Moment = None,
) -> MerchantBalance:
    owner = _owner(principal, merchant_id)
    if owner is None:
        raise InvalidRequest("is required: these credentials belong to no merchant", "merchant_id")
    livemode, found = await balances.of_merchant(owner, cut_of(as_of, known_at))
    return MerchantBalance(
        merchant_id=ids.encode("mrc", owner),
        livemode=livemode,
        as_of=as_of,
        known_at=known_at,
        balances=[BalanceView.of(each) for each in found],
    )


@get(
    "/ledger/accounts",
    summary="Accounts, by code",
    description="A merchant sees its own. Finance and auditors see all, of one merchant with "
    "`merchant_id`.",
    tags=["ledger"],
    opt=_READERS,
)
async def list_accounts(
    principal: NamedDependency[Principal],
    balances: NamedDependency[Balances],
    merchant_id: MerchantId = None,
    livemode: FromQuery[bool | None] = None,
    limit: Limit = 10,
    starting_after: Cursor = None,
) -> AccountList:
    asked = window("acc", limit, starting_after)
    rows = await balances.accounts(
        owner=_owner(principal, merchant_id), livemode=livemode, asked=asked
    )
    shown, more = cut(rows, asked)
    return AccountList(data=[AccountView.of(each) for each in shown], has_more=more)


@get(
    "/ledger/accounts/{account_id:str}",
    summary="An account with its balances",
    description=_MOMENTS,
    tags=["ledger"],
    opt=_READERS,
)
async def read_account(
    account_id: FromPath[str],
    principal: NamedDependency[Principal],
    balances: NamedDependency[Balances],
    as_of: Moment = None,
    known_at: Moment = None,
) -> AccountView:
    id_, by = ids.decode("acc", account_id), cut_of(as_of, known_at)
    return AccountView.of(await balances.account(id_, principal.merchant_id, by))


@get(
    "/ledger/accounts/{account_id:str}/entries",
    summary="An account's entries, newest first",
    description=f"{_MOMENTS} A cursor holds while new entries arrive; send the same `known_at` "
    "with every page to read the same books throughout.",
    tags=["ledger"],
    opt=_READERS,
)
async def list_entries(
    account_id: FromPath[str],
    principal: NamedDependency[Principal],
    balances: NamedDependency[Balances],
    layer: FromQuery[Layer] = "posted",
    as_of: Moment = None,
    known_at: Moment = None,
    limit: Limit = 10,
    starting_after: Cursor = None,
) -> EntryList:
    id_, by = ids.decode("acc", account_id), cut_of(as_of, known_at)
    asked = window("ent", limit, starting_after)
    page = await balances.entries(id_, principal.merchant_id, layer, by, asked)
    return EntryList.of(page, layer, as_of, known_at)


router = Router("/api/v1", route_handlers=[read_balance, list_accounts, read_account, list_entries])
