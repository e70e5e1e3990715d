"""Per-user limits of a business day, as counter moves."""

from datetime import date

import msgspec

from online.ledger.change import LimitMove


class UserLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`amount_per_day_minor` in minor units."""

    transactions_per_day: int
    amount_per_day_minor: int


def spend(
    limits: UserLimits, subject: str, amount_minor: int, day: date, livemode: bool
) -> tuple[LimitMove, ...]:
    """What a payment of `subject` takes; refused by the writer where it would pass a cap."""
    return (
        LimitMove(
            subject=subject,
            rule="transactions_per_day",
            window_start=day,
            delta=1,
            cap=limits.transactions_per_day,
            livemode=livemode,
        ),
        LimitMove(
            subject=subject,
            rule="amount_per_day",
            window_start=day,
            delta=amount_minor,
            cap=limits.amount_per_day_minor,
            livemode=livemode,
        ),
    )


def give_back(moves: tuple[LimitMove, ...]) -> tuple[LimitMove, ...]:
    """What a payment that came to nothing returns."""
    return tuple(msgspec.structs.replace(move, delta=-move.delta) for move in moves)
