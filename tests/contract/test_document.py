"""The whole OpenAPI document: every request is bounded, closed and described."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.documents import operations, resolved, whole_document

DOCUMENT = whole_document()
BODIES = [
    pytest.param(content["schema"], f"{method} {path} body", id=f"{method} {path}")
    for method, path, operation in operations(DOCUMENT)
    for content in operation.get("requestBody", {}).get("content", {}).values()
]
PARAMETERS = [
    pytest.param(parameter, id=f"{method} {path} {parameter['name']}")
    for method, path, operation in operations(DOCUMENT)
    for parameter in operation.get("parameters", [])
]


# Free-form by intent: only our own offline side writes them, and they are kept as they come.
FREE = {
    "POST /internal/v1/postings body.metadata",
    "POST /internal/v1/work/{work_id}/done body",
    "POST /internal/v1/seals/statements body.files",  # at most ten names, each with a hash
}
# What makes a pattern endless, where it is neither escaped nor in a character class.
_ENDLESS = re.compile(r"[*+]|\{\d+,\}")


def unbounded(schema: dict[str, Any], at: str, seen: tuple[str, ...] = ()) -> Iterator[str]:
    """Where a request could carry more than anybody could want."""
    reference = schema.get("$ref", "")
    if reference in seen:
        return
    seen = (*seen, reference) if reference else seen
    schema = resolved(DOCUMENT, schema)
    options = schema.get("anyOf") or schema.get("oneOf") or []
    for option in options:
        yield from unbounded(option, at, seen)
    if not (options or "enum" in schema or "const" in schema):
        yield from _of_type(schema, at, seen)


def _of_type(schema: dict[str, Any], at: str, seen: tuple[str, ...]) -> Iterator[str]:
    match schema.get("type"):
        case "integer" if not {"minimum", "maximum"} <= schema.keys():
            yield f"{at}: an integer without bounds"
        case "number":
            yield f"{at}: a number that is no integer"
        case "string" if not _ends(schema):
            yield f"{at}: a text without an end"
        case "array":
            if "maxItems" not in schema:
                yield f"{at}: a list without an end"
            yield from unbounded(schema.get("items", {}), f"{at}[]", seen)
        case "object":
            yield from _of_object(schema, at, seen)
        case None:
            yield f"{at}: anything at all"


def _ends(schema: dict[str, Any]) -> bool:
    if {"maxLength", "format"} & schema.keys():
        return True
    pattern = re.sub(r"\\.|\[[^\]]*\]", "x", schema.get("pattern", ".*"))
    return pattern.endswith("$") and not _ENDLESS.search(pattern)


def _of_object(schema: dict[str, Any], at: str, seen: tuple[str, ...]) -> Iterator[str]:
    if at not in FREE and schema.get("additionalProperties") is not False:
        yield f"{at}: takes fields that nobody named"
    for name, part in schema.get("properties", {}).items():
        yield from unbounded(part, f"{at}.{name}", seen)


@pytest.mark.parametrize(("schema", "at"), BODIES)
def test_every_body_is_closed_and_bounded(schema, at):
    assert list(unbounded(schema, at)) == []


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_parameter_is_bounded(parameter):
    if parameter["in"] == "path":  # the server itself bounds an address
        return
    assert list(unbounded(parameter["schema"], parameter["name"])) == []


def test_every_operation_has_a_name_a_tag_and_an_answer():
    for method, path, operation in operations(DOCUMENT):
        where = f"{method} {path}"
        assert operation.get("summary"), where
        assert operation.get("tags"), where
        assert any(status.startswith("2") for status in operation["responses"]), where


def test_references_lead_somewhere():
    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            if "$ref" in part:
                yield part["$ref"]
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    found = set(references(DOCUMENT))
    assert len(found) > 40
    for reference in found:
        assert resolved(DOCUMENT, {"$ref": reference})


@pytest.mark.parametrize(
    ("schema", "problems"),
    [
        ({"type": "integer", "minimum": 1}, ["x: an integer without bounds"]),
        ({"type": "string"}, ["x: a text without an end"]),
        ({"type": "string", "pattern": "^pay_"}, ["x: a text without an end"]),
        ({"type": "string", "pattern": "^a+$"}, ["x: a text without an end"]),
        ({"type": "string", "pattern": "^[a+]{3}$"}, []),
        ({"type": "object", "properties": {}}, ["x: takes fields that nobody named"]),
        ({}, ["x: anything at all"]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, ["x: a text without an end"]),
        ({"type": "integer", "minimum": 0, "maximum": 9}, []),
    ],
)
def test_what_is_unbounded_would_be_found(schema, problems):
    assert list(unbounded(schema, "x")) == problems
