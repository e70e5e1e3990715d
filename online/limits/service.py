"""Limits: the public face of the slice. Whoever takes money asks `decide` and hands the moves to
the writer with the change that takes it.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from online.devices.domain import DeviceClosed, subject_of
from online.devices.trust import Named
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import NotFound
from online.ledger.change import LimitMove, guard
from online.ledger.counters import standing
from online.limits.domain import (
    Category,
    Decided,
    DeviceState,
    Kind,
    Kyc,
    LimitFacts,
    Method,
    Rule,
    Rules,
    UserType,
    moves_of,
)
from online.platform.db import Database
from online.platform.ttl_cache import TtlCache

_TTL_S: Final = 5
_NOT_LINKED: Final = ("absent", "unlinked")


class User(msgspec.Struct, frozen=True, kw_only=True):
    """What limits know of a customer; of one without a UPI type, nothing."""

    user_type: UserType = "untyped"
    kyc: Kyc = "none"
    since: datetime | None = None


NOBODY: Final = User()


class Directory(Protocol):
    """The merchant's customers by id (`customers` fulfils it)."""

    async def by_ids(
        self, customer_ids: Collection[UUID], merchant_id: UUID
    ) -> dict[UUID, Any]: ...


class Devices(Protocol):
    """What is known of a device by the name that a payment gives it (`devices` fulfils it)."""

    async def named(
        self, name: str, customer_id: str | None, merchant_id: UUID, *, livemode: bool
    ) -> Named | None: ...


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """Money that somebody wants to move. `subject` is whose counters count; `customer_id` that
    user, `merchant_id` whose customer they are; `mcc` and `verified` are the payee's.

    The device comes as risk has read it, or, where risk could not in its time, by its name:
    `unread_device`. What limits it must not depend on how busy we are."""

    kind: Kind
    subject: str
    merchant_id: UUID
    amount_minor: int
    at: datetime
    livemode: bool
    method: Method = "upi"
    customer_id: UUID | None = None
    mcc: str | None = None
    purpose: str | None = None
    verified: bool = False
    device: DeviceState = "absent"
    device_id: str | None = None  # of a linked one, its TypeID
    trust: int = 0
    unread_device: str | None = None
    factor: bool = True


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of a customer and where it stands; `window` is None of a limit on one payment."""

    rule: Rule
    name: str
    cap: int
    used: int = 0
    window: LimitMove | None = None

    @property
    def headroom(self) -> int:
        return max(0, self.cap - self.used)


class Limits:
    """Decides by the rules of the day."""

    def __init__(
        self, rules: Rules, directory: Directory, devices: Devices, database: Database
    ) -> None:
        self.rules: Final = rules
        self._directory = directory
        self._devices = devices
        self._database = database
        # Most customers of merchants are no users of an app: of them nothing is read again.
        self._untyped: TtlCache[tuple[UUID, UUID], User] = TtlCache(ttl_s=_TTL_S)

    async def decide(self, spend: Spend) -> Decided:
        """Raises `LimitExceeded` (of one payment), `FactorRequired`, or `NotFound` for a customer
        who is not the merchant's; the caps of windows are the writer's to refuse."""
        user = await self.user(spend.customer_id, spend.merchant_id)
        if spend.unread_device is not None:
            spend = await self._reading(spend, spend.unread_device)
        decided = self.rules.decide(facts_of(spend, user))
        if spend.device_id is None or spend.device in _NOT_LINKED:
            return decided
        subject = subject_of(ids.decode("dev", spend.device_id))
        return Decided(
            (*decided.moves, guard(subject, spend.livemode, DeviceClosed)), decided.rules
        )

    async def _reading(self, spend: Spend, name: str) -> Spend:
        customer = ids.encode("cus", spend.customer_id) if spend.customer_id else None
        found = await self._devices.named(
            name, customer, spend.merchant_id, livemode=spend.livemode
        )
        if found is None:
            return spend
        return msgspec.structs.replace(
            spend,
            device=found.trust.state.value,
            device_id=found.reference,
            trust=found.trust.score,
        )

    async def standing(self, spend: Spend) -> tuple[User, list[Standing], bool]:
        """Where everything stands that would limit such a payment, and whether it has to have
        another factor. The amount of `spend` is of no matter."""
        user = await self.user(spend.customer_id, spend.merchant_id)
        facts = facts_of(spend, user)
        rules = self.rules.applying(facts)
        found = [
            Standing(rule=rule, name=f"{rule.id}.per_payment", cap=rule.per_payment_minor)
            for rule in rules
            if rule.per_payment_minor is not None
        ]
        moves = [(rule, move) for rule in rules for move in moves_of(rule, facts)]
        async with self._database.connection() as connection:
            used = await standing(connection, [move for _, move in moves])
        found += [
            Standing(
                rule=rule,
                name=move.rule,
                cap=move.cap,
                used=used.get((move.subject, move.rule, move.window_start), 0),
                window=move,
            )
            for rule, move in moves
        ]
        return user, found, any(rule.factor for rule in rules)

    async def user(self, customer_id: UUID | None, merchant_id: UUID) -> User:
        if customer_id is None:
            return NOBODY
        key = (merchant_id, customer_id)
        known = self._untyped.get(key)
        if known is not None:
            return known
        found = (await self._directory.by_ids([customer_id], merchant_id)).get(customer_id)
        if found is None:
            raise NotFound("there is no such customer", "customer_id")
        if found.upi_type is None:
            self._untyped.put(key, NOBODY)
            return NOBODY
        return User(user_type=found.upi_type, kyc=found.kyc_level, since=found.created_at)


def facts_of(spend: Spend, user: User) -> LimitFacts:
    category = Category(
        kind=spend.kind,
        method=spend.method,
        day=business_date(spend.at),
        user_type=user.user_type,
        kyc=user.kyc,
        mcc=spend.mcc,
        purpose=spend.purpose,
        verified=spend.verified,
    )
    return LimitFacts(
        category=category,
        subject=spend.subject,
        amount_minor=spend.amount_minor,
        at=spend.at,
        livemode=spend.livemode,
        since=user.since,
        device=spend.device,
        trust=spend.trust,
        factor=spend.factor,
    )
