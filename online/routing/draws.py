"""Drawing lots by a payment's id: the same payment always draws the same."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final
from uuid import UUID

WHOLE_BPS: Final = 10_000


def draw(payment_id: UUID, salt: str, below: int) -> int:
    """Evenly spread over payments; another salt is independent."""
    digest = blake2b(payment_id.bytes, digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest) % below


def drawn(shares: Mapping[str, int], point: int) -> str:
    """Whose share `point` falls into; by name, so that the order of a file means nothing."""
    for name in sorted(shares):
        point -= shares[name]
        if point < 0:
            return name
    raise AssertionError("the point lies above the sum of the shares")


def chances_of(shares: Mapping[str, int]) -> dict[str, int]:
    """In basis points, the remainder with the largest."""
    total = sum(shares.values())
    chances = {name: part * WHOLE_BPS // total for name, part in shares.items()}
    chances[max(sorted(shares), key=shares.__getitem__)] += WHOLE_BPS - sum(chances.values())
    return chances
