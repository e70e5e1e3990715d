"""The writer: many callers, few commits; what is acknowledged is there, what is refused is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from online.kernel import events as ev
from online.kernel.errors import (
    Conflict,
    InsufficientFunds,
    InvalidRequest,
    LimitExceeded,
    OverCapture,
    Unavailable,
    VersionConflict,
)
from online.kernel.events import Metadata
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.accounts import Account
from online.ledger.aggregate import Origin
from online.ledger.change import Change, LimitMove, Message, close, guard, reopen
from online.ledger.journal import Journal, credit, debit
from online.ledger.writer import AlreadyPosted, Writer
from online.operations.verify import verify_books
from online.payments.store import PAYMENTS
from online.platform.db import Database
from online.platform.idempotency import IdempotencyAnswer, IdempotencyKey, KeyTaken
from tests.builders import AT, MERCHANT, an, uid

pytestmark = pytest.mark.anyio

BY = Metadata(actor="test")


class Stopped(Conflict):
    """What a guard of these tests refuses with."""


BANK, EQUITY = chart.bank("hdfc"), chart.EQUITY_OPENING


@asynccontextmanager
async def running(url: str, *, tasks: int = 2) -> AsyncIterator[Writer]:
    writer = Writer(Database(url), tasks=tasks)
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[Writer]:
    async with running(database_url) as started:
        yield started


@pytest.fixture
def owner(owner_url: str):
    """Looks from outside, as the owner."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        yield connection


def scalar(owner: psycopg.Connection[Any], sql: str, *parameters: object) -> Any:
    return owner.execute(sql, parameters).fetchone()[0]


def transfer(name: str, amount: int = 1, *, from_: Account = BANK, to: Account = EQUITY, **fields):
    journal = Journal(
        cause=uid(name),
        kind="transfer",
        currency="INR",
        postings=(debit(from_, amount), credit(to, amount)),
        business_date=AT.date(),
        effective_at=AT,
        livemode=False,
        metadata=fields.pop("metadata", {}),
        reference=fields.pop("reference", None),
        forced=fields.pop("forced", False),
    )
    return Change(journals=(journal,), **fields)


def new_payment(name: str, *events: ev.Event):
    origin = Origin(id=uid(name), merchant_id=MERCHANT, livemode=False)
    created = an(ev.PaymentCreated, amount=100, currency="INR", method="card",
                 capture_method="manual")  # fmt: skip
    return PAYMENTS.create(origin, [created, *events], AT, BY)


def change_of(moved, **fields) -> Change:
    return Change(snapshots=(moved.row,), events=moved.events, **fields)


def huge(*names: str) -> tuple[Journal, ...]:
    """Each fits into 64 bits, two of them do not."""
    far = chart.suspense("far")
    return tuple(j for name in names for j in transfer(name, 2**63 - 1, to=far).journals)


def key(name: str, **fields) -> IdempotencyKey:
    return IdempotencyKey(
        merchant_id=MERCHANT,
        key=name,
        request_hash=b"hash",
        created_at=AT,
        livemode=False,
        **fields,
    )


def spends(subject: str, delta: int, cap: int) -> LimitMove:
    return LimitMove(subject=subject, rule="count", window_start=AT.date(), delta=delta, cap=cap,
                     livemode=False)  # fmt: skip


# ── group commit ─────────────────────────────────────────────────────────────────────────


