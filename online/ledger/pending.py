"""A merchant's business day in the books, as values."""

from datetime import date
from uuid import UUID

import msgspec

from online.ledger import accounts as chart


class MerchantDay(msgspec.Struct, frozen=True, kw_only=True):
    """Whose business day, in which currency."""

    merchant_id: UUID
    business_date: date
    currency: str
    livemode: bool

    @property
    def account_id(self) -> UUID:
        """The merchant's pending account; it has a floor, so it is never striped."""
        return chart.merchant_pending(self.merchant_id).id(self.currency, self.livemode, 0)


class DaySums(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's day by kind, in minor units, each as a positive number in the usual case.

    `gross_minor` is captures less reversals, `disputes_minor` opened less won; fees and taxes are
    what was charged less what was given back. What comes back on a later day than it went makes
    that day's negative.
    """

    gross_minor: int = 0
    refunds_minor: int = 0
    disputes_minor: int = 0
    fees_minor: int = 0
    tax_minor: int = 0

    @property
    def net_minor(self) -> int:
        taken = self.refunds_minor + self.disputes_minor + self.fees_minor + self.tax_minor
        return self.gross_minor - taken
