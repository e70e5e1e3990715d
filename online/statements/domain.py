"""A statement's identity and form."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

import msgspec

from online.kernel import ids

CONTENT_TYPES: Final = {
    "pdf": "application/pdf",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement is of; both days belong to it."""

    merchant_id: UUID
    start_date: date
    end_date: date
    format: str

    def statement_id(self, livemode: bool, today: date) -> UUID:
        """The same for the same fields; a period that is not over has one each day."""
        as_of = "" if self.end_date < today else today.isoformat()
        return ids.derived(
            "statement",
            ids.encode("mrc", self.merchant_id),
            self.start_date.isoformat(),
            self.end_date.isoformat(),
            self.format,
            str(livemode),
            as_of,
        )


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `statements` without its content; `sha256` is the content's."""

    id: UUID
    merchant_id: UUID
    start_date: date
    end_date: date
    format: str
    sha256: bytes
    warehouse_snapshot: int | None
    livemode: bool
    created_at: datetime

    @property
    def file_name(self) -> str:
        return f"statement_{self.start_date}_{self.end_date}.{self.format}"
