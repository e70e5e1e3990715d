"""The event schema as JSON Schema files: what offline and merchants may rely on."""

from typing import Any

import msgspec

from online.kernel.events import EVENTS


def json_schemas() -> dict[str, dict[str, Any]]:
    """A JSON Schema for each event type, by type."""
    schemas: dict[str, dict[str, Any]] = {}
    for name, event in sorted(EVENTS.items()):
        (reference,), components = msgspec.json.schema_components(
            [event], ref_template="#/$defs/{name}"
        )
        body = components.pop(reference["$ref"].rpartition("/")[2])
        schemas[name] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **body,
            "title": name,
            "x-schema-version": event.SCHEMA_VERSION,
            **({"$defs": components} if components else {}),
        }
    # As they are read again: a default that is a tuple is a list there.
    decoded: dict[str, dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(schemas))
    return decoded
