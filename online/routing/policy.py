"""`config/routing.yaml` into a `Policy`, or a refusal that names the field.

Belongs here: what can be wrong with the file. Does not: what a rule means (`domain`).
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn
from uuid import UUID

import msgspec
import yaml
from msgspec import Meta, Struct

from online.kernel import ids
from online.platform.settings import SettingsError
from online.routing.domain import WEIGHTS, Policy, Prior, Route, Rule, Split


class PolicyRefused(SettingsError):
    """A file that cannot be used; the message begins with the field."""


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    explore_percent: Annotated[int, Meta(ge=0, le=50)] = 0
    prior: Prior = Prior()
    rules: Annotated[tuple[Rule, ...], Meta(max_length=500)] = ()
    splits: Annotated[tuple[Split, ...], Meta(max_length=100)] = ()


def load_policy(path: Path, routes: Sequence[Route]) -> Policy:
    """The file's rules over `routes`."""
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyRefused(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise PolicyRefused(f"{path}: not valid YAML: {error}") from None
    return read_policy(raw, routes)


def read_policy(raw: Any, routes: Sequence[Route]) -> Policy:
    """The same for what a file holds."""
    _decode_merchants(raw)
    try:
        file = msgspec.convert(raw, _File)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        _refuse(place.strip("`").removeprefix("$").removeprefix("."), message)
    _check_prior(file.prior)
    _check_names([*file.rules, *file.splits])
    known = {route.name for route in routes}
    for index, rule in enumerate(file.rules):
        _check_rule(rule, f"rules[{index}]", known)
    for index, split in enumerate(file.splits):
        _check_split(split, f"splits[{index}]", known)
    return Policy(
        version=_version(file, routes),
        explore_percent=file.explore_percent,
        prior=file.prior,
        rules=file.rules,
        splits=file.splits,
    )


def _refuse(field: str, why: str) -> NoReturn:
    raise PolicyRefused(f"routing policy: {field or 'the file'}: {why}")


def _decode_merchants(raw: Any) -> None:
    """Merchants stand in the file as the API names them."""
    for part in ("rules", "splits"):
        rows = raw.get(part) if isinstance(raw, dict) else None
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            when: Any = row.get("when") if isinstance(row, dict) else None
            named = when.get("merchants") if isinstance(when, dict) else None
            if isinstance(named, list):
                at = f"{part}[{index}].when.merchants"
                when["merchants"] = [_merchant(each, at) for each in named]


def _merchant(text: Any, at: str) -> UUID:
    try:
        return ids.decode("mrc", str(text))
    except ValueError:
        _refuse(at, f"{text!r} is no id of a merchant (mrc_…)")


def _check_prior(prior: Prior) -> None:
    for name in Prior.__struct_fields__:
        if not 0 <= getattr(prior, name) <= 100_000:
            _refuse(f"prior.{name}", "0 to 100000 was expected")
    if not prior.calls or not prior.latency_calls:
        _refuse("prior.calls, prior.latency_calls", "at least 1 was expected")
    if prior.failure_bps > 10_000:
        _refuse("prior.failure_bps", "10000 is all of them")


def _check_names(dated: Sequence[Rule | Split]) -> None:
    """A decision names what it was made by, and a split is drawn by its name."""
    seen: set[str] = set()
    for each in dated:
        if not each.name or len(each.name) > 40 or each.name in seen:
            _refuse("name", f"{each.name!r} must be unique and have 1 to 40 characters")
        seen.add(each.name)


def _check_rule(rule: Rule, at: str, known: set[str]) -> None:
    _check_dates(rule, at)
    if not rule.only and not rule.prefer:
        _refuse(at, "needs `only` or `prefer`, with at least one route")
    for part, names in (("only", rule.only), ("prefer", rule.prefer)):
        _check_routes(names, f"{at}.{part}", known)
    if rule.only and not set(rule.prefer) <= set(rule.only):
        _refuse(f"{at}.prefer", "names a route that `only` leaves out")


def _check_split(split: Split, at: str, known: set[str]) -> None:
    _check_dates(split, at)
    _check_routes(tuple(split.shares), f"{at}.shares", known)
    for name, share in split.shares.items():
        if not 0 <= share <= 100:
            _refuse(f"{at}.shares.{name}", f"0 to 100 per cent was expected, not {share}")
    total = sum(split.shares.values())
    if total != 100:
        _refuse(f"{at}.shares", f"the shares add up to {total} per cent, not 100")


def _check_dates(dated: Rule | Split, at: str) -> None:
    if dated.valid_to is not None and dated.valid_to < dated.valid_from:
        _refuse(f"{at}.valid_to", "lies before valid_from")
    low, high = dated.when.min_amount_minor, dated.when.max_amount_minor
    if low is not None and high is not None and high < low:
        _refuse(f"{at}.when.max_amount_minor", "is less than min_amount_minor")


def _check_routes(names: tuple[str, ...], at: str, known: set[str]) -> None:
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known))
            _refuse(at, f"there is no route {name!r} among payment_routes ({there})")
    if len(set(names)) != len(names):
        _refuse(at, "names a route twice")


def _version(file: _File, routes: Sequence[Route]) -> str:
    """The file's version and a hash of everything configured that a choice depends on."""
    ordered = sorted(routes, key=lambda route: route.name)
    content = msgspec.json.encode((file, ordered, WEIGHTS), order="deterministic")
    return f"{file.version}-{hashlib.sha256(content).hexdigest()[:12]}"
