"""What the OpenAPI document says of requests: bodies and parameters, exactly as they are read.

Litestar's own schemas lose bounds (a minimum of zero, a pattern beside null); bodies are read by
msgspec, so msgspec says what it takes. Belongs here: shapes. Does not: problems and credentials
(`openapi_page.py`).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler

_LINES: Final = "lines"  # opt of a handler that reads NDJSON: the type of a line
_FILES: Final = "files"  # opt of a handler that answers with a file: its media types
_INTEGERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_REFERENCE: Final = "#/components/schemas/{name}"
NDJSON: Final = "application/x-ndjson"


def lines_of(kind: type) -> dict[str, Any]:
    """`opt=allow("service") | lines_of(PostingLine)`: the body is one `kind` a line."""
    return {_LINES: kind}


def files_of(*media_types: str) -> dict[str, Any]:
    """`opt=allow(…) | files_of("text/csv")`: the answer is a file of one of these kinds."""
    return {_FILES: media_types}


def write_answers(operation: dict[str, Any], handler: HTTPRouteHandler) -> None:
    """A file is what it is: no schema tells more. No answer is written as JSON's null."""
    if _FILES in handler.opt:
        operation["responses"]["200"]["content"] = {kind: {} for kind in handler.opt[_FILES]}
    for status, answer in operation["responses"].items():
        if status in {"200", "201", "202"} and not answer.get("content"):
            answer["content"] = {"application/json": {"schema": {"type": "null"}}}


def write_bodies(
    taken: Mapping[str, tuple[dict[str, Any], HTTPRouteHandler]], schemas: dict[str, Any]
) -> None:
    """Writes the request body of each operation, and the schemas they refer to."""
    kinds = {
        where: (media_type, kind)
        for where, (_, handler) in taken.items()
        for media_type, kind in _read_by(handler)
    }
    found, components = msgspec.json.schema_components(
        [kind for _, kind in kinds.values()], ref_template=_REFERENCE
    )
    schemas |= components
    for (where, (media_type, _)), schema in zip(kinds.items(), found, strict=True):
        operation, _ = taken[where]
        body = operation.setdefault("requestBody", {"content": {}, "required": True})
        body["content"] = {media_type: {"schema": schema}}
        close(schema, schemas)


def _read_by(handler: HTTPRouteHandler) -> list[tuple[str, Any]]:
    if _LINES in handler.opt:
        return [(NDJSON, handler.opt[_LINES])]
    field = handler.parsed_data_field
    return [] if field is None else [("application/json", field.annotation)]


def without_null(parameter: dict[str, Any]) -> None:
    """A parameter is there or not; there is no way to send null in an address."""
    schema = parameter.get("schema", {})
    options = [option for option in schema.pop("oneOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        schema |= options[0]
    elif options:
        schema["oneOf"] = options
    if isinstance(schema.get("type"), list):
        schema["type"] = next(kind for kind in schema["type"] if kind != "null")
        schema["enum"] = [value for value in schema.get("enum", []) if value is not None]


def plain(part: Any) -> Any:
    """Patterns in ECMA's dialect, where `\\Z` is a letter, and bounds as the integers they are."""
    if isinstance(part, list):
        return [plain(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    made = {key: plain(value) for key, value in part.items()}
    if isinstance(made.get("pattern"), str):
        made["pattern"] = made["pattern"].replace(r"\Z", "$")
    for name in _INTEGERS & made.keys():
        if isinstance(made[name], float) and made[name].is_integer():
            made[name] = int(made[name])
    return made


def close(part: Any, schemas: dict[str, Any]) -> None:
    """Says of every object below a request body what holds: no field that is not named."""
    if isinstance(part, list):
        for inner in part:
            close(inner, schemas)
    if not isinstance(part, dict):
        return
    schema = schemas.get(str(part.get("$ref", "")).rpartition("/")[2])
    if schema is not None and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
        close(schema, schemas)
    for inner in part.values():
        close(inner, schemas)