async def handed_over() -> None:
    """Lets `submit_all` start and then each of its submits reach the writer: a turn for each."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_waits_is_committed_together(database_url, owner):
    writer = Writer(Database(database_url), tasks=1)
    waiting = asyncio.ensure_future(writer.submit_all([transfer(f"t{n}") for n in range(300)]))
    await handed_over()
    await writer.start()
    assert await waiting == [None] * 300
    await writer.stop()
    assert scalar(owner, "select count(*) from ledger_transactions") == 300
    assert scalar(owner, "select count(distinct xid) from ledger_transactions") == 1


async def test_a_thousand_callers_need_few_commits(writer, owner):
    async def caller(n: int) -> None:
        await asyncio.sleep(n % 7 / 1_000)
        await writer.submit(transfer(f"t{n}"))

    await asyncio.gather(*map(caller, range(1_000)))
    assert scalar(owner, "select count(*) from ledger_transactions") == 1_000
    assert scalar(owner, "select count(distinct xid) from ledger_transactions") < 100
    assert scalar(owner, "select -posted from ledger_accounts where code = 'bank:hdfc'") == 1_000


async def test_a_caller_is_answered_after_its_commit(writer, owner):
    for n in range(20):
        await writer.submit(transfer(f"t{n}"))
        assert scalar(owner, "select count(*) from ledger_transactions") == n + 1


async def test_a_change_is_written_whole(writer, owner):
    made = new_payment("p", an(ev.PaymentProcessing))
    message = Message(topic="later", payload={"x": 1}, run_at=AT, livemode=False)
    change = change_of(
        made,
        journals=transfer("t", 5).journals,
        limits=(spends("asha", 3, 10),),
        reserve=key("k"),
        outbox=(message,),
    )
    await writer.submit(change)
    await writer.submit(
        Change(answer=IdempotencyAnswer(merchant_id=MERCHANT, key="k", status=201, body=b"{}"))
    )
    assert scalar(owner, "select status from payments") == "processing"
    assert scalar(owner, "select count(*) from payment_events") == 2
    assert scalar(owner, "select count(*) from ledger_entries") == 2
    assert scalar(owner, "select used from limit_counters") == 3
    assert scalar(owner, "select payload from outbox") == {"x": 1}
    stored = owner.execute("select status, body, request_hash from idempotency_keys").fetchone()
    assert stored == (201, b"{}", b"hash")
    assert scalar(owner, "select count(distinct e.xid) from payment_events e"
                         " join ledger_transactions t on t.xid = e.xid") == 1  # fmt: skip


# ── refusals ─────────────────────────────────────────────────────────────────────────────

NOTHING = """select (select count(*) from payment_events) + (select count(*) from payments)
    + (select count(*) from ledger_transactions) + (select count(*) from ledger_entries)
    + (select count(*) from limit_counters) + (select count(*) from idempotency_keys)
    + (select count(*) from outbox) + (select count(*) from ledger_accounts where version > 0)"""
POOR = chart.merchant_pending(MERCHANT)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"journals": transfer("x", 5, from_=POOR).journals}, InsufficientFunds),
        ({"limits": (spends("asha", 11, 10),)}, LimitExceeded),
        ({"limits": (spends("asha", 6, 10), spends("asha", 6, 10))}, LimitExceeded),
        # What Python lets pass, the database refuses.
        ({"journals": (*transfer("x").journals, *transfer("x").journals)}, AlreadyPosted),
        ({"journals": (*transfer("x").journals, *huge("y", "z"))}, InvalidRequest),
    ],
)
async def test_a_refused_change_leaves_nothing(writer, owner, fields, refusal):
    known = {
        "journals": transfer("y").journals,
        "limits": (spends("ravi", 1, 10),),
        "reserve": key("k"),
        "outbox": (Message(topic="later", payload={}, run_at=AT, livemode=False),),
    }
    with pytest.raises(refusal):
        await writer.submit(change_of(new_payment("p"), **known | fields))
    assert scalar(owner, NOTHING) == 0


def bad_changes():
    """By what they fail with: decided in Python, by the database, or on the way to it."""
    over = new_payment(
        "over", an(ev.PaymentProcessing), an(ev.PaymentAuthorized, amount=50),
        an(ev.PaymentCaptureRequested, amount=51),
    )  # fmt: skip
    return {
        "funds": (transfer("bad", 5, from_=POOR), InsufficientFunds),
        "posted before": (transfer("first"), AlreadyPosted),
        "a cap of the database": (change_of(over), OverCapture),
        "a balance of 65 bits": (Change(journals=huge("huge", "more")), InvalidRequest),
        "text that PostgreSQL cannot hold": (transfer("bad", reference="\x00"), Exception),
        "text that is no text": (transfer("bad", reference="\ud800"), Exception),
        "a value of no JSON": (transfer("bad", metadata={"x": object()}), Exception),
    }


@pytest.mark.parametrize("name", bad_changes())
async def test_a_bad_change_in_a_batch_fails_alone(database_url, owner, name):
    bad, refusal = bad_changes()[name]
    good = [transfer(f"good{n}") for n in range(10)]
    writer = Writer(Database(database_url), tasks=1)
    changes = [transfer("first"), *good[:5], bad, *good[5:]]
    waiting = [asyncio.ensure_future(writer.submit(change)) for change in changes]
    await asyncio.sleep(0)  # all of them wait: one batch
    await writer.start()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    failed = answers.pop(6)
    assert isinstance(failed, refusal), failed
    assert answers == [None] * 11
    assert scalar(owner, "select count(*) from ledger_transactions") == 11
    await writer.submit(transfer("after"))
    await writer.stop()


async def test_a_stale_decision_is_refused(writer, owner):
    made = new_payment("p")
    await writer.submit(change_of(made))
    event = [an(ev.PaymentProcessing)]
    first, second = (change_of(PAYMENTS.move(made.state, event, AT, BY)) for _ in range(2))
    answers = await writer.submit_all([first, second])
    assert [type(answer) for answer in answers] == [type(None), VersionConflict]
    with pytest.raises(VersionConflict):
        await writer.submit(second)
    with pytest.raises(VersionConflict):  # it is there already
        await writer.submit(change_of(made))
    unknown = PAYMENTS.move(new_payment("unknown").state, event, AT, BY)
    with pytest.raises(VersionConflict):
        await writer.submit(change_of(unknown))
    assert scalar(owner, "select count(*) from payment_events") == 2


async def test_an_update_writes_every_column_of_a_snapshot(writer, owner_url):
    """The hand-written update names each column; one that it forgets would stay as it was."""
    made = new_payment("p", an(ev.PaymentProcessing))
    await writer.submit(change_of(made))
    asked = an(ev.PaymentCaptureRequested, amount=60)
    got = an(ev.PaymentCaptured, amount=60, fee=3, tax=1, currency="INR", full=True)
    events = [
        an(ev.PaymentUnknown, full=True), an(ev.PaymentRequiresAction),
        an(ev.PaymentAuthorized, amount=100), asked, got,
        an(ev.PaymentRefundRequested, amount=20), an(ev.PaymentPartiallyRefunded, amount=20),
        an(ev.PaymentRefundRequested, amount=7), an(ev.PaymentCaptureRequested, amount=9),
    ]  # fmt: skip
    for event in events:
        made = PAYMENTS.move(made.state, [event], AT, BY)
        await writer.submit(change_of(made))
        report = await verify_books(owner_url)
        assert report.snapshots_equal, event.TYPE


# ── force ────────────────────────────────────────────────────────────────────────────────


def poor(owner) -> tuple[int, int]:
    """What the poor merchant's account holds, and how far force took it below its floor."""
    return owner.execute(
        "select posted, forced from ledger_accounts where code = %s", [POOR.code]
    ).fetchone()


