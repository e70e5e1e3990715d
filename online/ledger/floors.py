"""Moving floor and ceiling of an account: a rule about its balance changes, not the balance."""

from typing import Final

from online.ledger.accounts import Account
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.ledger", "floors.sql")


async def move_bounds(
    connection: Connection, account: Account, currency: str, *, livemode: bool
) -> None:
    """Gives the account the floor and ceiling that `account` names, in the caller's transaction."""
    assert not account.striped, "a striped account has neither"
    await QUERIES.execute(
        connection,
        "move_bounds",
        id=account.id(currency, livemode, 0),
        code=account.code,
        currency=currency,
        side=account.side,
        floor=account.floor,
        ceiling=account.ceiling,
        merchant_id=account.merchant_id,
        livemode=livemode,
    )
