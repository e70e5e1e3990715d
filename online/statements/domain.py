"""A statement's identity, number and form."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

import msgspec

from online.kernel import ids

CONTENT_TYPES: Final = {
    "pdf": "application/pdf",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "pack": "application/zip",
}
_EXTENSIONS: Final = {"pack": "zip"}


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement is of; both days belong to it."""

    merchant_id: UUID
    start_date: date
    end_date: date
    format: str

    def statement_id(self, livemode: bool, today: date, again: str = "") -> UUID:
        """The same for the same fields; a period that is not over has one each day, one that is
        made again one each time (`again`)."""
        as_of = again if self.end_date < today else today.isoformat()
        return ids.derived(
            "statement",
            ids.encode("mrc", self.merchant_id),
            self.start_date.isoformat(),
            self.end_date.isoformat(),
            self.format,
            str(livemode),
            as_of,
        )


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What has one number, and editions."""

    merchant_id: UUID
    currency: str
    start_date: date
    end_date: date


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `statement_issues`: an edition of the statement of a period."""

    merchant_id: UUID
    livemode: bool
    number: int
    edition: int
    currency: str
    start_date: date
    end_date: date
    warehouse_snapshot: int
    books_sha256: bytes
    issued_at: datetime

    @property
    def key(self) -> Key:
        return _key(self)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A reading of a period's books that wants a number; `books_sha256` is of what they say."""

    merchant_id: UUID
    currency: str
    start_date: date
    end_date: date
    snapshot: int
    books_sha256: bytes

    @property
    def key(self) -> Key:
        return _key(self)


def _key(of: Issue | Asked) -> Key:
    return Key(
        merchant_id=of.merchant_id,
        currency=of.currency,
        start_date=of.start_date,
        end_date=of.end_date,
    )


class Numbered(msgspec.Struct, frozen=True, kw_only=True):
    """The edition that a reading belongs to, and the one that it replaces."""

    issue: Issue
    replaces: Issue | None
    new: bool


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `statements` without its content; `sha256` is the file's, `content_sha256` that of
    what the statement says, whatever its format."""

    id: UUID
    merchant_id: UUID
    start_date: date
    end_date: date
    format: str
    sha256: bytes
    warehouse_snapshot: int | None
    livemode: bool
    created_at: datetime
    number: int | None = None
    edition: int | None = None
    content_sha256: bytes | None = None

    @property
    def reference(self) -> str | None:
        """How people name it: the merchant's last letters, the number, R1 for a second edition."""
        if self.number is None or self.edition is None:
            return None
        revision = f"-R{self.edition - 1}" if self.edition > 1 else ""
        merchant = ids.encode("mrc", self.merchant_id)[-8:].upper()
        return f"{merchant}-{self.number:05d}{revision}"

    @property
    def file_name(self) -> str:
        name = self.reference or f"{self.start_date}_{self.end_date}"
        return f"statement_{name}.{_EXTENSIONS.get(self.format, self.format)}"


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """Files of the editions around a statement's, in its format."""

    id: UUID
    replaces: UUID | None = None
    replaced_by: UUID | None = None
