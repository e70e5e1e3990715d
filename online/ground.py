"""What the slices stand on: database, writer, clock, rails, risk; wired before any use case.

Belongs here: collaborators that many slices share. Does not: a slice's own wiring (its `build.py`).
"""

import msgspec

from online.attempts.build import schedules_of
from online.attempts.service import Attempts
from online.customers.service import Customers
from online.devices import service as devices_service
from online.devices.rulebook import load_device_rules
from online.devices.service import Devices
from online.kernel.clock import Clock, FileClock, SystemClock
from online.ledger.writer import Writer
from online.merchants.service import Merchants
from online.platform.db import Database
from online.platform.settings import ROOT, Settings
from online.rails.registry import Rails, http_rails, in_process_rails
from online.risk.build import build_risk
from online.risk.evidence import DeviceUse
from online.risk.service import Risk
from online.routing.build import build_routing
from online.routing.service import Routing
from online.screening.build import Screening, build_screening
from online.security.build import build_credentials
from online.security.keyfiles import load_key_ring
from online.security.service import Credentials
from online.vault.service import Vault, build_vault


def clock_of(settings: Settings) -> Clock:
    """System time, or the sandbox's clock that a file moves."""
    if settings.sandbox.test_clock:
        return FileClock(settings.data_dir / "clock.json")
    return SystemClock()


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What the slices stand on."""

    settings: Settings
    clock: Clock
    database: Database
    readings: Database
    writer: Writer
    credentials: Credentials
    merchants: Merchants
    customers: Customers
    devices: Devices
    vault: Vault
    rails: Rails
    routing: Routing
    attempts: Attempts
    screening: Screening
    risk: Risk


def build_ground(settings: Settings, clock: Clock | None = None) -> Ground:
    clock = clock or clock_of(settings)
    postgres = settings.database.postgres
    size, role = postgres.max_connections, postgres.role or None
    database = Database(postgres.url, size=size, role=role)
    readings = Database(postgres.url, size=max(2, size // 2), role=role, planned_once=True)
    keys = settings.data_dir / "keys"
    vault = build_vault(database, clock, keys)
    rails = _rails(settings, vault, clock)
    routing = build_routing(settings, clock)
    credentials = build_credentials(settings, database, clock)
    writer = Writer(database)
    customers = Customers(database, clock)
    devices = Devices(
        devices_service.Collaborators(
            database=database,
            writer=writer,
            clock=clock,
            customers=customers,
            usage=DeviceUse(),
            rules=load_device_rules(ROOT / "config" / "devices.yaml"),
            secret=load_key_ring(keys / "device_hash.key", "device_hash").key(1),
        )
    )
    fraud = settings.fraud_detection
    screening = build_screening(fraud, database=database, writer=writer, clock=clock, vault=vault)
    return Ground(
        settings=settings,
        clock=clock,
        database=database,
        readings=readings,
        writer=writer,
        credentials=credentials,
        merchants=Merchants(database, clock, credentials),
        customers=customers,
        devices=devices,
        vault=vault,
        rails=rails,
        routing=routing,
        attempts=Attempts(rails, schedules_of(settings), clock, routing),
        screening=screening,
        risk=build_risk(
            readings,
            screening,
            bundle_path=fraud.ml_model_path if fraud.enabled else None,
            devices=devices,
        ),
    )


def _rails(settings: Settings, vault: Vault, clock: Clock) -> Rails:
    if settings.sandbox.rails_in_process:
        return in_process_rails(settings.payment_routes, vault, clock)
    return http_rails(settings.payment_routes, vault, settings.rails)
