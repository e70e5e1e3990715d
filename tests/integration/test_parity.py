"""What was served equals what training computes: a hundred thousand events, both ways."""

import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from models.fraud import parity
from models.fraud.features import FEATURES
from online.ledger.writer import Writer
from online.platform.db import Database
from tests.integration.parity_world import DAY, START, Sizes, World
from tests.risk import risk_on
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.ingest import PostgresSource, ingest

pytestmark = pytest.mark.anyio

READ_WHILE_WRITTEN = """
SELECT count(*) FROM raw_events WHERE (data ->> '$.risk.snapshot') SIMILAR TO '.*:.*:[0-9].*'
"""
FAR = START + timedelta(days=9)
SIZES = Sizes(past=40_000, crowd=22_000, decided=20_000, labels=4_000, slow=200)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    database = Database(database_url, size=20, planned_once=True)
    await database.open()
    writers = [Writer(database, tasks=2) for _ in range(2)]
    for writer in writers:
        await writer.start()
    risk = risk_on(database)
    yield World(database, risk, writers, random.Random(5))
    for writer in writers:
        await writer.stop()
    await risk.stop()
    await database.close()


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Warehouse]:
    config = LakeConfig(
        catalog=str(tmp_path / "lake.ducklake"),
        data_path=str(tmp_path / "lake"),
        temp_directory=str(tmp_path / "spill"),
    )
    with Warehouse(config) as warehouse:
        schema.ensure(warehouse)
        yield warehouse


async def test_what_was_served_is_what_training_computes(
    world: World, lake: Warehouse, reader_url: str
) -> None:
    begun = time.perf_counter()
    await world.live(SIZES)
    served = time.perf_counter()
    ingest(lake, PostgresSource(reader_url), at=world.now())
    ingested = time.perf_counter()
    found = parity.verdict(lake, DAY)
    print(
        f"served in {served - begun:.1f} s, ingested in {ingested - served:.1f} s,"
        f" replayed in {time.perf_counter() - ingested:.1f} s; the world's clock {world.now()}"
    )
    assert lake.count("raw_events") >= 100_000
    assert lake.rows(READ_WHILE_WRITTEN)[0][0] > SIZES.decided // 20
    assert world.rolled_back > 0
    assert (found.compared, found.left_out) == (len(world.decided), 0)
    assert found.first == ()
    assert found.mismatches == 0
    _falsify(lake, world)


def _falsify(lake: Warehouse, world: World) -> None:
    """One served value, one payment and one label made otherwise: each is found by its name."""
    first = min(world.of_live_mode(), key=lambda payment: (payment.at, payment.payment_id))
    ((data,),) = lake.rows(
        "SELECT data FROM raw_events WHERE aggregate_id = $id AND version = 2", id=first.payment_id
    )
    record = json.loads(data)
    record["risk"]["features"]["merchant_count_24h"] += 1
    lake.execute(
        "UPDATE raw_events SET data = $data WHERE aggregate_id = $id AND version = 2",
        id=first.payment_id,
        data=json.dumps(record),
    )
    gone, moved = _one_of_each(lake)
    lake.execute("DELETE FROM raw_events WHERE aggregate_id = $gone", gone=gone)
    lake.execute("UPDATE raw_events SET timestamp = $at WHERE id = $moved", moved=moved, at=FAR)
    found = parity.verdict(lake, DAY)
    assert found.mismatches > 2
    unequal = lake.rows("SELECT payment_id, feature, served, replayed FROM parity_unequal")
    named = {feature for _, feature, _, _ in unequal}
    kinds = {feature.kind for feature in FEATURES if feature.name in named}
    assert kinds == {"transaction", "label"}
    served = record["risk"]["features"]["merchant_count_24h"]
    (value,) = [row for row in unequal if row[:2] == (first.payment_id, "merchant_count_24h")]
    assert value[2] == str(served)
    assert int(value[3]) in (served - 1, served - 2)  # the second, if the payment was its own


def _one_of_each(lake: Warehouse) -> tuple[UUID, UUID]:
    """Of the busiest merchant in live mode: a payment of the day before, and a label."""
    ((merchant,),) = lake.rows(
        "SELECT mode(merchant_id) FROM raw_events WHERE event_type = 'payment.created' AND livemode"
    )
    ((gone,),) = lake.rows(
        "SELECT arg_max(aggregate_id, timestamp) FROM raw_events"
        " WHERE event_type = 'payment.created' AND livemode AND merchant_id = $merchant"
        " AND timestamp < $start",
        merchant=merchant,
        start=START,
    )
    ((moved,),) = lake.rows(
        "SELECT arg_max(id, timestamp) FROM raw_events"
        " WHERE event_type = 'label.recorded' AND livemode AND merchant_id = $merchant"
        " AND timestamp < $start",
        merchant=merchant,
        start=START,
    )
    return gone, moved
