"""Bulk calls as NDJSON: one JSON value a line, each judged by itself.

A line that cannot be read does not stop the others: it comes back refused, in its place.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request, Response

from online.kernel.errors import InvalidRequest, Refused
from online.platform import wire

T = TypeVar("T")

MEDIA_TYPE: Final = "application/x-ndjson"
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_LINES: Final = 100_000
_TYPES: Final = ("", MEDIA_TYPE, "application/ndjson", "application/jsonl", "application/json")


async def read_lines(request: Request[Any, Any, Any], kind: type[T]) -> list[T | Refused]:
    """Each line as `kind`, or the refusal that names its wrong field."""
    content_type, _ = request.content_type
    if content_type not in _TYPES:
        raise wire.UnsupportedMediaType(f"expected {MEDIA_TYPE}, got {content_type[:80]}")
    lines = [line for line in (await request.body()).split(b"\n") if line.strip()]
    if not lines:
        raise wire.MalformedBody("at least one line of JSON is required")
    if len(lines) > MAX_LINES:
        raise InvalidRequest(f"{len(lines)} lines, {MAX_LINES} at most")
    return [_read(line, kind) for line in lines]


def _read(line: bytes, kind: type[T]) -> T | Refused:
    try:
        return wire.decode(line, kind)
    except Refused as refusal:
        return refusal


def response(rows: Iterable[msgspec.Struct]) -> Response[bytes]:
    """One line an answer, in the order of the request."""
    content = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    return Response(content=content, media_type=MEDIA_TYPE, status_code=200)
