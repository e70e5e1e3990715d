"""Many changes at once come to the same as one after the other."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from online.kernel.errors import InsufficientFunds, KhataError, LimitExceeded
from online.ledger.accounts import Account
from online.ledger.change import Change, LimitMove
from online.ledger.journal import Journal, credit, debit
from online.ledger.writer import AlreadyPosted, Writer
from online.platform.db import Database
from online.platform.idempotency import IdempotencyKey, KeyTaken
from tests.builders import AT, MERCHANT, uid
from tests.databases import as_role, fresh_database

CAP = 900


@dataclass(frozen=True)
class Transfer:
    """Moves `amount` between two accounts, perhaps under a cause, key or limit that others use."""

    from_: int
    to: int
    amount: int
    cause: int | None
    key: int | None
    limit: int | None
    pending: bool
    forced: bool


@dataclass
class World:
    """Accounts of one run; the last may fall below zero, the others not, one is capped above."""

    run: str
    balances: Counter[tuple[int, bool]] = field(default_factory=Counter)
    causes: set[int] = field(default_factory=set)
    keys: set[int] = field(default_factory=set)
    used: Counter[int] = field(default_factory=Counter)

    def account(self, n: int) -> Account:
        floor, ceiling = (None, None) if n == 3 else (0, 700 if n == 2 else None)
        return Account(f"{self.run}:{n}", "C", floor=floor, ceiling=ceiling)

    def change(self, number: int, transfer: Transfer) -> Change:
        cause = f"c{transfer.cause}" if transfer.cause is not None else f"own{number}"
        layer = "pending" if transfer.pending else "posted"
        journal = Journal(
            cause=uid(self.run, cause),
            kind="transfer",
            currency="INR",
            postings=(
                debit(self.account(transfer.from_), transfer.amount, layer),
                credit(self.account(transfer.to), transfer.amount, layer),
            ),
            business_date=AT.date(),
            effective_at=AT,
            livemode=False,
            forced=transfer.forced,
        )
        limits, reserve = (), None
        if transfer.limit is not None:
            limits = (
                LimitMove(
                    subject=f"{self.run}:{transfer.limit}",
                    rule="amount",
                    window_start=AT.date(),
                    delta=transfer.amount,
                    cap=CAP,
                    livemode=False,
                ),
            )
        if transfer.key is not None:
            reserve = IdempotencyKey(
                merchant_id=MERCHANT,
                key=f"{self.run}:{transfer.key}",
                request_hash=b"",
                created_at=AT,
                livemode=False,
            )
        return Change(journals=(journal,), limits=limits, reserve=reserve)

    def take(self, transfer: Transfer) -> type[KhataError] | None:
        """The refusal of this transfer now, or None and it is done."""
        if transfer.key in self.keys:
            return KeyTaken
        if transfer.limit is not None and self.used[transfer.limit] + transfer.amount > CAP:
            return LimitExceeded
        moves = transfer.from_ != transfer.to and not transfer.forced
        if moves and not self._affordable(transfer):
            return InsufficientFunds
        if transfer.cause in self.causes:
            return AlreadyPosted
        self.note(transfer)
        return None

    def note(self, transfer: Transfer) -> None:
        self.balances[transfer.from_, transfer.pending] -= transfer.amount
        self.balances[transfer.to, transfer.pending] += transfer.amount
        self.keys |= {transfer.key} - {None}
        self.causes |= {transfer.cause} - {None}
        if transfer.limit is not None:
            self.used[transfer.limit] += transfer.amount

    def _affordable(self, transfer: Transfer) -> bool:
        """Nobody goes past a floor or a ceiling, nor further past it where force took them."""

        def reach(n: int, amount: int) -> tuple[int, int]:
            posted, pending = self.balances[n, False], self.balances[n, True]
            now = posted + (0 if transfer.pending else amount)
            return now, posted + pending + amount

        payer, payee = transfer.from_, transfer.to
        floor, ceiling = self.account(payer).floor, self.account(payee).ceiling
        enough = floor is None or min(reach(payer, -transfer.amount)) >= min(
            floor, *reach(payer, 0)
        )
        room = ceiling is None or max(reach(payee, transfer.amount)) <= max(
            ceiling, *reach(payee, 0)
        )
        return enough and room

    def beyond(self) -> dict[str, int]:
        """How far each account stands past its floor or ceiling, where it does."""
        found = {}
        for n in range(3):
            posted, pending = self.balances[n, False], self.balances[n, True]
            ceiling = self.account(n).ceiling
            below = -min(posted, posted + pending)
            above = max(posted, posted + pending) - ceiling if ceiling is not None else 0
            found[f"{self.run}:{n}"] = max(0, below, above)
        return {code: amount for code, amount in found.items() if amount}

    def standing(self) -> dict[tuple[str, bool], int]:
        return {
            (f"{self.run}:{n}", p): amount for (n, p), amount in self.balances.items() if amount
        }


def maybe(most: int):
    return st.none() | st.none() | st.integers(0, most)


TRANSFERS = st.lists(
    st.builds(
        Transfer,
        from_=st.sampled_from([0, 1, 2, 3, 3, 3]),
        to=st.integers(0, 3),
        amount=st.integers(1, 400),
        cause=maybe(4),
        key=maybe(4),
        limit=maybe(1),
        pending=st.booleans(),
        forced=st.integers(0, 7).map(lambda n: n == 7),
    ),
    min_size=2,
    max_size=60,
)


@pytest.fixture(scope="module")
def urls(postgres, template):
    with fresh_database(postgres, template) as owner:
        yield owner, as_role(postgres, owner, "khata_app")


def found(owner: str, run: str) -> dict[tuple[str, bool], int]:
    with psycopg.connect(owner) as connection:
        rows = connection.execute(
            "select code, posted, pending from ledger_accounts where code like %s", [f"{run}:%"]
        ).fetchall()
    balances = {(code, False): posted for code, posted, _ in rows}
    balances |= {(code, True): pending for code, _, pending in rows}
    return {key: amount for key, amount in balances.items() if amount}


def forced(owner: str, run: str) -> dict[str, int]:
    with psycopg.connect(owner) as connection:
        return dict(
            connection.execute(
                "select code, forced from ledger_accounts where code like %s and forced > 0",
                [f"{run}:%"],
            ).fetchall()
        )


def used(owner: str, run: str) -> dict[int, int]:
    with psycopg.connect(owner) as connection:
        rows = connection.execute(
            "select subject, used from limit_counters where subject like %s and used > 0",
            [f"{run}:%"],
        ).fetchall()
    return {int(subject.rpartition(":")[2]): amount for subject, amount in rows}


async def submitted(url: str, changes: list[Change], *, writers: int) -> list[KhataError | None]:
    """All changes wait before any writer looks: one batch, or a race of several."""
    made = [Writer(Database(url), tasks=1) for _ in range(writers)]
    waiting = [
        asyncio.create_task(made[n % writers].submit_all([change]))
        for n, change in enumerate(changes)
    ]
    for _ in range(3):  # until every submit has reached its writer
        await asyncio.sleep(0)
    await asyncio.gather(*(writer.start() for writer in made))
    answers = [answer for (answer,) in await asyncio.gather(*waiting)]
    await asyncio.gather(*(writer.stop() for writer in made))
    return answers


_runs = iter(range(10**9))
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@SETTINGS
@given(TRANSFERS)
def test_a_batch_is_as_if_its_changes_came_one_by_one(urls, transfers):
    owner, app = urls
    world = World(f"batch{next(_runs)}")
    changes = [world.change(n, transfer) for n, transfer in enumerate(transfers)]
    answers = asyncio.run(submitted(app, changes, writers=1))
    expected = [world.take(transfer) for transfer in transfers]
    assert [type(answer) if answer else None for answer in answers] == expected
    assert found(owner, world.run) == world.standing()
    assert used(owner, world.run) == +world.used
    assert forced(owner, world.run) == world.beyond()


@SETTINGS
@given(TRANSFERS)
def test_writers_who_race_agree_on_what_was_done(urls, transfers):
    owner, app = urls
    world = World(f"race{next(_runs)}")
    changes = [world.change(n, transfer) for n, transfer in enumerate(transfers)]
    answers = asyncio.run(submitted(app, changes, writers=3))
    done = [transfer for transfer, no in zip(transfers, answers, strict=True) if no is None]
    for transfer in done:
        world.note(transfer)
    assert found(owner, world.run) == world.standing()
    assert used(owner, world.run) == +world.used
    assert forced(owner, world.run) == world.beyond()
    for name in ("cause", "key"):
        times = Counter(getattr(transfer, name) for transfer in done)
        del times[None]
        assert all(n == 1 for n in times.values()), f"a {name} was taken twice"
    assert all(amount <= CAP for amount in world.used.values())
    refusals = {type(answer) for answer in answers} - {type(None)}
    assert refusals <= {KeyTaken, LimitExceeded, InsufficientFunds, AlreadyPosted}
    if not any(transfer.forced for transfer in done):
        assert world.beyond() == {}
