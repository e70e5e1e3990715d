"""What may be written off, by whom and for which reasons: `config/write_offs.yaml`, dated."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta

Reason = Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\Z")]


class _Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    minor: Annotated[int, Meta(ge=0)]
    valid_from: date
    source: str


class WriteOffTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of the file."""

    alone_up_to: tuple[_Limit, ...]
    reasons: tuple[Reason, ...]

    def needs_two(self, minor: int, currency: str, day: date) -> bool:
        """Whether writing off so much takes a second person."""
        limits = [
            limit
            for limit in self.alone_up_to
            if limit.currency == currency and limit.valid_from <= day
        ]
        latest = max(limits, key=lambda limit: limit.valid_from, default=None)
        return latest is None or abs(minor) > latest.minor


def load_write_off_terms(path: Path) -> WriteOffTerms:
    """Reads the file; a mistake in it is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw, WriteOffTerms)
