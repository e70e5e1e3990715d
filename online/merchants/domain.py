"""A merchant, as the rest of the service needs it."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct


class Merchant(Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    mcc: str
    state_code: str  # GST state, decides between IGST and CGST + SGST
    settlement_days: int
    exposure_limit_minor: int
    requires_signature: bool
    livemode: bool
    created_at: datetime
