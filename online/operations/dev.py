"""`dev`: a whole sandbox from nothing — database, banks, service, worker, one merchant.

Prints one line of JSON with everything a client needs, then runs until SIGTERM. Data is kept
between runs. What dies is started again, PostgreSQL too, as an operator's supervisor would.
"""

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from online.callbacks.secrets import newest_secret
from online.kernel import ids
from online.kernel.clock import SystemClock
from online.merchants.service import NewMerchant
from online.platform.embedded_postgres import EmbeddedPostgres
from online.platform.migrations.run import upgrade
from online.platform.settings import ROOT, load_settings
from online.rails.registry import dialects
from online.security.service import NewClient
from online.services import build_services

_DATABASE: Final = "khata"
_LAKE: Final = "khata_lake"
_ROLES: Final = ("khata_app", "khata_reader", "khata_lake")
_PATIENCE_S: Final = 60
_RESTART_PAUSE_S: Final = 0.3
_PR_SET_PDEATHSIG: Final = 1


def run(*, port: int, data_dir: Path, as_json: bool) -> None:
    """Everything, until SIGTERM or Ctrl-C."""
    data_dir = data_dir.absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    stopping = _Stopping()
    with EmbeddedPostgres(data_dir / "postgres") as postgres:
        roles = _prepare_database(postgres, data_dir)
        port, sandbox_port = port or _free_port(), _free_port()
        metrics_port, worker_metrics_port = _free_port(), _free_port()
        environment = {
            **_environment(postgres, roles, data_dir, port, sandbox_port),
            "KHATA_SERVER__METRICS_PORT": str(metrics_port),
            "KHATA_WORKER__METRICS_PORT": str(worker_metrics_port),
        }
        os.environ.update(environment)  # for this process's own look at the settings
        about = {
            **_identities(data_dir),
            "base_url": f"http://127.0.0.1:{port}",
            "metrics_url": f"http://127.0.0.1:{metrics_port}/metrics",
            "worker_metrics_url": f"http://127.0.0.1:{worker_metrics_port}/metrics",
            "admin_token": environment["KHATA_SECURITY__ADMIN_TOKEN"],
            "database_url": postgres.url(_DATABASE, "khata_app", roles["khata_app"]),
            "reader_database_url": postgres.url(_DATABASE, "khata_reader", roles["khata_reader"]),
            "lake_database_url": postgres.url(_LAKE, "khata_lake", roles["khata_lake"]),
            "sandbox_url": f"http://127.0.0.1:{sandbox_port}",
            "clock_file": str(data_dir / "clock.json"),
            "data_dir": str(data_dir),
            "model_bundle_path": str(load_settings().fraud_detection.ml_model_path),
        }
        with _Children(_commands(data_dir, port, sandbox_port), data_dir) as children:
            _wait_until_ready(about["base_url"], children, stopping)
            _write_private(data_dir / "dev.json", json.dumps(about, indent=2))
            print(json.dumps(about) if as_json else _readable(about), flush=True)  # noqa: T201
            while not stopping:
                postgres.start()  # again, where it was killed: at the same address
                children.restart_dead()
                time.sleep(_RESTART_PAUSE_S)


class _Stopping:
    """Set by SIGTERM and SIGINT."""

    def __init__(self) -> None:
        self._set = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self._set = True

    def __bool__(self) -> bool:
        return self._set


