"""What goes back in the demo's day: payments undone before they are settled, payments disputed.

Belongs here: which ones, and playing merchant, payer and the payer's bank through public doors.
Does not: the ordinary day (`demo_traffic`), or judging what came of it (`demo_report`).
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from pipelines.demo_traffic import Day, Order, Taken, TrafficFailed

# The sandbox's own card whose payments are disputed a moment after they are captured.
DISPUTED_CARD: Final = "4000000000000259"
# What the payers' banks decide, dispute by dispute; one stays open.
_VERDICTS: Final = ("lost", "won", None)
_REVERSED: Final = 3
_POLL_S: Final = 0.25
_PATIENCE_S: Final = 60


def with_disputed_cards(orders: Sequence[Order]) -> list[Order]:
    """The same orders, a few of them by a card whose owner will want the money back."""
    places = [place for place, order in enumerate(orders) if order.pan and _is_plain(order)]
    chosen = set(places[: len(_VERDICTS)])
    return [
        msgspec.structs.replace(order, pan=DISPUTED_CARD) if place in chosen else order
        for place, order in enumerate(orders)
    ]


async def go_back(day: Day, taken: Sequence[Taken], *, name: str) -> None:
    """Some merchants undo a payment at once; some payers ask their banks for their money."""
    captured = [each for each in taken if each.payment["status"] == "captured"]
    undone = [each for each in captured if _is_plain(each.order) and not _is_disputed(each)]
    disputed = [each for each in captured if _is_disputed(each)]
    async with asyncio.TaskGroup() as group:
        for each in undone[:_REVERSED]:
            group.create_task(_reverse(each, key=f"{name}-{each.number:06d}-undo"))
        for each, verdict in zip(disputed, _VERDICTS, strict=False):
            group.create_task(_dispute(day, each, verdict))
    await day.settle_down(undone[:_REVERSED])


def _is_plain(order: Order) -> bool:
    return (order.outcome, order.capture, order.refund_minor) == ("approved", "automatic", 0)


def _is_disputed(taken: Taken) -> bool:
    return taken.order.pan == DISPUTED_CARD


async def _reverse(taken: Taken, *, key: str) -> None:
    await taken.till.expect("POST", f"/payments/{taken.payment_id}/reverse", {}, key=key)


async def _dispute(day: Day, taken: Taken, verdict: str | None) -> None:
    """The merchant hears of it; later, for most, what became of it."""
    dispute = await _heard_of(taken, "needs_response")
    if verdict is not None:
        await day.ask_bank(f"/admin/disputes/{dispute['rail_reference']}/{verdict}")
        dispute = await _heard_of(taken, verdict)
    taken.dispute = dispute["status"]


async def _heard_of(taken: Taken, status: str) -> dict[str, Any]:
    waited = 0.0
    while waited < _PATIENCE_S:
        found = await taken.till.expect("GET", f"/disputes?payment={taken.payment_id}")
        if found["data"] and found["data"][0]["status"] == status:
            dispute: dict[str, Any] = found["data"][0]
            return dispute
        await asyncio.sleep(_POLL_S)
        waited += _POLL_S
    raise TrafficFailed(f"{taken.payment_id} was disputed, and nobody heard that it is {status}")
