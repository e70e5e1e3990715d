"""A customer. A full VPA is never kept: the mask is for people, the keyed hash for features."""

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from online.kernel.errors import InvalidRequest

# Local part and handle as seen in the wild; whether the address exists only the switch knows.
_VPA: Final = re.compile(r"[A-Za-z0-9._-]{2,255}@[A-Za-z][A-Za-z0-9]{1,63}")


class Customer(Struct, frozen=True, kw_only=True):
    id: UUID
    merchant_id: UUID
    name: str | None
    email: str | None
    phone: str | None
    upi_type: str | None
    vpa_masked: str | None
    livemode: bool
    created_at: datetime
    version: int = 1
    erased_at: datetime | None = None  # then no personal field has a value, nor gets one again

    def __repr__(self) -> str:
        return f"Customer({self.id})"


def mask_vpa(vpa: str) -> str:
    """`rahul@ybl` → `ra***@ybl`; `InvalidRequest` when it is no VPA."""
    if not _VPA.fullmatch(vpa):
        raise InvalidRequest("a VPA looks like name@handle", param="vpa")
    local, _, handle = vpa.lower().partition("@")
    return f"{local[:2] if len(local) > 2 else local[:1]}***@{handle}"
