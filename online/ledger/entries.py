"""Accounts and their entries as they are read: lists, and balances along both times.

Reading only. A page and its balances come from one snapshot of the database. Entries go by
business date, then by the instant they took effect, as a statement has them; what has been
written never moves, so that a cursor holds while new entries arrive.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

import msgspec

from online.kernel.errors import InvalidRequest
from online.ledger.cut import BookAccount, Cut, Entry, Page, account_id, running
from online.ledger.journal import Layer
from online.platform.lists import Window, cut
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.ledger", "entries.sql")

_NO_PLACE: Final = {
    "after_day": None,
    "after_instant": None,
    "after_account": None,
    "after_version": None,
}


class Name(msgspec.Struct, frozen=True):
    """What tells one account from another."""

    code: str
    currency: str
    livemode: bool


class _Outside(msgspec.Struct, frozen=True):
    account_id: UUID
    layer: Layer
    amount_minor: int


class _Place(msgspec.Struct, frozen=True):
    business_date: date
    effective_at: datetime
    account_id: UUID
    account_version: int


async def accounts(
    connection: Connection,
    *,
    merchant_id: UUID | None,
    livemode: bool | None,
    after: Name | None,
    most: int | None,
) -> list[BookAccount]:
    """Accounts by code, behind `after`; None for a merchant, a mode or `most` is all of them."""
    return await QUERIES.all(
        connection,
        "accounts",
        BookAccount,
        merchant_id=merchant_id,
        livemode=livemode,
        after_code=after.code if after else "",
        after_currency=after.currency if after else "",
        after_livemode=after.livemode if after else False,
        most=most,
    )


async def account(connection: Connection, id_: UUID) -> BookAccount | None:
    """By its id; that of any of its stripes will do."""
    name = await QUERIES.one_or_none(connection, "named", Name, id=id_)
    if name is None:  # perhaps its first stripe was never opened
        striped = await QUERIES.all(connection, "striped", Name)
        same = [n for n in striped if account_id(n.code, n.currency, livemode=n.livemode) == id_]
        name = same[0] if same else None
    if name is None:
        return None
    fields = msgspec.structs.asdict(name)
    return await QUERIES.one_or_none(connection, "account", BookAccount, **fields)


async def at(connection: Connection, found: Sequence[BookAccount], by: Cut) -> list[BookAccount]:
    """The same accounts with their balances as the cut has them.

    What the cut leaves out is taken from the balances of now, so that a recent one costs little.
    Read `found` in the same snapshot.
    """
    if not by:
        return list(found)
    parts = [part for each in found for part in each.parts]
    rows = await QUERIES.all(connection, "outside", _Outside, accounts=parts, **_bounds(by))
    outside = {(row.account_id, row.layer): row.amount_minor for row in rows}

    def left(each: BookAccount, layer: Layer) -> int:
        return each.balance(layer) - sum(outside.get((part, layer), 0) for part in each.parts)

    return [
        msgspec.structs.replace(
            each, posted_minor=left(each, "posted"), pending_minor=left(each, "pending")
        )
        for each in found
    ]


async def page(
    connection: Connection, of: BookAccount, layer: Layer, by: Cut, asked: Window
) -> Page:
    """One page of an account. `asked.after` is an entry of the same account."""
    (closed,) = await at(connection, [of], by)
    closing = newest = closed.balance(layer)
    where = {"accounts": of.parts, "layer": layer, **_bounds(by)}
    place: dict[str, object] = dict(_NO_PLACE)
    if asked.after is not None:
        place = await _place(connection, of, asked.after)
        newest -= await QUERIES.scalar(connection, "from_place", **where, **place)
    rows = await QUERIES.all(connection, "page", Entry, **where, **place, most=asked.most)
    shown, more = cut(rows, asked)
    balances, opening = running(shown, newest)
    return Page(
        account=closed,
        entries=shown,
        balances=balances,
        opening_minor=opening,
        closing_minor=closing,
        has_more=more,
    )


async def _place(connection: Connection, of: BookAccount, entry_id: UUID) -> dict[str, object]:
    found = await QUERIES.one_or_none(connection, "place", _Place, id=entry_id, accounts=of.parts)
    if found is None:
        raise InvalidRequest("is not an entry of this account", "starting_after")
    return {
        "after_day": found.business_date,
        "after_instant": found.effective_at,
        "after_account": found.account_id,
        "after_version": found.account_version,
    }


def _bounds(by: Cut) -> dict[str, date | datetime | None]:
    return {"day": by.day, "effective": by.effective, "known": by.known}
