"""A wallet's states. Pure: events in, rows out.

What it holds is in the books alone, under `customer:<c>:lite`.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status


class Status(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.WalletOpened): S.OPEN,
    (S.OPEN, ev.WalletClosed): S.CLOSED,
    (S.CLOSED, ev.WalletReopened): S.OPEN,
    (S.CLOSED, ev.WalletSweepDue): S.CLOSED,
    (S.CLOSED, ev.WalletSwept): S.CLOSED,
}


class Wallet(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `wallets`."""

    id: UUID
    customer_id: UUID
    merchant_id: UUID
    kind: str  # lite | ppi
    status: Status
    currency: str
    sweep_at: datetime | None = None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        return self.status is S.OPEN

    @property
    def subject(self) -> str:
        """Whose counters these are: its guard, and what is paid from it and loaded into it."""
        return f"wallet:{self.id}"


def apply(state: Wallet | None, occurred: Occurred) -> Wallet:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.WalletOpened):
        return Wallet(
            id=occurred.aggregate_id,
            customer_id=ids.decode("cus", event.customer_id),
            merchant_id=occurred.merchant_id,
            kind=event.kind,
            status=status,
            currency=event.currency,
            version=occurred.version,
            livemode=occurred.livemode,
            created_at=occurred.at,
            updated_at=occurred.at,
        )
    assert state is not None
    return msgspec.structs.replace(
        state,
        status=status,
        version=occurred.version,
        updated_at=occurred.at,
        kind=event.kind if isinstance(event, ev.WalletReopened) else state.kind,
        sweep_at=_sweep_at(event),
    )


def _sweep_at(event: Event) -> datetime | None:
    match event:
        case ev.WalletSweepDue():
            return event.at
        case ev.WalletSwept():
            return event.again_at
        case _:
            return None
