"""What is said about risk: who stands on a list, and a merchant's terms of risk."""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event


class RiskListListed(Event, frozen=True, kw_only=True):
    """Somebody or something is on a list from now on, or stays there under other terms.

    `key` is what payments carry: a keyed hash, or an id. `scope` is a merchant's id or `house`,
    whose lists hold for all merchants.
    """

    TYPE: ClassVar[str] = "risk_list.listed"
    scope: str
    kind: str  # allow, block, watch
    subject: str  # card, vpa, device, ip, customer, merchant
    key: str
    mask: str
    reason: str
    by: str
    expires_at: datetime | None = None


class RiskListRemoved(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "risk_list.removed"
    by: str


class RiskTermsAgreed(Event, frozen=True, kw_only=True):
    """A merchant's terms of risk from now on, whole."""

    TYPE: ClassVar[str] = "risk_terms.agreed"
    merchant_id: str
    challenge_at: int
    review_at: int
    block_at: int
    failure_mode: str  # approve, review, block
    timeout_ms: int
    scorer: str | None
    by: str