class _Children:
    """Named child processes that end with us and are started again when they die."""

    def __init__(self, commands: dict[str, list[str]], data_dir: Path) -> None:
        self._commands = commands
        self._logs = data_dir / "logs"
        self._logs.mkdir(exist_ok=True)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "_Children":
        for name in self._commands:
            self._start(name)
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def restart_dead(self) -> None:
        for name, process in list(self._running.items()):
            if process.poll() is not None:
                self._start(name)

    def log_of(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _start(self, name: str) -> None:
        with self.log_of(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._commands[name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - this process has one thread
                cwd=ROOT,
            )


def _end_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - in the child

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _commands(data_dir: Path, port: int, sandbox_port: int) -> dict[str, list[str]]:
    python = [sys.executable, "-m"]
    return {
        "sandbox": [
            *(*python, "online.sandbox", "serve", "--port", str(sandbox_port)),
            *("--data", str(data_dir / "sandbox"), "--clock", str(data_dir / "clock.json")),
            *("--callback-url", f"http://127.0.0.1:{port}"),
            *("--callback-secrets", str(_rail_secrets(data_dir))),
        ],
        "service": [*python, "online", "serve"],
        "worker": [*python, "online", "worker"],
    }


def _prepare_database(postgres: EmbeddedPostgres, data_dir: Path) -> dict[str, str]:
    """Databases, schema and roles; answers each role's password."""
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        for name in (_DATABASE, _LAKE):
            exists = connection.execute("select 1 from pg_database where datname = %s", [name])
            if exists.fetchone() is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    upgrade(postgres.url(_DATABASE), today=SystemClock().now().date())
    roles = _role_passwords(data_dir)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        if connection.execute("select 1 from pg_roles where rolname = %s", [_LAKE]).fetchone():
            pass
        else:
            connection.execute(sql.SQL("create role {}").format(sql.Identifier(_LAKE)))
        for role, password in roles.items():
            connection.execute(
                sql.SQL("alter role {} login password {}").format(sql.Identifier(role), password)
            )
        lake = sql.Identifier(_LAKE)
        connection.execute(sql.SQL("alter database {} owner to {}").format(lake, lake))
    return roles


def _rail_secrets(data_dir: Path) -> Path:
    """What the banks sign their callbacks with, in a file of theirs."""
    rails = dialects(load_settings().payment_routes)
    secrets_of = {r: b64encode(newest_secret(data_dir / "keys", r)).decode() for r in rails}
    path = data_dir / "rail_secrets.json"
    _write_private(path, json.dumps(secrets_of))
    return path


def _role_passwords(data_dir: Path) -> dict[str, str]:
    path = data_dir / "roles.json"
    if path.exists():
        known: dict[str, str] = json.loads(path.read_text("utf-8"))
        return known
    made = {role: secrets.token_hex(16) for role in _ROLES}
    _write_private(path, json.dumps(made))
    return made


def _environment(
    postgres: EmbeddedPostgres, roles: dict[str, str], data_dir: Path, port: int, sandbox_port: int
) -> dict[str, str]:
    """What the children find instead of the defaults."""
    admin = data_dir / "admin_token"
    if not admin.exists():
        _write_private(admin, f"adm_{secrets.token_hex(24)}")
    overlays = [str(ROOT / "config" / "dev.yaml"), os.environ.get("KHATA_CONFIG", "")]
    environment = {
        "KHATA_CONFIG": os.pathsep.join(filter(None, overlays)),
        "KHATA_DATA_DIR": str(data_dir),
        "KHATA_SERVER__PORT": str(port),
        "KHATA_SECURITY__ADMIN_TOKEN": admin.read_text("utf-8"),
        "KHATA_DATABASE__POSTGRES__HOST": "127.0.0.1",
        "KHATA_DATABASE__POSTGRES__PORT": str(postgres.port),
        "KHATA_DATABASE__POSTGRES__DATABASE": _DATABASE,
        "KHATA_DATABASE__POSTGRES__USER": "khata_app",
        "KHATA_DATABASE__POSTGRES__PASSWORD": roles["khata_app"],
        "KHATA_DATABASE__POSTGRES__ROLE": "",
    }
    for route in load_settings().payment_routes:
        name = f"KHATA_PAYMENT_ROUTES__{route.name.upper()}__URL"
        environment[name] = f"http://127.0.0.1:{sandbox_port}/rails/{route.name}"
    return environment


def _identities(data_dir: Path) -> dict[str, str]:
    """The seeded merchant and the offline side's client, made on the first run."""
    path = data_dir / "identities.json"
    if path.exists():
        known: dict[str, str] = json.loads(path.read_text("utf-8"))
        return known
    merchant, service = asyncio.run(_make_identities())
    made = {
        "merchant_id": ids.encode("mrc", merchant.merchant.id),
        "client_id": merchant.client.client_id,
        "client_secret": merchant.client.client_secret,
        "signing_key_id": merchant.signing_key.id,
        "signing_secret": merchant.signing_key.secret,
        "publishable_key": merchant.publishable_key,
        "service_client_id": service.client_id,
        "service_client_secret": service.client_secret,
    }
    _write_private(path, json.dumps(made))
    return made


async def _make_identities() -> tuple[NewMerchant, NewClient]:
    settings = load_settings()
    services = build_services(settings)
    await services.database.open()
    try:
        merchant = await services.merchants.create(
            name="Chai Point Demo",
            mcc="5812",
            state_code="29",
            requires_signature=settings.security.require_signature,
            livemode=False,
        )
        async with services.database.transaction() as tx:
            service = await services.credentials.create_client(tx, merchant_id=None, livemode=False)
    finally:
        await services.database.close()
    return merchant, service


def _wait_until_ready(base_url: str, children: _Children, stopping: _Stopping) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not stopping:
        try:
            with urllib.request.urlopen(f"{base_url}/ready", timeout=2):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > end:
                sys.exit(f"the service does not start; see {children.log_of('service')}")
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _write_private(path: Path, text: str) -> None:
    """Readable by us alone, whole or not at all."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def _readable(about: dict[str, Any]) -> str:
    return "\n".join(f"{name:22} {value}" for name, value in about.items())
