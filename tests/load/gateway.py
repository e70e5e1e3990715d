"""Confirmed payments a second over HTTP: JWT and HMAC verified, limits, risk, routing, two
commits, in-process rail, two workers. The load generator runs on the same cores."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.load import clients, cpu
from tests.load.clients import Load, Merchant
from tests.load.stage import Figure, Stage

_MERCHANTS = 20
_ADMIN = "adm_" + "b" * 48
ROOT = Path(__file__).resolve().parents[2]


def figures(stage: Stage, seconds: int, plain: float) -> list[Figure]:
    url, _ = stage.database("bench_gateway")
    port = _free_port()
    process = _serve(stage.folder, url, port)
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(base, process)
        merchants = [_merchant(base, n) for n in range(_MERCHANTS)]
        clients.run(Load(port, merchants, 64, 2))  # connections, caches, partitions are warm now
        runs = [(f"gateway_{n}", Load(port, merchants, n, seconds)) for n in (1, 8, 64, 256)]
        runs.append(("gateway_hot_merchant", Load(port, merchants[:1], 256, seconds)))
        roots = {"service": process.pid, "postgres": stage.postgres.pid}
        return [_figure(name, load, plain, roots) for name, load in runs]
    finally:
        process.terminate()
        process.wait(30)


def _figure(name: str, load: Load, plain: float, roots: dict[str, int]) -> Figure:
    """Beside throughput: latencies, and processor time a payment of each side."""
    before = {who: cpu.seconds(pid) for who, pid in roots.items()}
    own = time.process_time()
    tally = clients.run(load)
    spent = {who: cpu.seconds(pid) - before[who] for who, pid in roots.items()}
    spent["clients"] = time.process_time() - own
    made = len(tally.latencies_ms)
    more: dict[str, Any] = {
        f"p{part}_ms": round(tally.percentile(part / 100), 1) for part in (50, 95, 99)
    }
    more |= {f"{who}_cpu_ms": round(1000 * s / max(1, made), 3) for who, s in spent.items()}
    if tally.refused:
        more |= {"refused": tally.refused, "refusal": tally.example}
    return Figure(name, made / load.seconds, plain, "payments/s", more)


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
