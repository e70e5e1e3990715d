"""A link as a QR code (ISO/IEC 18004): error correction M, as printed codes want; quiet zone 4."""

import io
from typing import Final, Literal

import segno

Format = Literal["svg", "png"]
CONTENT_TYPES: Final[dict[Format, str]] = {"svg": "image/svg+xml", "png": "image/png"}
_QUIET: Final = 4  # modules


def render(text: str, format_: Format, *, scale: int) -> bytes:
    """`scale`: pixels of one module."""
    out = io.BytesIO()
    code = segno.make(text, error="m", micro=False, boost_error=False)
    code.save(out, kind=format_, scale=scale, border=_QUIET)
    return out.getvalue()
