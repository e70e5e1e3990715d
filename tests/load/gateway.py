"""Confirmed payments a second over HTTP: JWT and HMAC verified, limits, risk, routing, two
commits, in-process rail, two workers. The load generator runs on the same cores."""

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from online.kernel.clock import SystemClock
from tests.load.stage import Figure, Stage

_PATH = "/api/v1/payments"
_MERCHANTS = 20
_ADMIN = "adm_" + "b" * 48
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Merchant:
    token: str
    key_id: str
    secret: bytes


@dataclass
class Load:
    port: int
    merchants: list[Merchant]
    clients: int
    seconds: int


@dataclass
class Tally:
    latencies_ms: list[float] = field(default_factory=list)
    refused: int = 0

    def percentile(self, part: float) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def figures(stage: Stage, seconds: int, plain: float) -> list[Figure]:
    url, _ = stage.database("bench_gateway")
    port = _free_port()
    process = _serve(stage.folder, url, port)
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(base, process)
        merchants = [_merchant(base, n) for n in range(_MERCHANTS)]
        _run(Load(port, merchants, 64, 2))  # connections, caches and partitions are warm from here
        runs = [(f"gateway_{n}", Load(port, merchants, n, seconds)) for n in (1, 8, 64, 256)]
        runs.append(("gateway_hot_merchant", Load(port, merchants[:1], 256, seconds)))
        return [_figure(name, load, plain, process.pid) for name, load in runs]
    finally:
        process.terminate()
        process.wait(30)


def _figure(name: str, load: Load, plain: float, service: int) -> Figure:
    spent_ms = _cpu_ms(service)
    tally = _run(load)
    spent_ms = _cpu_ms(service) - spent_ms
    more: dict[str, Any] = {
        f"p{part}_ms": round(tally.percentile(part / 100), 1) for part in (50, 95, 99)
    }
    # Of the service's processes alone: what stays comparable on a busy machine.
    more["service_cpu_ms"] = round(spent_ms / max(1, len(tally.latencies_ms)), 2)
    if tally.refused:
        more["refused"] = tally.refused
    return Figure(name, len(tally.latencies_ms) / load.seconds, plain, "payments/s", more)


def _cpu_ms(root: int) -> float:
    """Processor time of a process and those below it, user and system, from procfs."""
    parents, ticks = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = int(stat.parent.name), stat.read_text().rpartition(") ")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        parents[pid], ticks[pid] = int(rest[1]), int(rest[11]) + int(rest[12])
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(pid, 0) for pid in family) * 1000 / os.sysconf("SC_CLK_TCK")


def _serve(folder: Path, url: str, port: int) -> subprocess.Popen[bytes]:
    login, _, address = url.removeprefix("postgresql://").partition("@")
    host_port, _, database = address.partition("/")
    environment = {
        **os.environ,
        "KHATA_CONFIG": str(ROOT / "config" / "dev.yaml"),
        "KHATA_DATA_DIR": str(folder / "service"),
        "KHATA_SERVER__PORT": str(port),
        "KHATA_SECURITY__ADMIN_TOKEN": _ADMIN,
        "KHATA_SECURITY__REQUIRE_SIGNATURE": "true",
        "KHATA_SANDBOX__RAILS_IN_PROCESS": "true",
        "KHATA_SANDBOX__TEST_CLOCK": "false",
        "KHATA_DATABASE__POSTGRES__HOST": host_port.partition(":")[0],
        "KHATA_DATABASE__POSTGRES__PORT": host_port.partition(":")[2],
        "KHATA_DATABASE__POSTGRES__DATABASE": database,
        "KHATA_DATABASE__POSTGRES__USER": login.partition(":")[0],
        "KHATA_DATABASE__POSTGRES__PASSWORD": login.partition(":")[2],
        "KHATA_DATABASE__POSTGRES__ROLE": "",
    }
    log = (folder / "service.log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", "online", "serve"], cwd=ROOT, env=environment, stdout=log, stderr=log
    )


def _wait(base: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError("the service ended")
        try:
            if httpx.get(f"{base}/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("the service does not start")


def _merchant(base: str, number: int) -> Merchant:
    made = httpx.post(
        f"{base}/api/v1/merchants",
        json={"name": f"Shop {number}", "mcc": "5812", "state_code": "29"},
        headers={"Authorization": f"Bearer {_ADMIN}"},
    )
    made.raise_for_status()
    about = made.json()["secrets"]
    token = httpx.post(
        f"{base}/api/v1/auth/token",
        json={
            "grant_type": "client_credentials",
            "client_id": about["client_id"],
            "client_secret": about["client_secret"],
        },
    )
    token.raise_for_status()
    access: str = token.json()["access_token"]
    return Merchant(access, about["signing_key_id"], about["signing_secret"].encode())


def _run(load: Load) -> Tally:
    tally = Tally()
    asyncio.run(_drive(load, tally))
    return tally


async def _drive(load: Load, tally: Tally) -> None:
    end = time.perf_counter() + load.seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
        merchant = load.merchants[number % len(load.merchants)]
        turn = 0
        while time.perf_counter() < end:
            turn += 1
            started = time.perf_counter()
            writer.write(_request(merchant, number, turn))
            ok = await _answered(reader)
            now = time.perf_counter()
            if not ok:
                tally.refused += 1
            elif now < end:
                tally.latencies_ms.append((now - started) * 1000)
        writer.close()

    await asyncio.gather(*(client(n) for n in range(load.clients)))


def _request(merchant: Merchant, client: int, turn: int) -> bytes:
    """A signed payment, as a merchant's server would send it."""
    method = {"type": "upi", "upi": {"vpa": f"user{client}x{turn % 50}@ybl"}}
    body = json.dumps({"amount": 10_000 + turn % 1_000, "payment_method": method}).encode()
    nonce = secrets.token_hex(12)
    t = int(SystemClock().now().timestamp())
    digest = hashlib.sha256(body).hexdigest()
    message = f"v1\n{t}\n{nonce}\nPOST\n{_PATH}\n{digest}\n{nonce}".encode()
    v1 = hmac.new(merchant.secret, message, hashlib.sha256).hexdigest()
    head = (
        f"POST {_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {merchant.token}\r\nIdempotency-Key: {nonce}\r\n"
        f"Khata-Request-Signature: t={t},n={nonce},kid={merchant.key_id},v1={v1}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _answered(reader: asyncio.StreamReader) -> bool:
    """Whether a captured payment came back."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    body = await reader.readexactly(length)
    return head.startswith(b"HTTP/1.1 201") and b'"status":"captured"' in body


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