async def test_a_forced_debit_passes_the_floor_and_an_unforced_one_does_not(
    writer, owner, owner_url
):
    await writer.submit(transfer("earned", 10, to=POOR))
    await writer.submit(transfer("disputed", 25, from_=POOR, forced=True))
    assert poor(owner) == (-15, 15)
    for amount in (1, 25):
        with pytest.raises(InsufficientFunds):
            await writer.submit(transfer(f"refund{amount}", amount, from_=POOR))
    await writer.submit(transfer("disputed again", 5, from_=POOR, forced=True))
    assert poor(owner) == (-20, 20)
    await writer.submit(transfer("sale", 12, to=POOR))
    assert poor(owner) == (-8, 8)
    with pytest.raises(InsufficientFunds):
        await writer.submit(transfer("refund", 1, from_=POOR))
    assert (await verify_books(owner_url)).holds
    await writer.submit(transfer("sales", 11, to=POOR))
    assert poor(owner) == (3, 0)
    with pytest.raises(InsufficientFunds):
        await writer.submit(transfer("too much", 4, from_=POOR))
    await writer.submit(transfer("refunded", 3, from_=POOR))
    assert poor(owner) == (0, 0)
    assert (await verify_books(owner_url)).holds


async def test_force_within_one_batch_counts_in_its_order(database_url, owner, owner_url):
    writer = Writer(Database(database_url), tasks=1)
    changes = [
        transfer("sale", 10, to=POOR),
        transfer("refund", 10, from_=POOR),
        transfer("dispute", 7, from_=POOR, forced=True),
        transfer("refused", 1, from_=POOR),
        transfer("another dispute", 2, from_=POOR, forced=True),
        transfer("next sale", 8, to=POOR),
        transfer("refused too", 1, from_=POOR),
    ]
    waiting = asyncio.ensure_future(writer.submit_all(changes))
    await handed_over()
    await writer.start()
    answers = [type(answer) for answer in await waiting]
    no, yes = InsufficientFunds, type(None)
    assert answers == [yes, yes, yes, no, yes, yes, no]
    assert scalar(owner, "select count(distinct xid) from ledger_transactions") == 1
    assert poor(owner) == (-1, 1)
    await writer.stop()
    assert (await verify_books(owner_url)).holds


