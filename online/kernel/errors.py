"""What a use case may raise: refusals (the caller's business) and unavailability (ours).

HTTP is decided once, in `platform/http.py`, from `code`. Nothing here knows a status code.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar


@dataclass(eq=False)
class KhataError(Exception):
    """Base of both families. `code` is what a client switches on; `detail` is for a person."""

    detail: str
    param: str | None = None

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


@dataclass(eq=False)
class Refused(KhataError):
    """The request was understood and is not allowed; the same request will fail again."""

    code: ClassVar[str] = "refused"


@dataclass(eq=False)
class InvalidRequest(Refused):
    """A field is missing or has a value it cannot have; `param` names it."""

    code: ClassVar[str] = "invalid_request"


@dataclass(eq=False)
class Unauthenticated(Refused):
    """No credentials, or none that hold."""

    code: ClassVar[str] = "unauthenticated"


@dataclass(eq=False)
class Forbidden(Refused):
    """The credentials hold, but not for this."""

    code: ClassVar[str] = "forbidden"


@dataclass(eq=False)
class NotFound(Refused):
    """No such object, or it belongs to somebody else; the caller cannot tell which."""

    code: ClassVar[str] = "not_found"


@dataclass(eq=False)
class Conflict(Refused):
    """The object is in a state that does not allow this."""

    code: ClassVar[str] = "conflict"


@dataclass(eq=False)
class IllegalMove(Conflict):
    """A transition table has no row for this state and move."""

    code: ClassVar[str] = "illegal_state"


@dataclass(eq=False)
class VersionConflict(Conflict):
    """Somebody else changed the object between our read and our write; decide again."""

    code: ClassVar[str] = "version_conflict"
    retryable: ClassVar[bool] = True


@dataclass(eq=False)
class PeriodClosed(Conflict):
    """The business date lies in a month that was closed; nothing is posted there any more."""

    param: str | None = "business_date"
    code: ClassVar[str] = "period_closed"


@dataclass(eq=False)
class PreconditionFailed(Refused):
    """`If-Match` names another version than the object has now."""

    code: ClassVar[str] = "precondition_failed"


@dataclass(eq=False)
class InsufficientFunds(Refused):
    """An account would fall below its floor or rise above its ceiling."""

    code: ClassVar[str] = "insufficient_funds"


@dataclass(frozen=True, kw_only=True)
class Headroom:
    """What a limit still allows, counted in what it counts; None: its window has no end."""

    rule: str
    cap: int
    headroom: int
    window_end: datetime | None = None


@dataclass(eq=False)
class LimitExceeded(Refused):
    """A per-user, per-delegation or per-handle limit would be passed."""

    limit: Headroom | None = None
    code: ClassVar[str] = "limit_exceeded"


@dataclass(eq=False)
class OverCapture(Refused):
    """More would be captured than was authorized."""

    code: ClassVar[str] = "over_capture"


@dataclass(eq=False)
class OverRelease(Refused):
    """More would be let go than is kept."""

    code: ClassVar[str] = "over_release"


@dataclass(eq=False)
class OverRefund(Refused):
    """More would be refunded than was captured and is still there."""

    code: ClassVar[str] = "over_refund"


@dataclass(eq=False)
class FraudBlocked(Refused):
    """Risk said no; `factors` are the reason codes."""

    factors: list[str] = field(default_factory=list)
    code: ClassVar[str] = "fraud_blocked"


@dataclass(eq=False)
class SettlementMismatch(Refused):
    """A batch does not equal what the ledger says; `detail` carries the difference."""

    code: ClassVar[str] = "settlement_mismatch"


@dataclass(eq=False)
class IdempotencyKeyMissing(Refused):
    """A call that moves money came without an `Idempotency-Key`."""

    code: ClassVar[str] = "idempotency_key_missing"


@dataclass(eq=False)
class IdempotencyKeyReused(Refused):
    """The same key came with another request."""

    code: ClassVar[str] = "idempotency_key_reused"


@dataclass(eq=False)
class IdempotencyInFlight(Refused):
    """The first call with this key is still running."""

    code: ClassVar[str] = "idempotency_in_flight"
    retryable: ClassVar[bool] = True


@dataclass(eq=False)
class RateLimited(Refused):
    """Too many requests; try again after `retry_after_s`."""

    retry_after_s: int = 1
    code: ClassVar[str] = "rate_limited"
    retryable: ClassVar[bool] = True


@dataclass(eq=False)
class Unavailable(KhataError):
    """We, or somebody behind us, cannot answer now. Nothing was done."""

    code: ClassVar[str] = "unavailable"
    retryable: ClassVar[bool] = True


@dataclass(eq=False)
class RouteUnavailable(Unavailable):
    """No healthy route takes this payment."""

    code: ClassVar[str] = "route_unavailable"


@dataclass(eq=False)
class PaymentTimeout(Unavailable):
    """The rail did not answer in time; the outcome is unknown and will be enquired."""

    code: ClassVar[str] = "payment_timeout"
