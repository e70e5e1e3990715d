"""What a top-up is asked to be, and how its caller is answered."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from online.platform.idempotency import Answer, IdempotencyKey
from online.wallets.top_up import TopUp


class TopUpOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Money to load. Amount in minor units; `flow` is how the payer's bank is asked."""

    customer_id: UUID
    merchant_id: UUID
    amount_minor: int
    flow: str  # intent | qr
    vpa: str | None

    def __repr__(self) -> str:
        return f"TopUpOrder({self.customer_id})"


class TopUpCall(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP call behind a top-up: its idempotency key, and how its answer is written."""

    key: IdempotencyKey
    render: Callable[[TopUp], Answer]
