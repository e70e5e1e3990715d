"""Bytes of a text file into text, the same way for every format that does not say its encoding.

Belongs here: byte order marks, UTF-8, and what banks send instead. Does not: XML, which names
its own encoding and is decoded by its parser.
"""

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE_END = re.compile(r"\r\n|\n|\r")


def decode(data: bytes, declared: str | None = None) -> str:
    """Text by its byte order mark, else as UTF-8, else as declared, else as Windows-1252.

    Bytes that Windows-1252 leaves open are Latin-1 (control characters), so this never fails.
    """
    for mark, marked in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(marked, errors="replace")
    for name in ("utf-8", declared or "cp1252", "cp1252"):
        try:
            return data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1")


def head(data: bytes, size: int = 65_536) -> str:
    """The first part of a file as text, enough to tell what it is."""
    start = data[: size & ~3]
    for mark, name in _MARKS:
        if start.startswith(mark):
            return start[len(mark) :].decode(name, errors="ignore")
    return start.decode("latin-1")


def physical_lines(text: str) -> list[str]:
    """Lines as an editor numbers them: CR, LF and CRLF end one, nothing else does."""
    return _LINE_END.split(text)
