"""What let a payment pass its limits, as its trace shows it."""

from collections.abc import Sequence
from datetime import date

from msgspec import Struct

from online.kernel import events as ev
from online.ledger.trail import Logged


class TakenStep(Struct, frozen=True, kw_only=True):
    """What it took of a counter; `source` is the dated rule behind the cap."""

    rule: str
    window_start: date
    amount: int
    cap: int
    source: str


class LimitsStep(Struct, frozen=True, kw_only=True):
    """`rules` are all that were asked, each `<name>@<valid from>`."""

    rules: list[str]
    taken: list[TakenStep]


def limits_of(events: Sequence[Logged]) -> LimitsStep | None:
    """None of payments that kept nothing of it."""
    created = next((e.event for e in events if isinstance(e.event, ev.PaymentCreated)), None)
    if created is None or created.limits is None:
        return None
    return LimitsStep(
        rules=list(created.limit_rules),
        taken=[
            TakenStep(
                rule=each.rule,
                window_start=each.window_start,
                amount=each.amount,
                cap=each.cap,
                source=each.source,
            )
            for each in created.limits
        ],
    )
