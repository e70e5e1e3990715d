"""What a person writes of a subject, turned into what payments carry, and into what is shown.

Nothing that could be reversed is kept: VPAs, cards and IP addresses by keyed hash, as payments do.
"""

import ipaddress
from typing import Final
from uuid import UUID

from online.customers.domain import mask_vpa
from online.kernel import ids
from online.kernel.errors import InvalidRequest
from online.kernel.ids import InvalidId
from online.screening.domain import Owner, Subject
from online.screening.service import Named
from online.vault.service import Vault

_LONGEST_DEVICE: Final = 100
_SHOWN_OF_DEVICE: Final = 8


class VaultNaming:
    """Answers `Naming` with the vault's keys."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def name(self, subject: Subject, value: str, owner: Owner) -> Named:
        match subject:
            case "card":
                token = await self._vault.token(_id("tok", value), owner.id)
                return Named(token.fingerprint, token.mask)
            case "vpa":
                vpa = value.strip()
                return Named(self._vault.instrument_hash(vpa), _vpa_mask(vpa))
            case "ip":
                return Named(self._vault.ip_hash(value), mask_ip(value))
            case "device":
                return Named(value, mask_device(value))
            case "customer":
                return _shown("cus", value)
            case "merchant":
                return _shown("mrc", value)


def _shown(prefix: str, value: str) -> Named:
    """An id of ours says nothing about a person: people see it whole."""
    _id(prefix, value)
    return Named(value, value)


def _id(prefix: str, value: str) -> UUID:
    try:
        return ids.decode(prefix, value)
    except InvalidId as error:
        raise InvalidRequest(str(error), "value") from None


def _vpa_mask(vpa: str) -> str:
    try:
        return mask_vpa(vpa)
    except InvalidRequest as error:
        raise InvalidRequest(error.detail, "value") from None


def mask_device(device: str) -> str:
    """Enough to know it again; `InvalidRequest` for what no payment can carry."""
    if len(device) > _LONGEST_DEVICE:
        raise InvalidRequest(f"a device id has at most {_LONGEST_DEVICE} characters", "value")
    return device if len(device) <= _SHOWN_OF_DEVICE else f"{device[:_SHOWN_OF_DEVICE]}…"


def mask_ip(address: str) -> str:
    """`203.0.113.7` → `203.0.113.…`, `2001:db8:1:2::3` → `2001:db8:1:…`: the network, no host."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        raise InvalidRequest("an IPv4 or IPv6 address was expected", "value") from None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if isinstance(found, ipaddress.IPv4Address) or mapped:
        return f"{str(mapped or found).rpartition('.')[0]}.…"
    groups = found.exploded.split(":")[:3]
    return ":".join([*(group.lstrip("0") or "0" for group in groups), "…"])