async def test_below_its_floor_an_account_still_takes_what_does_not_lower_it(writer, owner):
    """A capture releases what was promised and posts it, less the fee: its least grows."""
    await writer.submit(Change(journals=(promise("authorization", 50),)))
    await writer.submit(transfer("dispute", 30, from_=POOR, forced=True))
    assert poor(owner) == (-30, 30)
    legs = (
        *recipes.release_authorization("card_a", POOR, 50),
        *recipes.capture("card_a", POOR, 50, 2, recipes.Tax()),
    )
    await writer.submit(Change(journals=(promise("capture", 50, legs),)))
    assert poor(owner) == (18, 0)


def promise(kind: str, amount: int, legs: recipes.Legs | None = None) -> Journal:
    legs = legs or recipes.authorization("card_a", POOR, amount)
    return Journal(cause=uid("promised"), kind=kind, currency="INR", postings=legs,
                   business_date=AT.date(), effective_at=AT, livemode=False)  # fmt: skip


async def test_force_in_one_change_does_not_cover_what_is_asked_beside_it(writer, owner):
    await writer.submit(transfer("sale", 10, to=POOR))
    forced = transfer("dispute", 10, from_=POOR, forced=True).journals
    asked = transfer("refund", 1, from_=POOR).journals
    with pytest.raises(InsufficientFunds):
        await writer.submit(Change(journals=(*forced, *asked)))
    with pytest.raises(InsufficientFunds):
        await writer.submit(Change(journals=(*asked, *forced)))
    assert poor(owner) == (10, 0)


async def test_a_ceiling_is_passed_by_force_alone(writer, owner, owner_url):
    small = Account("suspense:small", "C", floor=0, ceiling=10)
    await writer.submit(transfer("forced", 14, to=small, forced=True))
    with pytest.raises(InsufficientFunds):
        await writer.submit(transfer("asked", 1, to=small))
    forced = "select forced from ledger_accounts where code = 'suspense:small'"
    assert scalar(owner, forced) == 4
    await writer.submit(transfer("back", 5, from_=small))
    assert scalar(owner, forced) == 0
    assert (await verify_books(owner_url)).holds


# ── once ─────────────────────────────────────────────────────────────────────────────────


async def test_a_key_within_one_batch_is_taken_once(database_url, owner):
    writer = Writer(Database(database_url), tasks=1)
    changes = [transfer(f"t{n}", reserve=key("same", resource_id=uid(f"r{n}"))) for n in range(9)]
    waiting = asyncio.ensure_future(writer.submit_all(changes))
    await handed_over()
    await writer.start()
    first, *others = await waiting
    await writer.stop()
    assert first is None
    for other in others:
        assert isinstance(other, KeyTaken)
        assert other.stored is not None
        assert (other.stored.resource_id, other.stored.status) == (uid("r0"), None)
    assert scalar(owner, "select count(*) from ledger_transactions") == 1


async def test_a_key_across_writers_is_taken_once(database_url, owner):
    async with running(database_url) as one, running(database_url) as other:
        for round_ in range(15):
            answers = await asyncio.gather(
                *(
                    writer.submit(transfer(f"{round_}:{n}", reserve=key(f"k{round_}")))
                    for n, writer in enumerate([one, other] * 4)
                ),
                return_exceptions=True,
            )
            assert answers.count(None) == 1
            assert sum(isinstance(answer, KeyTaken) for answer in answers) == 7
    assert scalar(owner, "select count(*) from ledger_transactions") == 15


async def test_a_known_key_tells_what_was_answered(writer):
    await writer.submit(transfer("t", reserve=key("k", status=201, body=b"first")))
    with pytest.raises(KeyTaken) as taken:
        await writer.submit(transfer("u", reserve=key("k")))
    assert taken.value.stored is not None
    assert (taken.value.stored.status, taken.value.stored.body) == (201, b"first")


async def test_keys_of_two_merchants_are_two_keys(writer, owner):
    other = IdempotencyKey(merchant_id=uid("other"), key="k", request_hash=b"", created_at=AT,
                           livemode=False)  # fmt: skip
    assert await writer.submit_all(
        [transfer("t", reserve=key("k")), transfer("u", reserve=other)]
    ) == [None, None]


