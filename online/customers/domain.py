"""A customer. A full VPA is never kept: the mask is for people, the keyed hash for features.

UPI MAX is a user with full KYC; UPI MINI one with none, or with minimum details.
"""

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
    kyc_level: str = "none"  # none | minimum | full: what the merchant has checked

    def __repr__(self) -> str:
        return f"Customer({self.id})"


def kyc_of_new(upi_type: str | None, kyc_level: str | None) -> str:
    """The level of a customer who is added: MAX says full by itself."""
    level = kyc_level or ("full" if upi_type == "max" else "none")
    check_kyc(upi_type, level)
    return level


def check_kyc(upi_type: str | None, kyc_level: str) -> None:
    """`InvalidRequest` where type and level contradict each other."""
    if upi_type == "max" and kyc_level != "full":
        raise InvalidRequest("a UPI MAX user has full KYC", param="kyc_level")
    if upi_type == "mini" and kyc_level == "full":
        raise InvalidRequest("a user with full KYC is UPI MAX", param="kyc_level")


def mask_vpa(vpa: str) -> str:
    """`rahul@ybl` → `ra***@ybl`; `InvalidRequest` when it is no VPA."""
    if not _VPA.fullmatch(vpa):
        raise InvalidRequest("a VPA looks like name@handle", param="vpa")
    local, _, handle = vpa.lower().partition("@")
    return f"{local[:2] if len(local) > 2 else local[:1]}***@{handle}"
