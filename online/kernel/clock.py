"""The only place that asks what time it is.

Instants are UTC; a business date is the Asia/Kolkata calendar date of an instant.
The sandbox runs on a `FileClock`: system time plus an offset that every process of one data
folder reads from the same small file, so that a day can close while you wait.
"""

import json
import os
from abc import ABC, abstractmethod
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

# India has one zone without daylight saving time, so a fixed offset is exact.
IST: Final = timezone(timedelta(hours=5, minutes=30), "IST")


class Clock(ABC):
    """Gives the present instant, in UTC."""

    @abstractmethod
    def now(self) -> datetime: ...


class SystemClock(Clock):
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock(Clock):
    """Stands still until told otherwise; for tests and for replaying history."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


class FileClock(Clock):
    """System time plus the offset written in `path`; no file means no offset (sandbox only)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._offset = timedelta()

    def now(self) -> datetime:
        self._refresh()
        return datetime.now(UTC) + self._offset

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._stamp, self._offset = None, timedelta()
            return
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp != self._stamp:
            offset_s = json.loads(self._path.read_text(encoding="utf-8"))["offset_s"]
            self._offset = timedelta(seconds=offset_s)
            self._stamp = stamp


def write_offset(path: Path, target: datetime) -> None:
    """Make every `FileClock` on `path` read `target` now and run on from there."""
    offset_s = (target - datetime.now(UTC)).total_seconds()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps({"offset_s": offset_s}), encoding="utf-8")
    temporary.replace(path)


def business_date(at: datetime) -> date:
    """The Indian calendar date of an instant."""
    return at.astimezone(IST).date()