async def test_limits_are_exact_when_two_hundred_race(database_url, owner):
    async with running(database_url) as one, running(database_url) as other:
        answers = await asyncio.gather(
            *(
                (one, other)[n % 2].submit(transfer(f"t{n}", limits=(spends("asha", 7, 700),)))
                for n in range(200)
            ),
            return_exceptions=True,
        )
    assert answers.count(None) == 100
    assert sum(isinstance(answer, LimitExceeded) for answer in answers) == 100
    assert scalar(owner, "select used from limit_counters") == 700
    assert scalar(owner, "select count(*) from ledger_transactions") == 100


async def test_what_is_given_back_can_be_spent_again(writer, owner):
    await writer.submit(Change(limits=(spends("asha", 10, 10),)))
    with pytest.raises(LimitExceeded):
        await writer.submit(Change(limits=(spends("asha", 1, 10),)))
    await writer.submit(Change(limits=(spends("asha", -4, 10),)))
    await writer.submit(Change(limits=(spends("asha", 4, 10),)))
    # A cap that was lowered meanwhile neither undoes what was spent nor keeps it from returning.
    with pytest.raises(LimitExceeded):
        await writer.submit(Change(limits=(spends("asha", 1, 5),)))
    await writer.submit(Change(limits=(spends("asha", -1, 5),)))
    assert scalar(owner, "select used from limit_counters") == 9


async def test_a_subject_that_is_closed_refuses_from_that_moment_on(database_url, owner):
    """Of those who race with it, each comes before or after: none after is let pass."""
    opened = guard("device:x", livemode=False, refusal=Stopped)
    async with running(database_url) as one, running(database_url) as other:
        opening = (close("device:x", livemode=False), reopen("device:x", livemode=False))
        await one.submit(Change(limits=opening))
        answers = await asyncio.gather(
            *(
                (one, other)[n % 2].submit(
                    transfer(f"t{n}", limits=(opened,))
                    if n != 100
                    else Change(limits=(close("device:x", livemode=False),))
                )
                for n in range(200)
            ),
            return_exceptions=True,
        )
        assert answers[100] is None
        with pytest.raises(Stopped):
            await other.submit(transfer("after", limits=(opened,)))
        await one.submit(Change(limits=(reopen("device:x", livemode=False),)))
        await other.submit(transfer("again", limits=(opened,)))
    passed = answers.count(None) - 1
    assert all(isinstance(each, Stopped) for each in answers if each is not None)
    assert scalar(owner, "select count(*) from ledger_transactions") == passed + 1


async def test_a_guard_in_one_batch_sees_what_closes_before_it(database_url, owner):
    opened = guard("device:x", livemode=False, refusal=Stopped)
    writer = Writer(Database(database_url))
    waiting = [
        asyncio.ensure_future(writer.submit(change))
        for change in (
            transfer("before", limits=(opened,)),
            Change(limits=(close("device:x", livemode=False),)),
            transfer("after", limits=(opened,)),
        )
    ]
    await asyncio.sleep(0)
    await writer.start()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    await writer.stop()
    assert answers[:2] == [None, None]
    assert isinstance(answers[2], Stopped)
    assert scalar(owner, "select used from limit_counters") == 1


async def test_what_is_given_back_in_a_change_is_there_for_what_it_takes(writer, owner):
    await writer.submit(Change(limits=(spends("asha", 10, 10),)))
    await writer.submit(Change(limits=(spends("asha", -6, 10), spends("asha", 6, 10))))
    with pytest.raises(LimitExceeded) as refused:
        await writer.submit(Change(limits=(spends("asha", -6, 10), spends("asha", 7, 10))))
    assert refused.value.limit.headroom == 6
    assert scalar(owner, "select used from limit_counters") == 10


# ── trouble ──────────────────────────────────────────────────────────────────────────────


