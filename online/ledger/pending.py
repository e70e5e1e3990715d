"""A merchant's pending account over a span of time, as values."""

from datetime import datetime
from uuid import UUID

import msgspec

from online.ledger import accounts as chart


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account, from when (None: since its beginning) until just before when.

    An entry belongs where its business day puts it; its instant decides within that day.
    """

    merchant_id: UUID
    currency: str
    livemode: bool
    starts_at: datetime | None
    ends_at: datetime

    @property
    def account_id(self) -> UUID:
        """The merchant's pending account; it has a floor, so it is never striped."""
        return chart.merchant_pending(self.merchant_id).id(self.currency, self.livemode, 0)


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What moved a pending account, by kind, in minor units, each positive in the usual case.

    `gross_minor` is captures less reversals, `disputes_minor` opened less won; fees and taxes are
    what was charged less what was given back. What comes back in a later span than it went makes
    that one's negative. `released_minor` is what came free of reserves and escrows, less what was
    set aside in escrows.
    """

    gross_minor: int = 0
    refunds_minor: int = 0
    disputes_minor: int = 0
    fees_minor: int = 0
    tax_minor: int = 0
    released_minor: int = 0

    @property
    def net_minor(self) -> int:
        taken = self.refunds_minor + self.disputes_minor + self.fees_minor + self.tax_minor
        return self.gross_minor + self.released_minor - taken


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A pending account as a settlement of a span finds it, all read at one moment.

    `carried_minor` is what is there from before the span, less what was settled of it;
    `balance_minor` what is there now, with everything that came after the span.
    """

    sums: Sums
    carried_minor: int
    balance_minor: int
