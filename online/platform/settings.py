"""Settings: YAML defaults, overlays and the environment, read once into one frozen object.

Belongs here: the shape of the settings and how each source is laid over the one before.
Does not: a meaning that one slice gives to a value.

Order, later wins: `config/khata.yaml`, the overlays passed in, those named in `KHATA_CONFIG`
(separated like `PATH`, so that worker processes inherit them), then single values such as
`KHATA_SERVER__PORT=8081` or `KHATA_PAYMENT_ROUTES__UPI_HDFC__URL=…`.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import quote

import msgspec
import yaml
from msgspec import Meta, Struct, field

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = ROOT / "config" / "khata.yaml"
PREFIX = "KHATA_"

Port = Annotated[int, Meta(ge=1, le=65535)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\Z", max_length=40)]
# Fits PostgreSQL's bigint with room for sums of a day.
AmountMinor = Annotated[int, Meta(ge=1, le=10**15)]


class SettingsError(Exception):
    """A setting that cannot be used. The message names the setting and what is wrong with it."""


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


class PaymentRoute(_Block, frozen=True):
    name: Name
    provider: str
    methods: Annotated[tuple[Literal["upi", "card"], ...], Meta(min_length=1)]
    url: Annotated[str, Meta(pattern="^https?://")]
    priority: Positive
    max_amount_minor: AmountMinor = field(name="max_amount")
    fee_bp: Annotated[int, Meta(ge=0, le=10_000)] = field(name="fee_percent")


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
    max_enquiries: Annotated[int, Meta(ge=1, le=3)]  # NPCI allows three status checks, no more
    min_interval_s: Positive
    not_found_final_after_s: Positive


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
    rate_limits: RateLimits
    recovery: Recovery
    security: Security
    sandbox: Sandbox


def load_settings(*overlays: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read every source, later ones over earlier ones, and refuse what does not fit."""
    environ = os.environ if environ is None else environ
    inherited = [Path(p) for p in environ.get("KHATA_CONFIG", "").split(os.pathsep) if p]
    raw: dict[str, Any] = {}
    for path in (DEFAULTS, *overlays, *inherited):
        raw = _laid_over(raw, _read_yaml(path))
    for path_in_settings, text in _environment(environ):
        _put(raw, path_in_settings, text)
    _convert_units(raw)
    try:
        settings = msgspec.convert(raw, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise SettingsError(_readable(error)) from None
    return _resolved(settings)


class _Loader(yaml.SafeLoader):
    """YAML without floats: what looks like one is kept as the text it was written as."""


def _as_written(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:float", _as_written)


def _read_yaml(path: Path) -> dict[str, Any]:
    # From another working directory, `config/dev.yaml` still means the project's own.
    found = path if path.is_absolute() or path.exists() else ROOT / path
    try:
        document = yaml.load(found.read_text("utf-8"), _Loader)  # noqa: S506  a SafeLoader
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not valid YAML: {error}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: a mapping of blocks was expected at the top")
    return document


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key; anything else, lists too, is replaced whole."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both_mappings = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _laid_over(cast(dict[str, Any], old), value) if both_mappings else value
    return merged


def _environment(environ: Mapping[str, str]) -> Iterator[tuple[list[str], str]]:
    for name in sorted(environ):
        path = name.removeprefix(PREFIX).lower().split("__")
        # One word alone is another tool's variable unless it is a setting at the top.
        if name.startswith(PREFIX) and (len(path) > 1 or path[0] in Settings.__struct_fields__):
            yield path, environ[name]


def _put(raw: dict[str, Any], path: list[str], text: str) -> None:
    here: Any = raw
    for depth, key in enumerate(path[:-1]):
        here = _child(here, key)
        if not isinstance(here, dict | list):
            raise SettingsError(f"{'.'.join(path[: depth + 1])}: no such block (environment)")
    if not isinstance(here, dict):
        raise SettingsError(f"{'.'.join(path)}: name an item and a key of it (environment)")
    here[path[-1]] = text


def _child(here: Any, key: str) -> Any:
    if isinstance(here, dict):
        return here.get(key)
    return next((item for item in here if isinstance(item, dict) and item.get("name") == key), None)


def _convert_units(raw: dict[str, Any]) -> None:
    """Rupees, per cent and durations become integers here, exactly or not at all."""
    _convert(raw, ("server", "timeout"), _milliseconds)
    _convert(raw, ("rate_limits", "per_user", "amount_per_day"), _paise)
    routes = raw.get("payment_routes")
    for index, route in enumerate(routes if isinstance(routes, list) else ()):
        at = f"payment_routes[{index}]."
        _convert(route, ("max_amount",), _paise, at)
        _convert(route, ("fee_percent",), _basis_points, at)


def _convert(
    raw: Any, path: tuple[str, ...], convert: Callable[[Any], int], prefix: str = ""
) -> None:
    *blocks, key = path
    for block in blocks:
        raw = raw.get(block) if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or key not in raw:
        return  # msgspec says what is missing, with its path
    try:
        raw[key] = convert(raw[key])
    except ValueError as error:
        raise SettingsError(f"{prefix}{'.'.join(path)}: {error}") from None


def _paise(value: Any) -> int:
    return _hundredths(value, "an amount in rupees", "a fraction of a paisa")


def _basis_points(value: Any) -> int:
    return _hundredths(value, "a percentage", "a fraction of a basis point")


def _hundredths(value: Any, expected: str, too_fine: str) -> int:
    number = _number(value, expected)
    scaled = number.scaleb(2)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{number} has {too_fine}")
    return int(scaled)


def _number(value: Any, expected: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{expected} was expected, not {value!r}")  # noqa: TRY004
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{expected} was expected, not {value!r}") from None
    # Bounded so that a huge exponent cannot become a huge integer.
    if not number.is_finite() or number.adjusted() > 15 or len(number.as_tuple().digits) > 20:
        raise ValueError(f"{expected} was expected, not {value!r}")
    return number


_DURATION = re.compile(r"(\d{1,9})(ms|s|m)")
_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000}


def _milliseconds(value: Any) -> int:
    match = _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"a duration such as 30s or 500ms was expected, not {value!r}")
    return int(match[1]) * _MILLISECONDS[match[2]]


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


def _readable(error: msgspec.ValidationError) -> str:
    """`Expected int, got str - at $.server.port` reads better with the setting first."""
    message, found, place = str(error).rpartition(" - at ")
    if not found:
        return f"settings: {error}"
    return f"{place.strip('`').removeprefix('$').removeprefix('.') or 'settings'}: {message}"
