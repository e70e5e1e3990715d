"""Example requests, from `docs/examples`: shown in the OpenAPI document, and sent by the tests.

A service that runs without that folder has a document without examples.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import yaml

_VARIABLE: Final = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_SAMPLES: Final = "samples.yaml"


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request and what it is answered with; `docs/examples/README.md` tells the fields."""

    name: str
    operation: str
    status: int
    as_: str = msgspec.field(default="merchant", name="as")
    path: dict[str, str] = {}
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: Any = None
    lines: list[dict[str, Any]] | None = None
    keep: dict[str, str] = {}
    after: dict[Literal["days", "hours", "minutes"], int] = {}

    @property
    def bodies(self) -> list[Any]:
        """What stands in the body, one value a line."""
        return self.lines or ([] if self.body is None else [self.body])


def load_examples(folder: Path) -> list[Example]:
    """All of them, in order; a mistake is an error that names the file."""
    found: list[Example] = []
    for path in sorted(folder.glob("[0-9]*.yaml")):
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        try:
            found += msgspec.convert(raw, list[Example])
        except msgspec.ValidationError as error:
            raise ValueError(f"{path.name}: {error}") from None
    return found


def filled(part: Any, value_of: Callable[[str], Any]) -> Any:
    """`part` with each `{{name}}` replaced."""
    if isinstance(part, str):
        return _VARIABLE.sub(lambda match: str(value_of(match[1])), part)
    if isinstance(part, list):
        return [filled(inner, value_of) for inner in part]
    if isinstance(part, dict):
        return {key: filled(inner, value_of) for key, inner in part.items()}
    return part


def show_examples(operations: Mapping[str, dict[str, Any]], folder: Path) -> None:
    """Puts the bodies that were accepted into the document, with a value for every variable."""
    if not (folder / _SAMPLES).exists():
        return
    samples = yaml.safe_load((folder / _SAMPLES).read_text(encoding="utf-8"))
    for example in load_examples(folder):
        content = operations.get(example.operation, {}).get("requestBody", {}).get("content", {})
        if example.status >= 400:
            continue
        for media_type in content.values():
            shown = media_type.setdefault("examples", {})
            for value in example.bodies:
                shown[f"example_{len(shown) + 1}"] = {
                    "summary": example.name,
                    "value": filled(value, samples.__getitem__),
                }
