"""Wallets and top-ups as they are shown over the wire."""

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from online.kernel import ids
from online.ledger.cut import Page
from online.wallets.service import Standing
from online.wallets.top_up import TopUp


class WalletView(Struct, frozen=True, kw_only=True):
    """Amounts in minor units of `currency`.

    `pending` waits for its rail and counts against the `ceiling`, which a refund alone may pass;
    `returning` is on its way back to where it was loaded from. What is null has no limit.
    """

    id: str
    customer_id: str
    kind: Literal["lite", "ppi"]
    status: Literal["open", "closed"]
    currency: str
    balance: int
    pending: int
    returning: int
    headroom: int
    ceiling: int | None
    per_payment: int | None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, standing: Standing) -> "WalletView":
        wallet, rule = standing.wallet, standing.rule
        return cls(
            id=ids.encode("wal", wallet.id),
            customer_id=ids.encode("cus", wallet.customer_id),
            kind=wallet.kind,  # type: ignore[arg-type]  # the database knows no others
            status=wallet.status.value,
            currency=wallet.currency,
            balance=standing.balance_minor,
            pending=standing.pending_minor,
            returning=standing.returning_minor,
            headroom=standing.headroom_minor,
            ceiling=rule.ceiling_minor if rule else None,
            per_payment=rule.per_payment_minor if rule else None,
            livemode=wallet.livemode,
            created_at=wallet.created_at,
            updated_at=wallet.updated_at,
        )


class TopUpView(Struct, frozen=True, kw_only=True):
    """Amounts in minor units of `currency`. Not `credited`, though it succeeded: it came when the
    wallet was closed or had no room any more, and goes back."""

    id: str
    wallet_id: str
    customer_id: str
    status: str
    amount: int
    currency: str
    purpose: str
    instrument: str
    rail: str
    rail_reference: str | None
    credited: bool
    amount_returning: int
    amount_returned: int
    next_action: dict[str, Any] | None
    last_error: dict[str, Any] | None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, top_up: TopUp) -> "TopUpView":
        return cls(
            id=ids.encode("top", top_up.id),
            wallet_id=ids.encode("wal", top_up.wallet_id),
            customer_id=ids.encode("cus", top_up.customer_id),
            status=top_up.status,
            amount=top_up.amount_minor,
            currency=top_up.currency,
            purpose=top_up.purpose,
            instrument=top_up.instrument_mask,
            rail=top_up.rail,
            rail_reference=top_up.rail_reference,
            credited=top_up.credited,
            amount_returning=top_up.returning_minor + top_up.return_due_minor,
            amount_returned=top_up.returned_minor,
            next_action=top_up.next_action,
            last_error=top_up.last_error,
            livemode=top_up.livemode,
            created_at=top_up.created_at,
            updated_at=top_up.updated_at,
        )


class TopUpList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    has_more: bool
    data: list[TopUpView]


class Movement(Struct, frozen=True, kw_only=True):
    """What moved a wallet's money: in positive, out negative. `reference` is the operation's."""

    id: str
    kind: str
    amount: int
    balance_after: int
    reference: str | None
    at: datetime


class MovementList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    balance: int
    has_more: bool
    data: list[Movement]

    @classmethod
    def of(cls, page: Page) -> "MovementList":
        rows = zip(page.entries, page.balances, strict=True)
        return cls(
            balance=page.closing_minor,
            has_more=page.has_more,
            data=[
                Movement(
                    id=ids.encode("ent", entry.id),
                    kind=entry.kind,
                    amount=entry.amount_minor,
                    balance_after=balance,
                    reference=entry.reference,
                    at=entry.effective_at,
                )
                for entry, balance in rows
            ],
        )
