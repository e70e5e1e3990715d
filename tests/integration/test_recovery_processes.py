"""Real workers: killed at any moment, told to stop, and their database killed under them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
import psycopg
import pytest

from online.operations.verify import verify_books
from online.platform.embedded_postgres import EmbeddedPostgres
from online.platform.migrations.run import upgrade
from tests.architecture.source import ROOT
from tests.databases import PASSWORDS
from tests.gateways import Gateway, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio
MANY = 60
# A worker's rails are in its own process and know nothing of ours, which is final after 300 s.
FINAL = timedelta(seconds=400)
SETTLED = {"failed": MANY}


class Place:
    """A PostgreSQL of its own, the service on it, and what workers need to find both."""

    def __init__(self, postgres: EmbeddedPostgres, gateway: Gateway, data_dir: Path) -> None:
        self.postgres = postgres
        self.gateway = gateway
        self.owner_url = postgres.url("khata")
        self.metrics_port = 0  # of the worker that was started last
        at = urlsplit(self.owner_url)
        self._environ = {
            "KHATA_CONFIG": str(ROOT / "config" / "dev.yaml"),
            "KHATA_DATA_DIR": str(data_dir),
            "KHATA_DATABASE__POSTGRES__HOST": "127.0.0.1",
            "KHATA_DATABASE__POSTGRES__PORT": str(at.port),
            "KHATA_DATABASE__POSTGRES__DATABASE": "khata",
            "KHATA_DATABASE__POSTGRES__USER": "khata_app",
            "KHATA_DATABASE__POSTGRES__PASSWORD": PASSWORDS["khata_app"],
            "KHATA_DATABASE__POSTGRES__ROLE": "",
            "KHATA_SANDBOX__RAILS_IN_PROCESS": "true",
            "KHATA_RECOVERY__NOT_FOUND_FINAL_AFTER_S": "300",
        }

    @contextmanager
    def worker(self, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KHATA_")}
        self.metrics_port = _free_port()
        port = {"KHATA_WORKER__METRICS_PORT": str(self.metrics_port)}
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "online", "worker"],
                cwd=ROOT,
                env=clean | self._environ | port,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def statuses(self) -> dict[str, int]:
        with psycopg.connect(self.owner_url) as connection:
            rows = connection.execute("select status, count(*) from attempts group by 1")
            return dict(rows.fetchall())

    async def until_settled(self, at_least: int, patience_s: float = 60) -> None:
        ends = time.monotonic() + patience_s
        while (found := self.statuses()).get("failed", 0) < at_least:
            assert time.monotonic() < ends, found
            await anyio.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def place(tmp_path) -> AsyncIterator[Place]:
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute("create database khata")
        url = postgres.url("khata")
        upgrade(url, today=datetime.now(UTC).date())
        with psycopg.connect(url, autocommit=True) as connection:
            for role, password in PASSWORDS.items():
                connection.execute(f"alter role {role} login password '{password}'")
        as_app = postgres.url("khata", user="khata_app", password=PASSWORDS["khata_app"])
        async with AsyncExitStack() as stack:
            settings = settings_for(
                as_app,
                tmp_path,
                KHATA_BREAKERS__MIN_CALLS="1000",
                KHATA_BREAKERS__WINDOW_CALLS="1000",
            )
            gateway = await stack.enter_async_context(gateway_on(settings))
            for _ in range(MANY):
                await gateway.pay(100, upi("timeout@khata"))
            gateway.later(FINAL)
            yield Place(postgres, gateway, tmp_path)


async def test_workers_and_their_database_are_killed_and_everything_is_settled(place, tmp_path):
    log = tmp_path / "workers.log"
    with place.worker(log) as first, place.worker(log) as second:
        await place.until_settled(1)
        first.send_signal(signal.SIGKILL)
        with place.worker(log) as third:
            await place.until_settled(MANY // 4)
            os.kill(place.postgres.pid, signal.SIGKILL)
            await anyio.sleep(1)
            second.send_signal(signal.SIGKILL)
            place.postgres.start()
            killed_at = time.monotonic()
            await place.until_settled(MANY)
            assert time.monotonic() - killed_at < 45
            third.send_signal(signal.SIGTERM)
            assert third.wait(20) == 0, log.read_text("utf-8")[-3_000:]
    assert place.statuses() == SETTLED
    report = await verify_books(place.owner_url)
    assert report.holds, report
    with psycopg.connect(place.owner_url) as connection:
        twice = connection.execute(
            "select aggregate_id from payment_events where event_type = 'attempt.failed'"
            " group by 1 having count(*) > 1"
        ).fetchall()
    assert twice == []


async def test_a_worker_that_starts_before_its_database_waits_for_it(place, tmp_path):
    log = tmp_path / "worker.log"
    os.kill(place.postgres.pid, signal.SIGKILL)
    with place.worker(log) as worker:
        await anyio.sleep(4)
        assert worker.poll() is None
        waits = log.read_text("utf-8").count("worker_waits")
        assert waits < 20, "it does not spin"
        place.postgres.start()
        await place.until_settled(MANY)
        async with httpx.AsyncClient() as client:
            told = (await client.get(f"http://127.0.0.1:{place.metrics_port}/metrics")).text
        assert 'payments_unknown_oldest_seconds{livemode="true"} 0.0' in told
        assert 'payments_unknown_oldest_seconds{livemode="false"}' in told
        assert "recovery_swept_timestamp_seconds" in told
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0, log.read_text("utf-8")[-3_000:]


async def test_a_worker_whose_database_is_gone_still_ends_when_told_to(place, tmp_path):
    log = tmp_path / "worker.log"
    with place.worker(log) as worker:
        await place.until_settled(1)
        os.kill(place.postgres.pid, signal.SIGKILL)
        await anyio.sleep(1)
        began = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0, log.read_text("utf-8")[-3_000:]
        assert time.monotonic() - began < 25  # eleven seconds, measured
    place.postgres.start()
    for _ in range(20):  # connections that were lost are found out one by one
        await place.gateway.recover(timedelta(seconds=60))
    assert "unknown" not in place.statuses(), "the rest is taken up by others"
