"""The auditor can fail: with one thing spoiled on purpose, a run ends with an objection to it.

Spoiled are rows of the database behind the service's back, and the service itself: what it hands
to its writer, when it believes a rail.
"""

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from msgspec.structs import replace

from online.attempts.schedule import Schedules
from online.ledger.change import Change
from online.ledger.journal import Journal
from tests.simulation.running import SimulationFailed, simulate
from tests.simulation.workload import Workload

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SEED, STEPS = 11, 260
Spoil = Callable[[Workload], None]


@pytest.fixture
def run(database_url, owner_url, tmp_path):
    async def spoiled(spoil: Spoil) -> str:
        """What the auditor says."""
        with pytest.raises(SimulationFailed) as failed:
            await simulate(database_url, owner_url, tmp_path, seed=SEED, steps=STEPS, spoil=spoil)
        return str(failed.value)

    return spoiled


# ── rows changed behind the service's back ───────────────────────────────────────────────

CORRUPTED = {
    "a payment's amount": (
        "update payments set refunded_minor = refunded_minor - 1 where refunded_minor > 0",
        "snapshot|differs from its events|amount_refunded",
    ),
    "a balance": (
        "update ledger_accounts set posted = posted + 1 where code like 'merchant:%:pending'",
        "by its entries it is|leaves",
    ),
    "an entry": (
        "update ledger_entries set amount_cents = amount_cents * 2 where account_version = 3",
        "verify-books|leaves|do not sum to zero|was not accepted",
    ),
    "an event gone": (
        "delete from payment_events where event_type = 'payment.captured'",
        "verify-books",
    ),
    "a limit": (
        "update limit_counters set used = used + 1 where rule = 'amount_per_day'",
        "by the counters or by us alone",
    ),
}


@pytest.mark.parametrize(("statement", "says"), CORRUPTED.values(), ids=CORRUPTED)
async def test_a_changed_row_is_objected_to(run, owner_url, statement, says):
    def spoil(workload: Workload) -> None:
        genuine, steps = workload.auditor.check_step, iter(range(STEPS * 2))

        async def check_step() -> None:
            if next(steps) == 120:
                with psycopg.connect(owner_url) as connection:
                    connection.execute("set session_replication_role = replica")
                    assert connection.execute(statement).rowcount >= 1
            await genuine()

        workload.auditor.check_step = check_step

    _told(await run(spoil), says)


# ── a service that makes mistakes ────────────────────────────────────────────────────────


def handing_over(alter: Callable[[Change], Change]) -> Spoil:
    """Every change passes through `alter` on its way to the writer."""

    def spoil(workload: Workload) -> None:
        writer = workload.world.services.writer
        genuine = writer.submit

        async def submit(change: Change) -> None:
            await genuine(alter(change))

        writer.submit = submit

    return spoil


def without(kind: str) -> Spoil:
    """This kind of journal is forgotten."""

    def alter(change: Change) -> Change:
        kept = tuple(journal for journal in change.journals if journal.kind != kind)
        return replace(change, journals=kept)

    return handing_over(alter)


def with_journal(kind: str, alter: Callable[[Journal], Journal]) -> Spoil:
    def altered(change: Change) -> Change:
        journals = (alter(j) if j.kind == kind else j for j in change.journals)
        return replace(change, journals=tuple(journals))

    return handing_over(altered)


def gross_alone(journal: Journal) -> Journal:
    """The legs of the fee are missing: balanced, and wrong."""
    legs = journal.postings
    fee = next((n for n, leg in enumerate(legs) if leg.account.code == "fees:mdr"), None)
    return journal if fee is None else replace(journal, postings=legs[: fee - 1])


def giving_no_limit_back(change: Change) -> Change:
    return replace(change, limits=tuple(move for move in change.limits if move.delta > 0))


def forgetting_keys(change: Change) -> Change:
    return replace(change, reserve=None, answer=None)


def answering_otherwise(change: Change) -> Change:
    """What is kept for a key is not what was answered."""
    if change.answer is None:
        return change
    return replace(change, answer=replace(change.answer, body=change.answer.body + b" "))


def forgetting_events(change: Change) -> Change:
    """A payment's row moves further than its log."""
    of_payment = [e for e in change.events if e.event.TYPE == "payment.refund_requested"]
    return replace(change, events=tuple(e for e in change.events if e not in of_payment))


def forgetting_rows(change: Change) -> Change:
    """A refund's log moves further than its row."""
    kept = (r for r in change.snapshots if r.snapshot.name != "refunds" or not r.expected_version)
    return replace(change, snapshots=tuple(kept))


def believing_not_found(workload: Workload) -> None:
    """An operation that its rail does not know yet counts as not done."""
    attempts = workload.world.services.attempts
    usual = replace(attempts._schedules.usual, not_found_final_after=timedelta())
    attempts._schedules = Schedules(usual)


def sending_again(workload: Workload) -> None:
    """A capture without an answer is sent a second time."""
    rails = workload.world.services.rails._rails
    for rail in rails.values():
        genuine = rail.capture

        async def capture(request, genuine=genuine):
            outcome = await genuine(request)
            return await genuine(request) if outcome.kind == "unknown" else outcome

        rail.capture = capture


MISTAKEN = {
    "no posting of a capture": (without("capture"), "holds"),
    "no posting of a confirmed refund": (without("refund_confirmed"), "owes|promised for ever"),
    "a void that releases nothing": (without("void"), "holds"),
    "a capture without its fee": (with_journal("capture", gross_alone), "holds"),
    "a limit is not given back": (handing_over(giving_no_limit_back), "counters|limit_exceeded"),
    "keys are forgotten": (handing_over(forgetting_keys), "sent to the bank twice|answered by"),
    "a key keeps another answer": (handing_over(answering_otherwise), "came first, now"),
    "a refund passes the floor": (
        with_journal("refund_requested", lambda journal: replace(journal, forced=True)),
        "insufficient_funds expected",
    ),
    "an event is left out": (handing_over(forgetting_events), "missing before|differs from"),
    "a row is left out": (handing_over(forgetting_rows), "differs from its events|shown"),
    "not found is believed at once": (believing_not_found, "shown, and as it should be"),
    "an operation is sent twice": (sending_again, "was sent twice|reached the bank 2 times"),
}


@pytest.mark.parametrize(("spoil", "says"), MISTAKEN.values(), ids=MISTAKEN)
async def test_a_mistake_of_the_service_is_objected_to(run, spoil, says):
    _told(await run(spoil), says)


def _told(report: str, says: str) -> None:
    """By its own words, with the steps before it and how to see it again."""
    objection, _, rest = report.partition("\n\nafter ")
    assert any(words in objection for words in says.split("|")), objection
    assert "Traceback" not in objection, objection
    assert f"KHATA_SEED={SEED} pytest" in rest
    assert f"--seed {SEED} --steps {STEPS}" in rest
