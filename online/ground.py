"""What the slices stand on: database, writer, clock, rails, risk; wired before any use case.

Belongs here: collaborators that many slices share. Does not: a slice's own wiring (its `build.py`).
"""

from pathlib import Path

import msgspec

from online.attempts.build import schedules_of
from online.attempts.service import Attempts
from online.customers.rights import load_rights
from online.customers.service import Customers
from online.delegations.build import build_delegations
from online.delegations.service import Delegations
from online.devices import service as devices_service
from online.devices.rulebook import load_device_rules
from online.devices.service import Devices
from online.handles import service as handles_service
from online.handles.service import Handles
from online.kernel.clock import Clock, FileClock, SystemClock
from online.ledger.writer import Writer
from online.limits.domain import UserLimits
from online.limits.rulebook import load_limits
from online.limits.service import Limits
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
from online.upi.build import build_upi
from online.upi.service import Upi
from online.vault.service import Vault, build_vault
from online.wallets.build import build_wallets
from online.wallets.service import Wallets
from online.wallets.top_ups import TopUps


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
    limits: Limits
    handles: Handles
    delegations: Delegations
    wallets: Wallets
    top_ups: TopUps
    upi: Upi
    vault: Vault
    rails: Rails
    routing: Routing
    attempts: Attempts
    screening: Screening
    risk: Risk


def per_user(settings: Settings) -> UserLimits:
    limits = settings.rate_limits.per_user
    return UserLimits(
        transactions_per_day=limits.transactions_per_day,
        amount_per_day_minor=limits.amount_per_day_minor,
    )


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
    customers = Customers(database, clock, load_rights(ROOT / "config" / "users.yaml"))
    devices = _devices(database, writer, clock, customers=customers, keys=keys)
    fraud = settings.fraud_detection
    screening = build_screening(fraud, database=database, writer=writer, clock=clock, vault=vault)
    handles = _handles(database, writer, clock, customers=customers, vault=vault)
    merchants = Merchants(database, clock, credentials)
    table = load_limits(ROOT / "config" / "limits.yaml", per_user(settings))
    limits = Limits(table, customers, devices, database)
    attempts = Attempts(rails, schedules_of(settings), clock, routing)
    wallets = build_wallets(
        database=database,
        writer=writer,
        clock=clock,
        attempts=attempts,
        merchants=merchants,
        customers=customers,
        routing=routing,
        vault=vault,
        limits=limits,
    )
    return Ground(
        settings=settings,
        clock=clock,
        database=database,
        readings=readings,
        writer=writer,
        credentials=credentials,
        merchants=merchants,
        customers=customers,
        devices=devices,
        handles=handles,
        delegations=build_delegations(
            database, writer, clock, customers=customers, devices=devices, vault=vault
        ),
        wallets=wallets.wallets,
        top_ups=wallets.top_ups,
        limits=limits,
        upi=build_upi(keys),
        vault=vault,
        rails=rails,
        routing=routing,
        attempts=attempts,
        screening=screening,
        risk=build_risk(
            readings,
            screening,
            bundle_path=fraud.ml_model_path if fraud.enabled else None,
            devices=devices,
        ),
    )


def _devices(
    database: Database, writer: Writer, clock: Clock, *, customers: Customers, keys: Path
) -> Devices:
    return Devices(
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


def _handles(
    database: Database, writer: Writer, clock: Clock, *, customers: Customers, vault: Vault
) -> Handles:
    return Handles(
        handles_service.Collaborators(
            database=database, writer=writer, clock=clock, customers=customers, vault=vault
        )
    )


def _rails(settings: Settings, vault: Vault, clock: Clock) -> Rails:
    if settings.sandbox.rails_in_process:
        return in_process_rails(settings.payment_routes, vault, clock)
    return http_rails(settings.payment_routes, vault, settings.rails, clock)
