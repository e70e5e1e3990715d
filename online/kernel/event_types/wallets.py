"""What happens to a wallet, and to the money that comes into it."""

from datetime import datetime
from typing import Any, ClassVar

from online.kernel.event import Event
from online.kernel.event_types.payments import LimitTaken


class WalletOpened(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "wallet.opened"
    customer_id: str
    merchant_id: str
    kind: str
    currency: str


class WalletClosed(Event, frozen=True, kw_only=True):
    """Nothing is paid from it or loaded into it from here; `amount` was in it and goes back."""

    TYPE: ClassVar[str] = "wallet.closed"
    amount: int
    purpose: str  # as UPI knows it: 43, Lite is disabled


class WalletReopened(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "wallet.reopened"
    kind: str


class WalletSweepDue(Event, frozen=True, kw_only=True):
    """Money came in, or may have, after it was closed: to be looked at `at`."""

    TYPE: ClassVar[str] = "wallet.sweep_due"
    at: datetime


class WalletSwept(Event, frozen=True, kw_only=True):
    """What was in it goes back too; `again_at` where not all of it could at once."""

    TYPE: ClassVar[str] = "wallet.swept"
    amount: int
    again_at: datetime | None = None


class TopUpCreated(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "top_up.created"
    wallet_id: str
    customer_id: str
    merchant_id: str
    amount: int
    currency: str
    purpose: str  # as UPI knows it: 41 the first, 42 a later one
    instrument: str
    instrument_mask: str
    attempt_id: str
    route: str
    rail: str
    route_decision: dict[str, Any]
    limits: tuple[LimitTaken, ...]  # of counters


class TopUpRequiresAction(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "top_up.requires_action"
    attempt_id: str
    next_action: dict[str, Any]


class TopUpUnknown(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "top_up.unknown"
    attempt_id: str
    code: str | None = None
    message: str = ""


class TopUpSucceeded(Event, frozen=True, kw_only=True):
    """The rail took the money. Not `credited`: the wallet was closed, or has no room for what came
    late; all of it goes back."""

    TYPE: ClassVar[str] = "top_up.succeeded"
    attempt_id: str
    rail: str
    rail_reference: str | None
    amount: int
    currency: str
    credited: bool
    funding: str | None = None


class TopUpFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "top_up.failed"
    attempt_id: str
    code: str
    decline_code: str | None = None
    message: str = ""


class _Return(Event, frozen=True, kw_only=True):
    attempt_id: str
    amount: int


class TopUpReturnRequested(_Return, frozen=True, kw_only=True):
    """`again`: the rail had refused it before."""

    TYPE: ClassVar[str] = "top_up.return_requested"
    again: bool = False


class TopUpReturnFailed(_Return, frozen=True, kw_only=True):
    """The rail did not give it back; it stays owed, and is tried again `again_at`."""

    TYPE: ClassVar[str] = "top_up.return_failed"
    again_at: datetime
    code: str | None = None


class _Returned(_Return, frozen=True, kw_only=True):
    """`after_failing`: the rail had refused it before, and done it after all."""

    rail_reference: str | None = None
    after_failing: bool = False


class TopUpPartlyReturned(_Returned, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "top_up.partly_returned"


class TopUpReturned(_Returned, frozen=True, kw_only=True):
    """All that it brought has gone back."""

    TYPE: ClassVar[str] = "top_up.returned"


class TopUpUnplacedMoney(Event, frozen=True, kw_only=True):
    """The rail gave back what was given back otherwise: it waits in suspense."""

    TYPE: ClassVar[str] = "top_up.unplaced_money"
    attempt_id: str
    rail: str
    amount: int
    currency: str
