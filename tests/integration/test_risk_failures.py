"""Risk that is late or broken: the merchant's failure mode decides, and payments go on."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import psycopg
import pytest
from msgspec.structs import replace as replaced

from online.kernel import ids
from online.platform.db import Database
from online.risk import evidence
from online.screening.external import External, ScorerFailed
from tests.integration.risk_rows import fill, risk_input
from tests.risk import TERMS, FixedTerms, risk_on
from tests.unit.models.bundles import tiny_bundle
from tests.unit.models.synthetic import START, Payment, history

pytestmark = pytest.mark.anyio

PAYMENT = Payment(ids.derived("p"), START, "cus", "vpa", "dev", ids.derived("m"), 25_000_00)
SHORT = replaced(TERMS, timeout_ms=300)
MODES = [("approve", "allow", 0), ("review", "review", 60), ("block", "block", 75)]


@pytest.fixture
async def database(database_url):
    opened = Database(database_url, size=3)
    await opened.open()
    yield opened
    await opened.close()


def codes(found):
    return [factor.code for factor in found.factors]


@asynccontextmanager
async def locked(owner_url, table="risk_activity"):
    """Nobody reads the table meanwhile."""
    async with await psycopg.AsyncConnection.connect(owner_url) as connection:
        await connection.execute(f"lock table {table} in access exclusive mode")
        yield
        await connection.rollback()


@pytest.mark.parametrize(("mode", "decision", "score"), MODES)
async def test_a_read_that_hangs_leaves_it_to_the_failure_mode(
    database, owner_url, mode, decision, score
):
    risk = risk_on(database, terms=FixedTerms(replaced(SHORT, failure_mode=mode)))
    async with locked(owner_url):
        begun = time.perf_counter()
        found = await risk.assess(risk_input(PAYMENT))
        assert 0.25 < time.perf_counter() - begun < 3
    assert (found.decision, found.score, found.failure) == (decision, score, "late")
    assert codes(found) == ["engine_unavailable"]
    assert sum(factor.score for factor in found.factors) == score
    assert found.snapshot is None
    assert found.as_event_data()["features"] == {}
    await risk.stop()


async def test_cancelled_reads_give_their_connections_back(database, owner_url):
    """More of them than the pool has connections, and every connection works afterwards."""
    risk = risk_on(database, terms=FixedTerms(SHORT))
    async with locked(owner_url):
        late = await asyncio.gather(*(risk.assess(risk_input(PAYMENT)) for _ in range(12)))
    assert {found.failure for found in late} == {"late"}
    await risk.stop()  # waits for what was given up
    calm = risk_on(database)
    again = await asyncio.gather(*(calm.assess(risk_input(PAYMENT)) for _ in range(30)))
    assert {found.failure for found in again} == {None}
    async with asyncio.timeout(5):
        async with database.connection() as connection:
            busy = (
                "select count(*) from pg_stat_activity"
                " where state <> 'idle' and usename = 'khata_app' and pid <> pg_backend_pid()"
            )
            left = await (await connection.execute(busy)).fetchone()
    assert left == (0,), "a query goes on in the server"


async def test_a_client_that_goes_away_leaves_nothing_behind(database, owner_url):
    risk = risk_on(database)
    async with locked(owner_url):
        assessing = asyncio.create_task(risk.assess(risk_input(PAYMENT)))
        await asyncio.sleep(0.2)
        assessing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await assessing
        await risk.stop()
    assert (await risk.assess(risk_input(PAYMENT))).failure is None


async def test_a_database_that_refuses_the_read(database, owner_url):
    risk = risk_on(database, terms=FixedTerms(replaced(TERMS, failure_mode="review")))
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as owner:
        await owner.execute("revoke select on risk_activity from khata_app")
        try:
            found = await risk.assess(risk_input(PAYMENT))
        finally:
            await owner.execute("grant select on risk_activity to khata_app")
    assert (found.decision, found.failure) == ("review", "features_failed")
    assert (await risk.assess(risk_input(PAYMENT))).failure is None


async def test_a_database_that_is_not_there():
    away = Database("postgresql://khata_app@127.0.0.1:9/none", size=1)
    risk = risk_on(away, terms=FixedTerms(SHORT))
    found = await risk.assess(risk_input(PAYMENT))
    assert found.failure in {"late", "features_failed"}
    assert found.decision == "allow"
    await risk.stop()


async def test_a_bug_in_a_rule_or_in_what_it_reads(database, monkeypatch):
    risk = risk_on(database, terms=FixedTerms(replaced(TERMS, failure_mode="block")))

    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(evidence, "values", broken)
    found = await risk.assess(risk_input(PAYMENT))
    assert (found.decision, found.failure) == ("block", "features_failed")
    monkeypatch.undo()
    monkeypatch.setattr("online.risk.scoring.rule_values", broken)
    found = await risk.assess(risk_input(PAYMENT))
    assert (found.decision, found.failure, codes(found)) == (
        *("block", "failed"),
        ["engine_unavailable"],
    )


class SlowTerms(FixedTerms):
    """Answers once, then never again."""

    asked = 0

    def at_hand(self, merchant_id, *, livemode):
        return None

    async def of(self, merchant_id, *, livemode):
        self.asked += 1
        if self.asked > 1:
            await asyncio.sleep(60)
        return replaced(SHORT, failure_mode="block")


async def test_terms_that_cannot_be_read_are_those_of_before(database, owner_url):
    terms = SlowTerms(SHORT)
    risk = risk_on(database, terms=terms)
    assert (await risk.assess(risk_input(PAYMENT))).failure is None
    async with locked(owner_url):
        found = await risk.assess(risk_input(PAYMENT))
    assert (found.decision, found.failure) == ("block", "late")
    stranger = replace(PAYMENT, merchant=ids.derived("another"))
    assert (await risk.assess(risk_input(stranger))).decision == "allow", "the house's"
    await risk.stop()


# ── the merchant's own scorer ────────────────────────────────────────────────────────────────


class Scorers:
    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def score(self, name, question, *, within_ms):
        self.asked.append((name, question, within_ms))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.sleep(60)
        return External(scorer=name, score=self.answer, reasons=("velocity",), took_us=5)


def with_scorer(database, answer, **terms):
    scorers = Scorers(answer)
    agreed = FixedTerms(replaced(SHORT, scorer="theirs", **terms))
    return risk_on(database, terms=agreed, scorers=scorers), scorers


async def test_a_scorers_points_are_added(database):
    risk, scorers = with_scorer(database, 45, timeout_ms=5_000)
    found = await risk.assess(risk_input(PAYMENT))
    assert codes(found) == ["new_instrument_high_amount", "external_score"]
    assert (found.score, found.failure) == (65, None)
    assert found.as_event_data()["external"] == {"scorer": "theirs", "score": 45}
    ((name, question, within_ms),) = scorers.asked
    assert name == "theirs"
    assert question.payment_id == PAYMENT.id
    assert within_ms < 5_000, "the scorer is given up before the assessment is"


@pytest.mark.parametrize(("mode", "decision", "score"), MODES)
async def test_a_scorer_without_an_answer(database, mode, decision, score):
    """The failure mode decides; rules and features were there and are recorded."""
    answers = [
        (None, "scorer_late"),
        (ScorerFailed("theirs", "timeout"), "scorer_late"),
        (ScorerFailed("theirs", "circuit_open"), "scorer_open"),
        (ScorerFailed("theirs", "bad_answer"), "scorer_failed"),
        (RuntimeError("a bug"), "scorer_failed"),
    ]
    for answer, failure in answers:
        risk, _ = with_scorer(database, answer, failure_mode=mode, timeout_ms=1_000)
        found = await risk.assess(risk_input(PAYMENT))
        assert found.failure == failure
        assert found.decision == decision
        assert found.score == max(score, 20) == sum(factor.score for factor in found.factors)
        assert codes(found) == ["new_instrument_high_amount", "engine_unavailable"]
        assert found.features
        assert found.external is None
        await risk.stop()


async def test_no_connection_is_held_while_a_scorer_is_asked(database, owner_url):
    """A pool of three serves ten who wait for their scorers at the same time."""
    risk, _ = with_scorer(database, None, timeout_ms=1_500)
    assessing = [asyncio.create_task(risk.assess(risk_input(PAYMENT))) for _ in range(10)]
    await asyncio.sleep(0.7)
    async with asyncio.timeout(0.5), database.connection() as connection:
        open_now = "select count(*) from pg_stat_activity where state like 'idle in transaction%'"
        assert await (await connection.execute(open_now)).fetchone() == (0,)
    found = await asyncio.gather(*assessing)
    assert {one.failure for one in found} == {"scorer_late"}
    assert all(one.features for one in found)
    await risk.stop()


# ── models that come and go ──────────────────────────────────────────────────────────────────


async def test_models_are_swapped_corrupted_and_restored_under_load(
    database, tmp_path, monkeypatch
):
    """Two workers assess all the time; what is wrong with a file never shows in an answer."""
    monkeypatch.setattr("online.risk.model_files._INTERVAL_S", 0.01)
    payments, labels = history(300, 20, seed=27)
    await fill(database, payments, labels)
    path = tiny_bundle(tmp_path / "fraud.bundle", "0")
    risks = [risk_on(database, bundle_path=path) for _ in range(2)]
    for risk in risks:
        await risk.start()
    seen: list[str | None] = []
    over = asyncio.Event()

    async def ask(risk):
        while not over.is_set():
            found = await risk.assess(risk_input(payments[len(seen) % 300]))
            assert found.failure is None
            assert sum(factor.score for factor in found.factors) == found.score
            seen.append(found.model_version)

    async def until(done):
        """Every worker is so far, and some more assessments were made after that."""
        async with asyncio.timeout(20):
            while not all(done(risk.models.champion) for risk in risks):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            count = len(seen)
            while len(seen) < count + 12:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    asking = [asyncio.create_task(ask(risk)) for risk in risks for _ in range(2)]
    await until(lambda file: file.bundle.version == "0")
    for version, damage in (("1", _truncated), ("2", _emptied), ("3", _flipped), ("4", None)):
        tiny_bundle(path, version, float(version))
        await until(lambda file, wanted=version: file.bundle.version == wanted)
        if damage is not None:
            path.write_bytes(damage(path.read_bytes()))  # in place, as a copy by hand does
            await until(lambda file: file.refusal)
        else:
            path.unlink()
            await until(lambda file: file.bundle)
        assert {risk.models.champion.bundle.version for risk in risks} == {version}
    over.set()
    await asyncio.gather(*asking)
    for risk in risks:
        await risk.stop()
    assert list(dict.fromkeys(seen)) == ["0", "1", "2", "3", "4"]


def _truncated(content):
    return content[:-40]


def _emptied(_):
    return b""


def _flipped(content):
    return content.replace(b"tiny", b"tinz", 1)
