"""Every behaviour of the banks, times every operation: the final state each must reach.

One service and one sandbox serve all cells; each cell has a merchant of its own, so that its
money and its effects can be told from the others'. `verify-books` follows each group.
"""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from online.operations.verify import verify_books
from online.platform.embedded_postgres import EmbeddedPostgres
from online.sandbox.behaviour import BEHAVIOURS
from tests.databases import as_role, fresh_database
from tests.gateways import Gateway
from tests.integration.fault_world import Seen, World, world_on

# What the operation's attempt comes to; `late`: it had ended as failed, and was approved after all.
ATTEMPTS = {
    "approve": "succeeded",
    "decline": "declined",
    "insufficient_funds": "declined",
    "technical_decline": "failed",
    "pending_then_success": "succeeded",
    "pending_then_decline": "declined",
    "timeout_then_success": "succeeded",
    "timeout_then_decline": "declined",
    "success_then_timeout": "succeeded",
    "decline_then_timeout": "declined",
    "lost": "failed",
    "late_success_after_failure": "late",
    "callback_duplicate": "succeeded",
    "callback_out_of_order": "succeeded",
    "callback_lost": "succeeded",
    "enquiry_fails": "succeeded",
    "debit_without_credit": "succeeded",
    "debit_returned": "failed",
    "connection_reset": "succeeded",
    "bad_answer": "succeeded",
    "slow": "succeeded",
    "deemed": "succeeded",  # somebody decides it
}
# Operation → what the attempt came to → all that must be true then.
_PAID = {
    "succeeded": Seen("succeeded", "captured", "", 1, 1, 1),
    "declined": Seen("declined", "failed", "", 0, 0, 0),
    "failed": Seen("failed", "failed", "", 0, 0, 0),
    # The second route fails the same way; both are given back, each where it was taken.
    "late": Seen("succeeded", "failed", "", 2, 0, 0),
}
_HELD = {
    "succeeded": Seen("succeeded", "authorized", "", 1, 0, 0),
    "declined": Seen("declined", "failed", "", 0, 0, 0),
    "failed": Seen("failed", "failed", "", 0, 0, 0),
    "late": Seen("succeeded", "failed", "", 2, 0, 0),
}
STATES: Mapping[str, Mapping[str, Seen]] = {
    "authorize_upi": _PAID,
    "authorize_card": _PAID,
    "authorize_upi_manual": _HELD,
    "authorize_card_manual": _HELD,
    "capture": {
        "succeeded": Seen("succeeded", "captured", "", 1, 1, 1),
        "declined": Seen("declined", "authorized", "", 0, 0, 0),
        "failed": Seen("failed", "authorized", "", 0, 0, 0),
        "late": Seen("succeeded", "captured", "", 1, 1, 1),
    },
    "void": {
        "succeeded": Seen("succeeded", "canceled", "", 1, 0, 0),
        "declined": Seen("declined", "authorized", "", 0, 0, 0),
        "failed": Seen("failed", "authorized", "", 0, 0, 0),
        "late": Seen("succeeded", "canceled", "", 1, 0, 0),
    },
    "release": {
        "succeeded": Seen("succeeded", "canceled", "", 1, 0, 0),
        "declined": Seen("declined", "authorized", "", 0, 0, 0),
        "failed": Seen("failed", "authorized", "", 0, 0, 0),
        "late": Seen("succeeded", "canceled", "", 1, 0, 0),
    },
    "extend": {
        "succeeded": Seen("succeeded", "authorized", "", 1, 0, 0),
        "declined": Seen("declined", "authorized", "", 0, 0, 0),
        "failed": Seen("failed", "authorized", "", 0, 0, 0),
        "late": Seen("succeeded", "authorized", "", 1, 0, 0),
    },
    "reverse": {
        "succeeded": Seen("succeeded", "reversed", "", 1, 0, 0),
        "declined": Seen("declined", "captured", "", 0, 1, 1),
        "failed": Seen("failed", "captured", "", 0, 1, 1),
        "late": Seen("succeeded", "reversed", "", 1, 0, 0),
    },
    "refund": {
        "succeeded": Seen("succeeded", "refunded", "succeeded", 1, 0, 0),
        "declined": Seen("declined", "captured", "failed", 0, 1, 1),
        "failed": Seen("failed", "captured", "failed", 0, 1, 1),
        "late": Seen("succeeded", "refunded", "succeeded", 1, 0, 0),
    },
    "payout": {
        "succeeded": Seen("succeeded", "captured", "paid", 1, 0, 0),
        "declined": Seen("declined", "captured", "payout_failed", 0, 1, 1),
        "failed": Seen("failed", "captured", "payout_failed", 0, 1, 1),
        "late": Seen("succeeded", "captured", "paid", 1, 0, 0),
    },
}
# A payment by UPI that is deemed approved is told as a success, and what only holds money is not.
DEEMED: Mapping[tuple[str, str], Seen] = {
    ("debit_returned", "authorize_upi"): Seen("declined", "reversed", "", 0, 0, 0),
    ("debit_returned", "authorize_upi_manual"): _HELD["declined"],
}
Cell = tuple[str, str]  # behaviour, operation
# All of them occur: every rail offers its operations whole, and UPI may be captured later too.
CELLS = [(behaviour, operation) for operation in STATES for behaviour in BEHAVIOURS]
GROUPS = {
    "authorizations": [name for name in STATES if name.startswith("authorize")],
    "afterwards": ["capture", "void", "reverse", "refund"],
    "holds": ["release", "extend"],
    "payouts": ["payout"],
}
_AT_ONCE = 16


