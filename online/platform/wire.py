"""Strict reading of what comes over the wire.

Belongs here: JSON into a wire struct with every wrong field named, and the bounds that make a
number safe to store. Does not: rules between fields (domain), HTTP (`http.py`).

Litestar would read the body leniently (`"100"` passes as 100) and says nothing about integers
beyond int64 or NUL characters, which PostgreSQL then refuses with an error of its own.
"""

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import Meta, Struct

from online.kernel.errors import InvalidRequest, Refused

T = TypeVar("T")

INT64_MAX: Final = 2**63 - 1

# Every wire integer is bounded; amounts leave room for sums over many of them.
Int64 = Annotated[int, Meta(ge=-(2**63), le=INT64_MAX)]
AmountMinor = Annotated[int, Meta(ge=1, le=10**15, description="minor units, such as paise")]
Text = Annotated[str, Meta(min_length=1, max_length=255)]
# What it is exactly, whoever reads it says (`vault`): no pattern does for IPv6.
IpAddress = Annotated[
    str, Meta(pattern=r"^[0-9A-Fa-f.:]{2,45}\Z", description="of the payer: IPv4 or IPv6")
]


def id_of(prefix: str) -> Meta:
    """`Annotated[str, id_of("pay")]`: the text of one of our ids, refused with the field's name."""
    return Meta(pattern=rf"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}\Z")


_UNSTORABLE = re.compile(rb"\\u0000|\d{19}")
_PLACE = re.compile(r" - at `(.+)`$")
_QUOTED = re.compile(r"`([^`]*)`")


class WireStruct(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every request body: fields by name, none that we do not know.

    Subclasses repeat `frozen=True, kw_only=True`, which they do not inherit in every checker.
    """


class FieldError(Struct, frozen=True, omit_defaults=True):
    """One thing wrong with one field; `param` is its path, such as `customer.email`."""

    param: str
    message: str


@dataclass(eq=False)
class InvalidFields(InvalidRequest):
    """The body is JSON but not what was asked for; `errors` names every wrong field."""

    errors: list[FieldError] = field(default_factory=list)


@dataclass(eq=False)
class MalformedBody(Refused):
    """The body is not JSON at all, or is missing."""

    code: ClassVar[str] = "malformed_body"


@dataclass(eq=False)
class UnsupportedMediaType(Refused):
    """The body says it is something else than what this path reads."""

    code: ClassVar[str] = "unsupported_media_type"


def decode(body: bytes, kind: type[T]) -> T:
    """The body as `kind`, or a refusal that names what is wrong and where."""
    if not body.strip():
        raise MalformedBody("a JSON body is required")
    try:
        value: T = _decoder(cast(Hashable, kind)).decode(body)
        unstorable = _UNSTORABLE.search(body) and list(_unstorable(msgspec.json.decode(body), ""))
    except msgspec.ValidationError as error:
        raise _refusal(_all_errors(body, kind) or [_field_error(str(error))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(f"the body is not valid JSON: {_reason(error)}") from None
    if unstorable:
        raise _refusal(unstorable)
    return value


def convert(values: Any, kind: type[T]) -> T:
    """The same for values that are already parsed, such as a form."""
    try:
        value = msgspec.convert(values, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _refusal(_collect(values, kind, "") or [_field_error(str(error))]) from None
    unstorable = list(_unstorable(values, ""))
    if unstorable:
        raise _refusal(unstorable)
    return value


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _refusal(errors: list[FieldError]) -> InvalidFields:
    first = errors[0]
    where = f"{first.param}: " if first.param else ""
    return InvalidFields(f"{where}{first.message}", param=first.param or None, errors=errors)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return str(error)[:200]


def _field_error(message: str, prefix: str = "") -> FieldError:
    """msgspec's message, taken apart: `Expected int, got str - at $.customer.age`."""
    place = _PLACE.search(message)
    path = place[1].removeprefix("$").removeprefix(".") if place else ""
    text = message[: place.start()] if place else message
    if text.startswith(("Object missing required field", "Object contains unknown field")):
        name = _QUOTED.search(text)
        path = _joined(path, name[1]) if name else path
        text = "is required" if "missing" in text else "is not a field of this request"
    else:
        text = text.replace("`", "")
    return FieldError(_joined(prefix, path)[:200], text[:200])


def _joined(prefix: str, path: str) -> str:
    if not prefix or not path:
        return prefix or path
    return f"{prefix}{path}" if path.startswith("[") else f"{prefix}.{path}"


def _all_errors(body: bytes, kind: Any) -> list[FieldError]:
    try:
        return _collect(msgspec.json.decode(body), kind, "")
    except (msgspec.DecodeError, RecursionError):
        return []


def _collect(values: Any, kind: Any, prefix: str) -> list[FieldError]:
    """Every wrong field, not the first alone; msgspec stops at the first."""
    if not (isinstance(kind, type) and issubclass(kind, Struct)) or not isinstance(values, dict):
        return []
    errors: list[FieldError] = []
    hints = get_type_hints(kind, include_extras=True)
    known: set[str] = set()
    for info in msgspec.structs.fields(kind):
        known.add(info.encode_name)
        path = _joined(prefix, info.encode_name)
        if info.encode_name not in values:
            if info.required:
                errors.append(FieldError(path, "is required"))
            continue
        errors += _field_errors(values[info.encode_name], hints[info.name], path)
    if kind.__struct_config__.forbid_unknown_fields:
        unknown = [name for name in values if name not in known]
        errors += [
            FieldError(_joined(prefix, n)[:200], "is not a field of this request") for n in unknown
        ]
    return errors[:50]


def _field_errors(value: Any, kind: Any, path: str) -> list[FieldError]:
    try:
        msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        return _collect(value, _struct_in(kind), path) or [_field_error(str(error), path)]
    return []


def _struct_in(kind: Any) -> Any:
    """The one struct of `Customer | None` or `Annotated[Customer, …]`."""
    if get_origin(kind) is Annotated:
        return _struct_in(get_args(kind)[0])
    members = [m for m in get_args(kind) if isinstance(m, type) and issubclass(m, Struct)]
    return members[0] if len(members) == 1 else kind


def _unstorable(value: Any, path: str) -> Iterator[FieldError]:
    if isinstance(value, str) and "\x00" in value:
        yield FieldError(path, "must not contain the NUL character")
    elif isinstance(value, int) and not -INT64_MAX - 1 <= value <= INT64_MAX:
        yield FieldError(path, "is not a 64-bit integer")
    elif isinstance(value, dict):
        for key, inner in value.items():
            if "\x00" in key:
                yield FieldError(path, "has a field name with the NUL character")
            yield from _unstorable(inner, _joined(path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unstorable(inner, f"{path}[{index}]")
