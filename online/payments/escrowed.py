"""What payments, refunds and disputes ask of escrows, which know them (`escrows` fulfils it)."""

from collections.abc import Sequence
from typing import Literal, Protocol
from uuid import UUID

from msgspec import Struct

from online.kernel.events import Metadata
from online.ledger.accounts import Account
from online.payments.orders import Followed
from online.platform.sql import Connection

Step = Literal["requested", "done", "failed", "found"]
Chargeback = Literal["opened", "won", "lost"]


class RefundStep(Struct, frozen=True, kw_only=True):
    """What happens to a refund out of an escrow: asked for, done, failed, or (found) done after it
    had counted as failed."""

    escrow_id: UUID
    payment_id: UUID
    refund_id: str
    amount_minor: int
    step: Step


class Disputed(Struct, frozen=True, kw_only=True):
    """What happens to a dispute, one step after the other."""

    payment_id: UUID
    dispute_id: str
    amount_minor: int
    steps: Sequence[Chargeback]


class Escrowed(Protocol):
    """What becomes part of the others' commits, with the escrow's version expected."""

    async def has(self, connection: Connection, payment_id: UUID) -> bool:
        """Whether money of that payment is in escrow."""
        ...

    async def refund(
        self, connection: Connection, step: RefundStep, metadata: Metadata
    ) -> tuple[Account | None, Followed]:
        """The account that pays for it (None: the merchant's pending balance), and what moves."""
        ...

    async def chargeback(
        self, connection: Connection, dispute: Disputed, metadata: Metadata
    ) -> Followed:
        """What moves of the escrows with money of the payment; its journals go first."""
        ...
