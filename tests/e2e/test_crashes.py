"""Everything is killed at random moments, and no rupee is lost, invented or taken twice.

Against `dev` as it is shipped: its service and background worker die 30 times, its PostgreSQL 5
times, while clients pay, capture, cancel and refund, and ask again with their keys. What the
banks say happened is in records of their own, which nobody here writes.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from online.kernel import ids
from online.kernel.clock import SystemClock, business_date
from online.operations.verify import verify_books
from pipelines.demo import demo_day
from tests.architecture.source import ROOT
from tests.crashes import witness
from tests.crashes.clients import OPEN, Crowd, Promise
from tests.crashes.killer import Killer
from tests.crashes.reconciling import set_clock
from tests.e2e.dev import Dev, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SEED = 6
CLIENTS = 24
SETTLED_WITHIN_S = 60
# What a status may have become by an order's next step. All else that is told stays true.
LATER = {
    "authorized": {"captured", "canceled", "partially_refunded", "refunded", "reversed"},
    "captured": {"partially_refunded", "refunded", "reversed"},
    "partially_refunded": {"refunded"},
}
# Before a rail is asked again nobody waits for long here; the rails answer in time, or never.
QUICK = {
    "KHATA_SERVER__TIMEOUT": "6s",
    "KHATA_CASCADE__PATIENCE": "3s",
    **{f"KHATA_RAILS__{phase}_MS": "1000" for phase in ("CONNECT", "WRITE", "READ", "POOL")},
    "KHATA_RECOVERY__MIN_INTERVAL_S": "1",
    "KHATA_RECOVERY__NOT_FOUND_FINAL_AFTER_S": "8",
}


@dataclass
class Ruins:
    """What is there when the killing is over and recovery has done its work."""

    dev: Dev
    crowd: Crowd
    killer: Killer
    day: str

    def payments(self) -> list[Promise]:
        return [promise for promise in self.crowd.promises if promise.path == "/payments"]


@pytest.fixture(scope="module")
def ruins(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Ruins]:
    services, databases = (30, 5) if request.config.getoption("--whole") else (3, 1)
    folder = tmp_path_factory.mktemp("crashes") / "data"
    day = demo_day(business_date(SystemClock().now()))
    set_clock(folder, day, 10)
    with Dev(folder, QUICK) as dev:
        crowd = Crowd(dev, clients=CLIENTS, seed=SEED)
        killer = Killer(dev, crowd, SEED)
        asyncio.run(_suffer(dev, crowd, killer, services=services, databases=databases))
        yield Ruins(dev, crowd, killer, day.isoformat())


async def _suffer(dev: Dev, crowd: Crowd, killer: Killer, *, services: int, databases: int) -> None:
    await crowd.prepare()
    clients = asyncio.create_task(crowd.run())
    try:
        await killer.run(services=services, databases=databases)
    finally:
        crowd.over = True
    await clients
    await crowd.ask_the_unanswered(SETTLED_WITHIN_S)
    await asyncio.to_thread(
        eventually, lambda: witness.open_attempts(dev) == 0, within_s=SETTLED_WITHIN_S
    )
    await crowd.ask_all()
    await crowd.close()


def test_everything_was_killed_under_load(ruins: Ruins):
    """Else nothing below means anything."""
    kills = ruins.killer.kills
    print(f"{len(ruins.crowd.promises)} calls, {dict(ruins.crowd.trouble)}")
    of_service = [kill.processes for kill in kills if kill.victim == "service"]
    assert len(of_service) < len(kills)
    # Four when all are up: two of them where a kill meets the next start.
    assert sum(of_service) >= 3 * len(of_service)
    assert sum(kill.in_flight for kill in kills) >= len(kills)
    assert len(ruins.payments()) > 3 * len(kills)
    done = Counter(promise.path.rpartition("/")[2] for promise in ruins.crowd.promises)
    assert done.keys() >= {"payments", "capture", "refunds"}


def test_a_key_is_one_thing_however_often_it_was_sent(ruins: Ruins):
    for promise in ruins.crowd.promises:
        assert len({answer["id"] for answer in promise.answers}) <= 1, promise
        assert not (promise.answers and promise.refusal), promise
    ((payments,),) = witness.query(ruins.dev, "select count(*) from payments")
    made = {promise.last["id"] for promise in ruins.payments() if promise.answers}
    # A payment that was refused outright (402 by a rail) is one, too, and has no other answer.
    assert payments == len(ruins.payments()) == len(made)


def test_what_was_acknowledged_is_still_true(ruins: Ruins):
    now = {
        ids.encode(prefix, id_): status
        for prefix, table in (("pay", "payments"), ("rfd", "refunds"))
        for id_, status in witness.query(ruins.dev, f"select id, status from {table}")
    }
    broken = [
        (promise.path, promise.key, answer["status"], now.get(answer["id"]))
        for promise in ruins.crowd.promises
        for answer in promise.answers
        if not _still(answer["status"], now.get(answer["id"]))
    ]
    assert broken == []
    assert not set(now.values()) & OPEN, "recovery has settled everything"


def _still(told: str, now: str | None) -> bool:
    return now == told or told in OPEN or now in LATER.get(told, ())


def test_nobody_is_charged_twice(ruins: Ruins):
    captures = Counter(
        promise.path.split("/")[2]
        for promise in ruins.crowd.promises
        if promise.path.endswith("/capture")
    )
    manual = {
        promise.last["id"]
        for promise in ruins.payments()
        if promise.last["capture_method"] == "manual"
    }
    charges = witness.charges_of_payments(ruins.dev)
    assert len(charges) > len(ruins.killer.kills)
    for payment, amounts in charges.items():
        assert len(amounts) <= (captures[payment] if payment in manual else 1), payment


def test_the_banks_and_the_books_agree_to_the_unit(ruins: Ruins):
    assert witness.operations_that_differ(ruins.dev) == []
    assert witness.money_in_the_books(ruins.dev) == witness.money_at_the_banks(ruins.dev)


def test_the_books_hold(ruins: Ruins):
    report = asyncio.run(verify_books(ruins.dev.about["database_url"]))
    assert report.holds
    assert report.transactions > len(ruins.killer.kills)


def test_the_bank_day_is_reconciled_and_nothing_is_left_unexplained(ruins: Ruins):
    """Last, since the clock leaves the day."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crashes.reconciling", str(ruins.dev.data_dir), ruins.day],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["breaks"] == []
    money = sum(witness.money_at_the_banks(ruins.dev).values())
    totals = {
        (side, input_): (given, matched, broken)
        for side, input_, given, matched, broken, _ in found["totals"]
    }
    assert totals["rail", "ledger"] == totals["rail", "rail"] == (money, money, 0)
    suspense = witness.query(
        ruins.dev,
        "select code, sum(posted)::bigint from ledger_accounts where code like 'suspense:%'"
        " group by code having sum(posted) <> 0",
    )
    assert suspense == []
    report = asyncio.run(verify_books(ruins.dev.about["database_url"]))
    assert report.holds
