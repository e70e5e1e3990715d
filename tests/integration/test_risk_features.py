"""Features read from PostgreSQL, through tiles and their edges: what the oracle says, always."""

import random
from dataclasses import replace
from datetime import timedelta
from itertools import product

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec import structs
from psycopg.rows import dict_row

from models.fraud import compile_postgres, tiles
from models.fraud.features import DAY as DAY_S
from models.fraud.features import FEATURES, FILTERS, KEYS, Feature, validated
from online.kernel import ids
from online.platform.db import Database
from online.platform.sql import parse_queries
from online.risk.store import QUERIES, parameters, raw_features
from tests.integration.risk_rows import appends, risk_input
from tests.unit.models import oracle
from tests.unit.models.strategies import histories
from tests.unit.models.synthetic import START, Label, Payment, history

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)


@pytest.fixture
async def database(database_url):
    opened = Database(database_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def connection(database_url):
    with psycopg.connect(database_url, row_factory=dict_row) as opened:
        yield opened


def insert(connection, payments, labels):
    """Row by row: a statement a row, so that tiles are added to again and again."""
    for append in appends(payments, labels):
        columns = ", ".join(append.table.columns)
        places = ", ".join(["%s"] * len(append.table.columns))
        connection.cursor().executemany(
            f"insert into {append.table.name} ({columns}) values ({places})", append.rows
        )


def read(connection, payment: Payment):
    found = connection.execute(
        QUERIES["raw_features"], parameters([risk_input(payment)])
    ).fetchone()
    assert found.pop("snapshot")
    return found


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories())
def test_postgres_equals_the_oracle(connection, made):
    """Every payment sees the others as of its time, although later ones are there already."""
    payments, labels = made
    insert(connection, payments, labels)
    for payment in payments:
        assert read(connection, payment) == oracle.raw_features(payment, payments, labels)
    connection.rollback()


def busy(count: int, seed: int) -> tuple[list[Payment], list[Label]]:
    """Two merchants and an address, with events on, just before and just after every edge."""
    rng = random.Random(seed)
    edges = [timedelta(0), -TICK, TICK, timedelta(minutes=30), timedelta(minutes=29, seconds=59)]

    def moment():
        place = rng.choice([rng.randrange(48) * HOUR, rng.randrange(60) * DAY])
        if rng.random() < 0.4:
            place += timedelta(microseconds=rng.randrange(3_600_000_000))
        return START + place + rng.choice(edges)

    payments = [
        Payment(
            *(ids.derived("busy", str(seed), str(n)), moment(), f"cus_{rng.randrange(9)}"),
            *(f"card_{rng.randrange(9)}", None, ids.derived("shop", str(rng.randrange(2)))),
            *(rng.randrange(1, 10**15), rng.choice(["upi", "card"]), rng.choice(["ip", None])),
        )
        for n in range(count)
    ]
    labels = [Label(rng.choice(payments), moment(), rng.random() < 0.5) for _ in range(count)]
    return payments, labels


@pytest.mark.parametrize("seed", range(4))
def test_the_edges_of_tiles_are_exact(connection, seed):
    payments, labels = busy(250, seed)
    insert(connection, payments, labels)
    for payment in payments[::2]:
        assert read(connection, payment) == oracle.raw_features(payment, payments, labels)


def test_a_window_ends_before_its_own_moment_and_begins_with_it(connection):
    shop = ids.derived("shop")
    at = START + 100 * DAY + timedelta(minutes=17, microseconds=3)

    def payment(name, moment):
        return Payment(
            *(ids.derived(name), moment, "cus", "card", "dev", shop, 100, "card"), ip="ip"
        )

    for feature in FEATURES:
        window = timedelta(seconds=feature.window_s)
        on_edge = payment("on", at - window)
        outside = [payment("before", at - window - TICK), payment("now", at)]
        asked = payment("asked", at)
        made = [on_edge, *outside, asked]
        labels = [Label(each, each.at, fraud=True) for each in made]
        insert(connection, made, labels)
        found = read(connection, asked)
        assert found == oracle.raw_features(asked, made, labels)
        if feature.aggregate == "count" and feature.filter == "all":
            held = 1 if feature.entity != "vpa" else 0
            assert found[feature.name] == held, feature.name
        connection.rollback()


