"""Who a caller is and what a route demands. Pure: no key material, no HTTP."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from online.kernel.errors import Forbidden


class Kind(StrEnum):
    MERCHANT = "merchant"
    PUBLISHABLE = "publishable"  # a browser or an app, on behalf of a merchant
    SERVICE = "service"  # our own offline side, through /internal/v1
    ADMIN = "admin"


# What a merchant's client may be given. `service` and `admin` are never among them.
MERCHANT_SCOPES: Final = frozenset(
    {
        *("intents:read", "intents:write", "payments:read", "payments:write"),
        *("refunds:read", "refunds:write", "disputes:read", "disputes:write"),
        *("escrows:read", "escrows:write"),
        *("customers:read", "customers:write", "transfers:read", "transfers:write"),
        *("handles:read", "handles:write", "delegations:read", "delegations:write"),
        *("wallets:read", "wallets:write"),
        *("mandates:read", "mandates:write"),
        *("cards:write", "settlements:read", "settlements:write", "statements:read"),
        *("payouts:read", "payouts:write"),
        *("statements:write", "ledger:read", "risk:write", "devices:read", "devices:write"),
        *("events:read", "webhooks:write"),
        *("reviews:read", "reviews:write", "reviews:lead", "risk:read"),
    }
)
SERVICE_SCOPES: Final = frozenset({"service"})
# What people of the house are given, each by a client of their own. Theirs is every merchant's.
STAFF_SCOPES: Final = frozenset(
    {
        *("breaks:read", "breaks:write", "reviews:read", "reviews:write", "reviews:lead"),
        *("risk_lists:read", "risk_lists:write", "callbacks:read", "routes:read"),
        *("attempts:read", "attempts:write"),
    }
)
ADMIN_SCOPES: Final = frozenset({"admin"})
PUBLISHABLE_SCOPES: Final = frozenset({"publishable"})


class Principal(Struct, frozen=True, kw_only=True):
    """The authenticated caller of one request."""

    kind: Kind
    subject: str  # client id, publishable key or "admin"; what an audit line names
    scopes: frozenset[str]
    livemode: bool
    merchant_id: UUID | None = None

    @property
    def merchant(self) -> UUID:
        """The merchant every query of this request is bound to."""
        if self.merchant_id is None:
            raise Forbidden("this credential does not belong to a merchant")
        return self.merchant_id

    @property
    def actor(self) -> str:
        """For event metadata: who did it, in one word."""
        return f"{self.kind.value}:{self.subject}"


class Access(Struct, frozen=True, kw_only=True):
    """What a handler demands; a handler that says nothing is closed to everybody."""

    scopes: frozenset[str] = frozenset()  # any one of them is enough
    public: bool = False
    publishable: bool = False  # a publishable key opens it too
    signed: bool = False  # the merchant's request signature is demanded where switched on
    rated: bool = True  # counts against the merchant's request limit

    def permits(self, principal: Principal) -> bool:
        if principal.kind is Kind.PUBLISHABLE:
            return self.publishable
        return not self.scopes.isdisjoint(principal.scopes)


OPT: Final = "access"


def allow(*scopes: str, publishable: bool = False, signed: bool = False) -> dict[str, Any]:
    """`@post("/refunds", opt=allow("refunds:write", signed=True))`: any of `scopes` opens it."""
    unknown = set(scopes) - MERCHANT_SCOPES - SERVICE_SCOPES - STAFF_SCOPES - ADMIN_SCOPES
    if unknown or not scopes:
        raise ValueError(f"unknown scopes: {sorted(unknown)}")
    return {OPT: Access(scopes=frozenset(scopes), publishable=publishable, signed=signed)}


def allow_anyone() -> dict[str, Any]:
    """`@get("/health", opt=allow_anyone())`: no credential asked for."""
    return {OPT: Access(public=True, rated=False)}


def schemes_of(opt: Mapping[str, Any]) -> list[str]:
    """The documentation's names for the credentials that open a route."""
    access: Access = opt.get(OPT, Access())
    if access.public:
        return []
    schemes = []
    if access.scopes - ADMIN_SCOPES:
        schemes.append("accessToken")
    if access.publishable:
        schemes.append("publishableKey")
    if access.scopes & ADMIN_SCOPES:
        schemes.append("adminToken")
    return schemes


def is_signed(opt: Mapping[str, Any]) -> bool:
    access: Access = opt.get(OPT, Access())
    return access.signed