async def test_writers_who_meet_in_opposite_order_never_lock_each_other_out(database_url, owner):
    """Accounts are locked in id order, whatever order the legs come in."""
    places = [chart.suspense(f"p{n}") for n in range(6)]
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"

    async def hammer(writer: Writer, order: list[Account], name: str) -> None:
        for n in range(60):
            changes = [
                transfer(f"{name}:{n}:{i}", from_=order[i], to=order[(i + n) % 5 + 1])
                for i in range(len(order))
                if i != (i + n) % 5 + 1
            ]
            answers = await writer.submit_all(changes)
            assert answers == [None] * len(changes)

    async with running(database_url) as one, running(database_url) as other:
        await asyncio.wait_for(
            asyncio.gather(
                hammer(one, places, "up"),
                hammer(other, places[::-1], "down"),
                hammer(one, places[3:] + places[:3], "round"),
            ),
            60,
        )
    owner.execute("select pg_stat_force_next_flush()")
    assert scalar(owner, deadlocks) == 0
    assert scalar(owner, "select sum(posted) from ledger_accounts") == 0


async def test_nothing_acknowledged_is_lost_when_the_database_goes_away(
    database_url, owner_url, owner
):
    acknowledged: set[str] = set()
    unknown: set[str] = set()
    over = asyncio.Event()

    async def client(writer: Writer, who: int) -> None:
        n = 0
        while not over.is_set():
            name = f"{who}:{n}"
            try:
                await writer.submit(transfer(name))
                acknowledged.add(name)
            except Unavailable:
                unknown.add(name)
            n += 1

    async with running(database_url) as writer:
        clients = [asyncio.create_task(client(writer, who)) for who in range(20)]
        for n in range(12):
            await asyncio.sleep(0.05 + n * 0.007)  # in the middle of whatever goes on
            owner.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where usename = 'khata_app' and datname = current_database()"
            )
        await asyncio.sleep(0.5)
        over.set()
        await asyncio.gather(*clients)
        await writer.submit(transfer("afterwards"))
    assert unknown, "nobody noticed that the database was away"
    causes = {row[0] for row in owner.execute("select cause from ledger_transactions")}
    assert {uid(name) for name in acknowledged} <= causes
    assert causes <= {uid(name) for name in acknowledged | unknown | {"afterwards"}}
    assert scalar(owner, "select -posted from ledger_accounts where code = 'bank:hdfc'") == len(
        causes
    )
    assert (await verify_books(owner_url)).holds


async def test_stopping_commits_what_waits(database_url, owner):
    writer = Writer(Database(database_url))
    waiting = [asyncio.ensure_future(writer.submit(transfer(f"t{n}"))) for n in range(1_500)]
    await asyncio.sleep(0)
    await writer.start()
    await writer.stop()
    assert await asyncio.gather(*waiting) == [None] * 1_500
    assert scalar(owner, "select count(*) from ledger_transactions") == 1_500
    with pytest.raises(Unavailable):
        await writer.submit(transfer("too late"))


async def test_a_caller_who_leaves_takes_nothing_away(database_url, owner):
    writer = Writer(Database(database_url), tasks=1)
    leaving, staying = (asyncio.ensure_future(writer.submit(transfer(n))) for n in ("a", "b"))
    await asyncio.sleep(0)
    leaving.cancel()
    await writer.start()
    await staying
    await writer.stop()
    # The change was handed over; that nobody waits for it any more changes nothing.
    assert scalar(owner, "select count(*) from ledger_transactions") == 2


async def test_without_a_database_the_answer_is_unavailable(postgres):
    writer = Writer(Database(postgres.url("there_is_none")), tasks=1)
    await writer.start()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(writer.submit(transfer("t")), 10)
    await writer.stop()


async def test_hot_accounts_are_striped_and_guarded_ones_are_not(database_url, owner_url, owner):
    async with running(database_url, tasks=2) as one, running(database_url, tasks=2) as other:
        for n in range(40):
            await asyncio.gather(
                *(writer.submit(captured(f"{n}:{m}")) for m, writer in enumerate([one, other] * 2))
            )
    stripes = dict(
        owner.execute("select code, count(*) from ledger_accounts group by code").fetchall()
    )
    assert stripes.pop(POOR.code) == 1
    assert set(stripes) == {"rail:card_a:receivable", "fees:mdr"}
    assert all(2 <= n <= 4 for n in stripes.values())
    assert scalar(owner, "select sum(posted) from ledger_accounts where code = 'fees:mdr'") == 160
    assert (await verify_books(owner_url)).holds


def captured(name: str) -> Change:
    legs = recipes.capture("card_a", POOR, 10, 1, recipes.Tax())
    journal = Journal(cause=uid(name), kind="capture", currency="INR", postings=legs,
                      business_date=AT.date(), effective_at=AT, livemode=False)  # fmt: skip
    return Change(journals=(journal,))
