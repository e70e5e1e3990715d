"""Where settings come from: YAML files laid over one another, the environment, and exact units.

Belongs here: how a source is read and laid over the one before. Does not: which settings there
are (`settings.py`).
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, cast

import yaml

ROOT = Path(__file__).resolve().parents[2]
PREFIX: Final = "KHATA_"


class SettingsError(Exception):
    """A setting that cannot be used. The message names the setting and what is wrong with it."""


class _Loader(yaml.SafeLoader):
    """YAML without floats: what looks like one is kept as the text it was written as."""


def _as_written(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:float", _as_written)


def read_yaml(path: Path) -> dict[str, Any]:
    """The blocks of a file."""
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


def laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key; anything else, lists too, is replaced whole."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both_mappings = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = laid_over(cast(dict[str, Any], old), value) if both_mappings else value
    return merged


def environment(
    environ: Mapping[str, str], top: Collection[str]
) -> Iterator[tuple[list[str], str]]:
    """Path and text of each variable that names a setting; `top`: the settings at the top."""
    for name in sorted(environ):
        path = name.removeprefix(PREFIX).lower().split("__")
        # One word alone is another tool's variable unless it is a setting at the top.
        if name.startswith(PREFIX) and (len(path) > 1 or path[0] in top):
            yield path, environ[name]


def put(raw: dict[str, Any], path: list[str], text: str) -> None:
    """Lays one value of the environment over the others; items of a list go by name."""
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


def convert_units(raw: dict[str, Any]) -> None:
    """Rupees, per cent and durations become integers here, exactly or not at all."""
    _convert(raw, ("server", "timeout"), _milliseconds)
    _convert(raw, ("cascade", "patience"), _milliseconds)
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
