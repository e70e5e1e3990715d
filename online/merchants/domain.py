"""A merchant and its terms, as the rest of the service needs them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

# Whether a refund gives back what the capture was charged, in proportion.
MdrOnRefund = Literal["kept", "returned"]
# Small: up to ₹20 lakh a year; some prices are lower for them.
Size = Literal["standard", "small"]


class Merchant(Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    mcc: str
    state_code: str  # GST state, decides between IGST and CGST + SGST
    settlement_days: int
    exposure_limit_minor: int  # how far refunds and disputes may take the balance below zero
    mdr_on_refund: MdrOnRefund
    size: Size
    requires_signature: bool
    version: int
    livemode: bool
    created_at: datetime


class NewTerms(Struct, frozen=True, kw_only=True):
    """Terms to change; None leaves one as it is."""

    settlement_days: int | None = None
    exposure_limit_minor: int | None = None
    mdr_on_refund: MdrOnRefund | None = None
    size: Size | None = None
    requires_signature: bool | None = None