class Matrix:
    """What was seen in each cell, and whether the books held after each group."""

    def __init__(self) -> None:
        self.seen: dict[Cell, Seen | str] = {}
        self.enquiries: dict[Cell, int] = {}
        self.books: dict[str, bool] = {}

    async def run(self, world: World, group: str, url: str) -> None:
        """A group's cells, some at once, and then everything to its end."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def begin(cell: Cell) -> Gateway | str:
            async with places:
                try:
                    return await _begin(world, *cell)
                except AssertionError as error:  # shown where the cell is looked at
                    return str(error)

        async def see(cell: Cell, merchant: Gateway | str) -> Seen | str:
            async with places:
                if isinstance(merchant, str):
                    return merchant
                operation = cell[1].split("_")[0]
                self.enquiries[cell] = await world.enquiries(merchant, operation)
                return await world.see(merchant, operation)

        cells = [cell for cell in CELLS if cell[1] in GROUPS[group]]
        merchants = await asyncio.gather(*(begin(cell) for cell in cells))
        if group == "payouts":
            await world.pay_out([each for each in merchants if isinstance(each, Gateway)])
        await world.settle_everything()
        seen = await asyncio.gather(*map(see, cells, merchants))
        self.seen |= dict(zip(cells, seen, strict=True))
        self.books[group] = (await verify_books(url)).holds


async def _begin(world: World, name: str, operation: str) -> Gateway:
    if not operation.startswith("authorize"):
        begin: Gateway = await getattr(world, operation)(name)
        return begin
    _, by, *manual = operation.split("_")
    return await world.authorize(name, by=by, capture="manual" if manual else "automatic")


@pytest.fixture(scope="module")
def matrix(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    data: Path = tmp_path_factory.mktemp("matrix")

    async def run(url: str) -> Matrix:
        made = Matrix()
        async with world_on(as_role(postgres, url, "khata_app"), data) as world:
            for group in GROUPS:
                await made.run(world, group, as_role(postgres, url, "khata_app"))
        return made

    with fresh_database(postgres, template) as url:
        yield asyncio.run(run(url))


@pytest.mark.parametrize(("behaviour", "operation"), CELLS)
def test_cell(matrix: Matrix, behaviour: str, operation: str) -> None:
    usual = STATES[operation][ATTEMPTS[behaviour]]
    expected = DEEMED.get((behaviour, operation), usual)
    assert matrix.seen[behaviour, operation] == expected


# Told by the bank itself, nobody has to ask; where it says nothing, somebody must.
@pytest.mark.parametrize("operation", STATES)
def test_who_is_told_does_not_ask(matrix: Matrix, operation: str) -> None:
    asked = {name: matrix.enquiries[name, operation] for name in BEHAVIOURS}
    told = (
        *("pending_then_success", "timeout_then_success"),
        *("debit_without_credit", "debit_returned", "deemed"),
    )
    for name in ("approve", "slow", *told, "callback_duplicate", "callback_out_of_order"):
        assert asked[name] == 0, name
    for name in ("callback_lost", "success_then_timeout", "connection_reset", "bad_answer"):
        assert asked[name] == 1, name
    assert asked["enquiry_fails"] == 3


@pytest.mark.parametrize("group", GROUPS)
def test_the_books_hold_after(matrix: Matrix, group: str) -> None:
    assert matrix.books[group]


def test_every_behaviour_has_its_end() -> None:
    assert set(ATTEMPTS) == set(BEHAVIOURS)
    assert {operation for group in GROUPS.values() for operation in group} == set(STATES)
