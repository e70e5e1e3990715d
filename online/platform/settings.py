"""Settings: YAML defaults, overlays and the environment, read once into one frozen object.

Belongs here: the shape of the settings and how each source is laid over the one before.
Does not: a meaning that one slice gives to a value.

Order, later wins: `config/khata.yaml`, the overlays passed in, those named in `KHATA_CONFIG`
(separated like `PATH`, so that worker processes inherit them), then single values such as
`KHATA_SERVER__PORT=8081` or `KHATA_PAYMENT_ROUTES__UPI_HDFC__URL=…`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct, field

from online.platform.settings_sources import (
    ROOT,
    SettingsError,
    convert_units,
    environment,
    laid_over,
    put,
    read_yaml,
)

__all__ = ["DEFAULTS", "ROOT", "Settings", "SettingsError", "load_settings"]

DEFAULTS = ROOT / "config" / "khata.yaml"

Port = Annotated[int, Meta(ge=1, le=65535)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\Z", max_length=40)]
# Fits PostgreSQL's bigint with room for sums of a day.
AmountMinor = Annotated[int, Meta(ge=1, le=10**15)]


class Secret:
    """Text that must not be printed by a log line, a traceback or a `repr` of the settings."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('…')" if self._text else "Secret('')"


class _Block(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Server(_Block, frozen=True):
    host: str
    port: Port
    timeout_ms: Positive = field(name="timeout")
    workers: Annotated[int, Meta(ge=1, le=256)]
    metrics_host: str
    metrics_port: Port


class Postgres(_Block, frozen=True):
    host: str
    port: Port
    database: str
    max_connections: Positive
    user: str
    password: Secret = Secret("")
    # What every connection becomes; empty where `user` is that role already.
    role: str = ""

    @property
    def url(self) -> str:
        """For libpq."""
        secret = f":{quote(self.password.reveal(), safe='')}" if self.password else ""
        return f"postgresql://{quote(self.user)}{secret}@{self.host}:{self.port}/{self.database}"


class Database(_Block, frozen=True):
    embedded: bool
    postgres: Postgres


class Redis(_Block, frozen=True):
    enabled: bool
    host: str
    port: Port
    pool_size: Positive
    password: Secret = Secret("")


class Scorer(_Block, frozen=True):
    """A fraud engine outside that merchants may choose; where it lives is said here alone."""

    url: Annotated[str, Meta(pattern="^https?://")]
    timeout_ms: Annotated[int, Meta(ge=10, le=5_000)]
    token: Secret = Secret("")


class FraudDetection(_Block, frozen=True):
    enabled: bool
    ml_model_path: Path
    risk_threshold: Annotated[int, Meta(ge=1, le=100)]
    review_threshold: Annotated[int, Meta(ge=1, le=100)]
    challenge_threshold: Annotated[int, Meta(ge=1, le=100)]
    timeout_ms: Annotated[int, Meta(ge=10, le=5_000)]
    failure_mode: Literal["approve", "review", "block"]
    good_after_days: Annotated[int, Meta(ge=1, le=180)]  # risk keeps a payment a little longer
    review_lease_minutes: Annotated[int, Meta(ge=1, le=1440)]
    review_within_hours: Annotated[int, Meta(ge=1, le=8760)]
    scorers: dict[Name, Scorer] = {}


NPCI_MAX_ENQUIRIES = 3  # status checks of one UPI payment
Enquired = Annotated[int, Meta(ge=1, le=100)]


class Enquiries(_Block, frozen=True):
    """What of the `recovery` block is otherwise for one rail."""

    max_enquiries: Enquired | None = field(name="max", default=None)
    min_interval_s: Positive | None = None
    pending_interval_s: Positive | None = None
    deemed_interval_s: Positive | None = None
    not_found_final_after_s: Positive | None = None


Milliseconds = Annotated[int, Meta(ge=10, le=60_000)]
Places = Annotated[int, Meta(ge=1, le=10_000)]


class RouteTimeouts(_Block, frozen=True):
    """What of the `rails` block is otherwise for one rail."""

    connect_ms: Milliseconds | None = None
    write_ms: Milliseconds | None = None
    read_ms: Milliseconds | None = None
    pool_ms: Milliseconds | None = None


class Rails(_Block, frozen=True):
    """How rails are called; each phase of a call has a time-out of its own."""

    connect_ms: Milliseconds
    write_ms: Milliseconds
    read_ms: Milliseconds  # how long a rail may think
    pool_ms: Milliseconds  # how long a call waits for a free slot of its rail
    max_in_flight: Places
    max_enquiries_in_flight: Places
    payout_url: Annotated[str, Meta(pattern="^https?://")] | None = None


class PaymentRoute(_Block, frozen=True):
    name: Name
    provider: str
    methods: Annotated[tuple[Literal["upi", "card"], ...], Meta(min_length=1)]
    url: Annotated[str, Meta(pattern="^https?://")]
    priority: Positive
    max_amount_minor: AmountMinor = field(name="max_amount")
    fee_bp: Annotated[int, Meta(ge=0, le=10_000)] = field(name="fee_percent")
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")] = "INR"
    enquiries: Enquiries = Enquiries()
    timeouts: RouteTimeouts = RouteTimeouts()
    max_in_flight: Places | None = None


class RetryBudget(_Block, frozen=True):
    """Of one rail in one worker: how many tries that failed elsewhere it is sent."""

    percent: Annotated[int, Meta(ge=0, le=100)]
    floor_per_second: Annotated[int, Meta(ge=0, le=1_000_000)]
    burst: Positive


class Cascade(_Block, frozen=True):
    max_attempts: Annotated[int, Meta(ge=1, le=10)]
    patience_ms: Positive = field(name="patience")
    retry_budget: RetryBudget


class LateMoney(_Block, frozen=True):
    """How long after a refused return the next begins: twice as long each time, up to a limit."""

    first_retry_s: Positive
    longest_retry_s: Positive


class Routing(_Block, frozen=True):
    policy: Path = Path("config/routing.yaml")  # rules and volume splits; relative to the project


class Breakers(_Block, frozen=True):
    """One breaker for each route and operation; what each means stands in `config/khata.yaml`."""

    window_s: Annotated[int, Meta(ge=1, le=3_600)] = 60
    window_calls: Positive = 50
    min_calls: Positive = 20
    failure_percent: Annotated[int, Meta(ge=1, le=100)] = 50
    slow_call_ms: Positive = 5_000
    slow_percent: Annotated[int, Meta(ge=1, le=100)] = 80
    rest_s: Annotated[int, Meta(ge=1, le=3_600)] = 10
    probes: Annotated[int, Meta(ge=1, le=1_000)] = 3
    probe_timeout_s: Annotated[int, Meta(ge=1, le=3_600)] = 60
    memory_s: Annotated[int, Meta(ge=1, le=86_400)] = 600
    memory_calls: Positive = 1_000
    share_every_ms: Annotated[int, Meta(ge=10, le=10_000)] = 100
    share_timeout_ms: Annotated[int, Meta(ge=1, le=1_000)] = 50


class GlobalLimit(_Block, frozen=True):
    requests_per_second: Positive
    burst: Positive


class MerchantLimit(_Block, frozen=True):
    requests_per_minute: Positive
    burst: Positive


class UserLimit(_Block, frozen=True):
    transactions_per_day: Positive
    amount_per_day_minor: AmountMinor = field(name="amount_per_day")


class RateLimits(_Block, frozen=True):
    everyone: GlobalLimit = field(name="global")
    per_merchant: MerchantLimit
    per_user: UserLimit


class Recovery(_Block, frozen=True):
    max_enquiries: Enquired
    min_interval_s: Positive
    pending_interval_s: Positive
    deemed_interval_s: Positive
    not_found_final_after_s: Positive
    at_once_per_rail: Annotated[int, Meta(ge=1, le=256)]


class Callbacks(_Block, frozen=True):
    """What rails tell us: how long it is kept, how often it is tried to make sense of one."""

    keep_days: Annotated[int, Meta(ge=1, le=3_650)]
    max_tries: Annotated[int, Meta(ge=1, le=1_000)]


class Worker(_Block, frozen=True):
    metrics_port: Port


class Security(_Block, frozen=True):
    jwt_ttl_s: Annotated[int, Meta(ge=1, le=86_400)]
    require_signature: bool
    admin_token: Secret = Secret("")  # none: the admin paths are closed


class Sandbox(_Block, frozen=True):
    test_clock: bool  # time runs with the offset in `<data_dir>/clock.json`
    rails_in_process: bool  # rails that approve at once, without a network: for benchmarks


class Settings(_Block, frozen=True):
    data_dir: Path
    server: Server
    database: Database
    redis: Redis
    fraud_detection: FraudDetection
    payment_routes: Annotated[tuple[PaymentRoute, ...], Meta(min_length=1)]
    rails: Rails
    cascade: Cascade
    late_money: LateMoney
    rate_limits: RateLimits
    recovery: Recovery
    callbacks: Callbacks
    worker: Worker
    routing: Routing
    breakers: Breakers
    security: Security
    sandbox: Sandbox


def load_settings(*overlays: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read every source, later ones over earlier ones, and refuse what does not fit."""
    environ = os.environ if environ is None else environ
    inherited = [Path(p) for p in environ.get("KHATA_CONFIG", "").split(os.pathsep) if p]
    raw: dict[str, Any] = {}
    for path in (DEFAULTS, *overlays, *inherited):
        raw = laid_over(raw, read_yaml(path))
    for path_in_settings, text in environment(environ, Settings.__struct_fields__):
        put(raw, path_in_settings, text)
    convert_units(raw)
    try:
        settings = msgspec.convert(raw, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise SettingsError(_readable(error)) from None
    return _resolved(settings)


def _decode(kind: type, value: Any) -> Any:
    if kind is Secret:
        # YAML reads an all-digit password as a number, which may have lost a leading zero.
        if not isinstance(value, str):
            raise ValueError("quoted text was expected")
        return Secret(value)
    if issubclass(kind, Path):
        if not isinstance(value, str) or not value:
            raise ValueError("a path was expected")
        return Path(value)
    raise NotImplementedError(kind)


def _resolved(settings: Settings) -> Settings:
    names = [route.name for route in settings.payment_routes]
    if len(set(names)) != len(names):
        raise SettingsError("payment_routes: two routes have the same name")
    _refuse_too_many_enquiries(settings)
    _refuse_too_long_calls(settings)
    if settings.cascade.patience_ms >= settings.server.timeout_ms:
        raise SettingsError("cascade.patience: must be shorter than server.timeout")
    if settings.breakers.min_calls > settings.breakers.window_calls:
        raise SettingsError("breakers: min_calls ≤ window_calls does not hold")
    data_dir = ROOT / settings.data_dir.expanduser()
    fraud = settings.fraud_detection
    if not fraud.challenge_threshold <= fraud.review_threshold <= fraud.risk_threshold:
        raise SettingsError(
            "fraud_detection: challenge_threshold ≤ review_threshold ≤ risk_threshold does not hold"
        )
    return msgspec.structs.replace(
        settings,
        data_dir=data_dir,
        fraud_detection=msgspec.structs.replace(
            fraud, ml_model_path=data_dir / fraud.ml_model_path.expanduser()
        ),
    )


def _refuse_too_many_enquiries(settings: Settings) -> None:
    for route in settings.payment_routes:
        most = route.enquiries.max_enquiries or settings.recovery.max_enquiries
        if "upi" in route.methods and most > NPCI_MAX_ENQUIRIES:
            raise SettingsError(
                f"recovery.max_enquiries, or enquiries.max of {route.name}: UPI allows"
                f" {NPCI_MAX_ENQUIRIES} status checks of a payment"
            )


def _refuse_too_long_calls(settings: Settings) -> None:
    """Recovery asks about an attempt after `server.timeout`: its call must be over by then."""
    for route in settings.payment_routes:
        own = msgspec.structs.asdict(route.timeouts)
        phases = {name: ms or getattr(settings.rails, name) for name, ms in own.items()}
        if sum(phases.values()) >= settings.server.timeout_ms:
            raise SettingsError(
                f"rails, or timeouts of {route.name}: all phases of a call together must be"
                " shorter than server.timeout"
            )


def _readable(error: msgspec.ValidationError) -> str:
    """`Expected int, got str - at $.server.port` reads better with the setting first."""
    message, found, place = str(error).rpartition(" - at ")
    if not found:
        return f"settings: {error}"
    return f"{place.strip('`').removeprefix('$').removeprefix('.') or 'settings'}: {message}"
