"""Risk against PostgreSQL: the same features as the oracle, decided and answered over HTTP."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from litestar import Litestar
from litestar.di import Provide
from litestar.testing import AsyncTestClient
from psycopg.rows import dict_row

from models.fraud.features import FEATURES, feature_set_hash, finish
from models.fraud.rules import load_rules
from online.kernel import ids
from online.kernel.clock import FixedClock
from online.platform.db import Database
from online.platform.http import HttpPlugin, wrap
from online.platform.sql import copy_rows
from online.risk import routes
from online.risk.domain import RiskInput
from online.risk.service import Assessor, Risk, activity, label
from online.risk.store import QUERIES, raw_features
from online.security.domain import MERCHANT_SCOPES, Kind, Principal
from tests.unit.models import oracle
from tests.unit.models.bundles import logistic, tiny_bundle
from tests.unit.models.strategies import histories
from tests.unit.models.synthetic import START, Label, Payment, history

RULES = Path(__file__).parents[2] / "config" / "rules.yaml"


def risk_input(payment: Payment) -> RiskInput:
    return RiskInput(
        payment_id=payment.id,
        at=payment.at,
        amount_minor=payment.amount,
        currency="INR",
        method=payment.method,
        merchant_id=payment.merchant,
        instrument=payment.instrument,
        customer_key=payment.customer,
        device_key=payment.device,
        livemode=False,
    )


def appends(payments: Sequence[Payment], labels: Sequence[Label]):
    yield from (activity(risk_input(payment)) for payment in payments)
    for known in labels:
        yield label(
            payment_id=known.payment.id,
            merchant_id=known.payment.merchant,
            instrument=known.payment.instrument,
            fraud=known.fraud,
            known_at=known.known_at,
            livemode=False,
        )


@pytest.fixture
async def database(database_url):
    opened = Database(database_url)
    await opened.open()
    yield opened
    await opened.close()


async def fill(database: Database, payments: Sequence[Payment], labels: Sequence[Label]) -> None:
    tables = {}
    for append in appends(payments, labels):
        tables.setdefault(append.table, []).extend(append.rows)
    async with database.transaction() as connection:
        for table, rows in tables.items():
            await copy_rows(connection, table, rows)


@pytest.fixture
def sync_connection(database_url):
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        yield connection


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories())
def test_postgres_equals_the_oracle(sync_connection, made):
    payments, labels = made
    cursor = sync_connection.cursor()
    for append in appends(payments, labels):
        columns = ", ".join(append.table.columns)
        places = ", ".join(["%s"] * len(append.table.columns))
        cursor.executemany(
            f"insert into {append.table.name} ({columns}) values ({places})", append.rows
        )
    for payment in payments:
        facts = risk_input(payment)
        names = ("at", "customer_key", "instrument", "device_key", "merchant_id", "livemode")
        found = cursor.execute(
            QUERIES["raw_features"], {name: getattr(facts, name) for name in names}
        ).fetchone()
        assert found.pop("snapshot")
        assert found == oracle.raw_features(payment, payments, labels)
    sync_connection.rollback()


@pytest.mark.anyio
async def test_store_reads_what_the_writer_wrote(database):
    payments, labels = history(400, 60, seed=21)
    await fill(database, payments, labels)
    async with database.connection() as connection:
        for payment in payments[::7]:
            snapshot, found = await raw_features(connection, risk_input(payment))
            assert found == oracle.raw_features(payment, payments, labels)
            assert snapshot.count(":") == 2


@pytest.mark.anyio
async def test_test_mode_and_live_mode_do_not_see_each_other(database):
    payments, labels = history(50, 10, seed=22)
    await fill(database, payments, labels)
    facts = risk_input(payments[-1])
    live = RiskInput(**{name: getattr(facts, name) for name in facts.__struct_fields__} | {
        "livemode": True
    })  # fmt: skip
    async with database.connection() as connection:
        _, found = await raw_features(connection, live)
    assert found == {feature.name: feature.empty for feature in FEATURES}


@pytest.mark.anyio
async def test_an_assessment_can_be_replayed(database, tmp_path):
    payments, labels = history(300, 40, seed=23)
    await fill(database, payments, labels)
    path = tiny_bundle(tmp_path / "champion.bundle", "7", bias=-14.0)
    risk = Risk(rules=load_rules(RULES), bundle_path=path)
    await risk.start()
    try:
        async with database.connection() as connection:
            found = await risk.assess(connection, risk_input(payments[-1]))
    finally:
        await risk.stop()
    vector = finish(found.features, risk_input(payments[-1]).facts)
    assert found.probability == pytest.approx(logistic(vector, -14.0), abs=1e-6)
    assert found.model_version == "7"
    assert found.feature_set == feature_set_hash()
    assert sum(factor.score for factor in found.factors) == found.score
    stored = found.as_event_data()
    assert stored["features"] == oracle.raw_features(payments[-1], payments, labels)
    assert {"score", "level", "decision", "model_version", "factors", "snapshot"} <= stored.keys()


@pytest.mark.anyio
async def test_rules_alone_decide_without_a_good_model(database, tmp_path):
    path = tmp_path / "champion.bundle"
    path.write_bytes(b"garbage")
    risk = Risk(rules=load_rules(RULES), bundle_path=path)
    await risk.start()
    payment = Payment(
        *(ids.derived("p"), START, "cus", "card", "dev", ids.derived("m"), 25_000_00, "card")
    )
    async with database.connection() as connection:
        found = await risk.assess(connection, risk_input(payment))
        assert found.model_version is None
        assert found.probability is None
        assert [factor.code for factor in found.factors] == ["new_instrument_high_amount"]
        # A model that breaks while scoring is the same.
        tiny_bundle(path)
        await risk.champion.refresh()
        assert risk.champion.bundle is not None
        risk.champion.bundle._feed = {}
        again = await risk.assess(connection, risk_input(payment))
        assert again.model_version is None
        assert again.score == found.score
    await risk.stop()


class NoInstruments:
    async def instrument_of(self, connection, merchant_id, *, vpa, card_token):
        return vpa or card_token


class OnePayment:
    def __init__(self, payment: Payment) -> None:
        self.payment = payment

    async def risk_input(self, connection, payment_id, *, merchant_id, livemode):
        known = (self.payment.id, self.payment.merchant)
        return risk_input(self.payment) if (payment_id, merchant_id) == known else None


@pytest.fixture
async def client(database):
    payments, labels = history(100, 20, seed=24)
    await fill(database, payments, labels)
    payment = payments[50]
    principal = Principal(
        kind=Kind.MERCHANT,
        subject="client",
        scopes=MERCHANT_SCOPES,
        livemode=False,
        merchant_id=payment.merchant,
    )
    assessor = Assessor(
        risk=Risk(rules=load_rules(RULES), bundle_path=None),
        database=database,
        clock=FixedClock(payments[-1].at + timedelta(hours=1)),
        instruments=NoInstruments(),
        payments=OnePayment(payment),
    )
    app = Litestar(
        route_handlers=[routes.router],
        dependencies={
            "principal": Provide(lambda: principal, sync_to_thread=False),
            "assessor": Provide(lambda: assessor, sync_to_thread=False),
        },
        plugins=[HttpPlugin()],
    )
    async with AsyncTestClient(wrap(app)) as opened:
        opened.payment_id = ids.encode("pay", payment.id)
        yield opened


@pytest.mark.anyio
async def test_assess_over_http(client):
    upi = {"type": "upi", "vpa": "new@bank"}
    answer = await client.post(
        "/api/v1/risk/assess",
        json={"amount": 25_000_00, "payment_method": upi, "device_id": "dev_new"},
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["transaction_id"].startswith("pay_")
    assert found["risk_score"] == sum(factor["score"] for factor in found["factors"]) == 20
    assert found["risk_level"] == "low"
    assert found["decision"] == "allow"
    assert [factor["code"] for factor in found["factors"]] == ["new_instrument_high_amount"]
    assert found["device_trust"] == {
        "device_id": "dev_new",
        "state": "unlinked",
        "score": 0,
        "level": "low",
    }
    assert found["model_version"] is None
    by_id = await client.post("/api/v1/risk/assess", json={"payment_id": client.payment_id})
    assert by_id.status_code == 200, by_id.text
    assert by_id.json()["transaction_id"] == client.payment_id


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 422, "amount"),
        ({"amount": 100}, 422, "payment_method"),
        ({"amount": 100, "payment_method": {"type": "upi"}}, 422, "payment_method.vpa"),
        ({"amount": 100, "payment_method": {"type": "card"}}, 422, "payment_method.token"),
        ({"amount": 0, "payment_method": {"type": "upi", "vpa": "a@b"}}, 422, "amount"),
        ({"amount": 2**63, "payment_method": {"type": "upi", "vpa": "a@b"}}, 422, "amount"),
        ({"amount": "100"}, 422, "amount"),
        ({"payment_id": ids.encode("pay", ids.derived("other"))}, 404, "payment_id"),
        ({"payment_id": "nonsense"}, 422, "payment_id"),
        ({"amount": 100, "currency": "rupees"}, 422, "currency"),
        ({"unknown": 1}, 422, "unknown"),
    ],
)
async def test_what_assess_refuses(client, body, status, param):
    answer = await client.post("/api/v1/risk/assess", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().get("param") == param


@pytest.mark.anyio
async def test_assessing_takes_milliseconds_and_leaves_the_loop_free(database, tmp_path):
    payments, labels = history(20_000, 60, seed=25)
    await fill(database, payments, labels)
    path = tiny_bundle(tmp_path / "champion.bundle")
    risk = Risk(rules=load_rules(RULES), bundle_path=path)
    await risk.start()
    taken = []
    async with database.connection() as connection:
        for payment in payments[-300:]:
            started = time.perf_counter()
            await risk.assess(connection, risk_input(payment))
            taken.append(time.perf_counter() - started)
            await asyncio.sleep(0)
    await risk.stop()
    taken.sort()
    print(f"assess: p50 {taken[150] * 1e3:.2f} ms, p99 {taken[297] * 1e3:.2f} ms")
    assert taken[150] < 0.02, "an index is missing, or something blocks"
