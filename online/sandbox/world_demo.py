"""A day of the world that the demo drives: ordinary payments with a share that ends otherwise.

Belongs here: which payments decline, time out, get lost, are refunded or captured by hand, and the
magic values that make the banks do so. Does not: who pays what (`world_payments.py`).
"""

from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

from online.sandbox.world_payments import OutcomeHint, WorldPayment, not_magic
from online.sandbox.world_people import card_index

# The magic instruments of an outcome, by method; they are used in turn.
_VPAS: Final[dict[OutcomeHint, tuple[str, ...]]] = {
    "declined": ("insufficient@khata", "decline@khata", "wrongpin@khata"),
    "failed": ("techfail@khata",),
    "timeout": ("timeout@khata",),
    "lost": ("lost@khata",),
}
_CARDS: Final[dict[OutcomeHint, tuple[str, ...]]] = {
    "declined": ("4000000000009995", "4000000000000002", "4000000000000127"),
    "failed": ("4000000000000119",),
    "timeout": ("4000000000006801",),
}
# Per thousand payments; at least one each when there are enough payments at all.
_SHARES: Final[dict[OutcomeHint, int]] = {"declined": 40, "timeout": 10, "lost": 3, "failed": 3}
_REFUNDS: Final = 50
_MANUAL_PERCENT_OF_CARDS: Final = 12


def with_outcomes(rng: Random, payments: Sequence[WorldPayment]) -> list[WorldPayment]:
    """The same payments in the same order, some with another end."""
    out = [msgspec.structs.replace(payment, outcome="approved") for payment in payments]
    free = [place for place, payment in enumerate(out) if not payment.fraud]
    rng.shuffle(free)
    for outcome, share in _SHARES.items():
        for turn in range(_count(share, len(out))):
            place = _next(free, out, by_upi_only=outcome == "lost")
            if place is not None:
                out[place] = _ending(out[place], outcome, turn)
    for turn in range(_count(_REFUNDS, len(out))):
        place = _next(free, out)
        if place is not None:
            full = turn % 3 == 0
            refund_minor = out[place].amount_minor
            if not full:
                refund_minor = not_magic(refund_minor * rng.randint(10, 80) // 100)
            out[place] = msgspec.structs.replace(out[place], refund_minor=refund_minor)
    cards = [place for place in free if out[place].method == "card"]
    for place in cards[: max(1, len(cards) * _MANUAL_PERCENT_OF_CARDS // 100)]:
        out[place] = msgspec.structs.replace(out[place], capture="manual")
    return out


def _count(per_thousand: int, payments: int) -> int:
    return max(1, per_thousand * payments // 1_000) if payments >= 20 else 0


def _next(
    free: list[int], payments: Sequence[WorldPayment], *, by_upi_only: bool = False
) -> int | None:
    for at, place in enumerate(free):
        if not by_upi_only or payments[place].method == "upi":
            return free.pop(at)
    return None


def _ending(payment: WorldPayment, outcome: OutcomeHint, turn: int) -> WorldPayment:
    if payment.method == "upi":
        vpas = _VPAS[outcome]
        return msgspec.structs.replace(payment, outcome=outcome, vpa=vpas[turn % len(vpas)])
    numbers = _CARDS[outcome]
    card = card_index(numbers[turn % len(numbers)])
    return msgspec.structs.replace(payment, outcome=outcome, card=card)