def test_the_store_reads_whole_numbers_of_many_payments_at_once(connection):
    payments, labels = history(400, 60, seed=21)
    insert(connection, payments, labels)
    asked = payments[::7]
    read = raw_features(connection, [risk_input(payment) for payment in asked])
    for payment, (snapshot, found) in zip(asked, read, strict=True):
        assert found == oracle.raw_features(payment, payments, labels)
        assert {type(value) for value in found.values()} <= {int, type(None)}
        assert snapshot.count(":") == 2
    connection.rollback()


def test_test_mode_and_live_mode_do_not_see_each_other(connection):
    payments, labels = history(50, 10, seed=22)
    insert(connection, payments, labels)
    ((_, found),) = raw_features(connection, [risk_input(payments[-1], livemode=True)])
    assert found == {feature.name: feature.empty for feature in FEATURES}
    connection.rollback()


def test_a_payment_without_keys_has_no_events(connection):
    payments, labels = busy(50, 9)
    insert(connection, payments, labels)
    keys = ("customer_key", "instrument", "device_key", "ip_key")
    asked = structs.replace(risk_input(payments[-1]), **dict.fromkeys(keys))
    ((_, found),) = raw_features(connection, [asked])
    of_merchant = {f.name for f in FEATURES if f.entity == "merchant"}
    for feature in FEATURES:
        if feature.name not in of_merchant:
            assert found[feature.name] == feature.empty, feature.name


def test_no_table_is_read_from_end_to_end(connection):
    """Also while the tables are empty and nothing is known of them: the plan may outlive that."""
    asked = parameters([risk_input(busy(1, 1)[0][0])])
    connection.execute("set plan_cache_mode = force_generic_plan")
    explain = f"explain (costs off) {QUERIES['raw_features']}"
    for _ in range(2):
        plan = [next(iter(row.values())) for row in connection.execute(explain, asked)]
        assert not [line for line in plan if "Seq Scan" in line]
        insert(connection, *busy(300, 2))
        connection.commit()


# ── whatever may be written as a feature ─────────────────────────────────────────────────────


def every() -> tuple[Feature, ...]:
    """Each entity, filter and aggregate that is not refused, in windows of two lengths."""
    aggregates = ("count", "sum", "sum_squares", "max", "last", "streak", "distinct_customers")
    found = []
    for entity, kind, aggregate, window_s in product(
        KEYS, FILTERS, aggregates, (HOUR.seconds, 5 * DAY_S)
    ):
        for of in FILTERS[kind]:
            name = f"{entity}_{kind}_{of}_{aggregate}_{window_s}"
            feature = Feature(name, 1, entity, kind, of, aggregate, window_s, 0)
            try:
                found += validated((feature,))
            except ValueError:
                continue
    return tuple(found)


@pytest.fixture
def everything(monkeypatch):
    """The compiler, with every feature there can be for a list."""
    features = every()
    monkeypatch.setattr(compile_postgres, "FEATURES", features)
    lengths = {tiled: {f.window_s for f in features if f.tiled is tiled} for tiled in (True, False)}
    monkeypatch.setattr(tiles, "_WINDOWS", tuple(sorted(lengths[True])))
    monkeypatch.setattr(tiles, "_SINCE", tuple(sorted(lengths[False])))
    for cached in (tiles._tiles, tiles._tile_columns):
        cached.cache_clear()
    yield features
    for cached in (tiles._tiles, tiles._tile_columns):
        cached.cache_clear()


@pytest.mark.parametrize("seed", [11, 12])
def test_every_possible_feature_equals_the_oracle(connection, everything, seed):
    payments, labels = busy(120, seed)
    payments = [replace(p, device="dev") if n % 3 else p for n, p in enumerate(payments)]
    labels = [Label(payments[n], label.known_at, label.fraud) for n, label in enumerate(labels)]
    insert(connection, payments, labels)
    query = parse_queries(compile_postgres.compile_features())["raw_features"]
    events = {
        "transaction": [oracle.Event(p.at, p, None) for p in payments],
        "label": [oracle.Event(label.known_at, label.payment, label.fraud) for label in labels],
    }
    for payment in payments[::6]:
        found = connection.execute(query, parameters([risk_input(payment)])).fetchone()
        for feature in everything:
            expected = oracle.aggregate(feature, payment, events[feature.kind])
            assert found[feature.name] == expected, feature.name
