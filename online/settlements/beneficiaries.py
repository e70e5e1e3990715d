"""Where merchants are paid to: their bank accounts, version by version.

A new account is paid into only after a while, so that whoever took over a merchant's access cannot
take its money too; until then payouts go to the one before. The first is used at once.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from online.kernel.errors import NotFound
from online.merchants.domain import Merchant
from online.platform.sql import Connection
from online.rails.domain import Beneficiary
from online.settlements.store import QUERIES

_SANDBOX_IFSC: Final = "HDFC0000001"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's bank account as it was named."""

    merchant_id: UUID
    version: int
    account: str
    ifsc: str
    name: str
    usable_from: datetime
    created_at: datetime

    @property
    def masked(self) -> str:
        return "X" * (len(self.account) - 4) + self.account[-4:]


async def usable(
    connection: Connection, merchants: Collection[Merchant], now: datetime
) -> Mapping[UUID, Beneficiary]:
    """Whom to pay for each merchant. Without an account in the sandbox: one made from its id."""
    rows = await QUERIES.all(
        connection, "beneficiaries", Account, merchants=[each.id for each in merchants], now=now
    )
    named = {
        row.merchant_id: Beneficiary(account=row.account, ifsc=row.ifsc, name=row.name)
        for row in rows
    }
    made_up = {each.id: _sandbox(each) for each in merchants if not each.livemode}
    return made_up | named


async def latest(connection: Connection, merchant_id: UUID) -> Account:
    found = await QUERIES.one_or_none(connection, "beneficiary", Account, merchant_id=merchant_id)
    if found is None:
        raise NotFound("this merchant has no bank account on file")
    return found


async def change(
    tx: Connection,
    merchant: Merchant,
    to: Beneficiary,
    *,
    actor: str,
    now: datetime,
    cooling: timedelta,
) -> Account:
    """The account from now on, or after the cooling when there was one; the same again is none."""
    await QUERIES.execute(tx, "lock_beneficiaries", merchant_id=merchant.id)
    last = await QUERIES.one_or_none(tx, "beneficiary", Account, merchant_id=merchant.id)
    if last is not None and (last.account, last.ifsc, last.name) == (to.account, to.ifsc, to.name):
        return last
    account = Account(
        merchant_id=merchant.id,
        version=last.version + 1 if last else 1,
        account=to.account,
        ifsc=to.ifsc,
        name=to.name,
        usable_from=now + cooling if last else now,
        created_at=now,
    )
    row = msgspec.structs.asdict(account)
    row["holder"] = row.pop("name")  # `name` is how a query is called
    await QUERIES.execute(tx, "insert_beneficiary", **row, actor=actor, livemode=merchant.livemode)
    return account


def _sandbox(merchant: Merchant) -> Beneficiary:
    digits = f"{merchant.id.int % 10**14:014d}"
    name = "".join(filter(str.isprintable, merchant.name))[:100]
    return Beneficiary(account=digits, ifsc=_SANDBOX_IFSC, name=name or digits)
