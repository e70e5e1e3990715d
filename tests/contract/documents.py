"""The OpenAPI document of the whole service, read without a database, and ways around in it."""

import asyncio
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec

from online.app import create_app
from online.platform.settings import load_settings

METHODS = ("get", "post", "put", "patch", "delete")
# Litestar writes a path with its converters, the document without.
Operation = tuple[str, str, dict[str, Any]]


@cache
def _document() -> bytes:
    with TemporaryDirectory() as folder:
        app = create_app(load_settings(environ={"KHATA_DATA_DIR": str(Path(folder))}))

        async def read() -> bytes:
            transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://khata") as client:
                return (await client.get("/schema/openapi.json")).content

        return asyncio.run(read())


def whole_document() -> dict[str, Any]:
    """A copy of one's own."""
    found: dict[str, Any] = msgspec.json.decode(_document())
    return found


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """Method, path and what the document says of it."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method.upper(), path, operation


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to."""
    while "$ref" in schema:
        at: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            at = at[part]
        schema = at
    return schema
