"""Charges of a month, as values."""

from uuid import UUID

import msgspec

from online.ledger import accounts as chart


class ChargeSum(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Charges of one service and treatment; what was given back is negative. Minor units."""

    service: str
    taxed: bool
    returned: bool
    count: int
    fee_minor: int
    igst_minor: int
    cgst_minor: int
    sgst_minor: int

    @property
    def tax_minor(self) -> int:
        return self.igst_minor + self.cgst_minor + self.sgst_minor


class Charged(msgspec.Struct, frozen=True):
    """Whose charges, in which mode and currency."""

    merchant_id: UUID
    currency: str
    livemode: bool

    @property
    def account_id(self) -> UUID:
        return chart.merchant_pending(self.merchant_id).id(self.currency, self.livemode, 0)
