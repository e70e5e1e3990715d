"""What settlement is told by law and by policy: dated rows of `config/`, read once.

Belongs here: reading and looking up. Does not: what the numbers are used for (`domain.py`).
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta

from online.kernel.bank_days import BankDays


class TdsRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Basis points of gross that a section takes; both days are inclusive."""

    section: str
    bps: Annotated[int, Meta(ge=0, le=10_000)]
    valid_from: date
    source: str
    valid_to: date = date.max


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """`close_after`: how long after its end a period may be settled."""

    bank_days: BankDays
    tds: tuple[TdsRate, ...]
    close_after: timedelta
    beneficiary_cooling: timedelta

    def tds_bps(self, section: str | None, day: date) -> int:
        """The rate of a section on a day; 0 without a section, or before it was law."""
        for rate in self.tds:
            if rate.section == section and rate.valid_from <= day <= rate.valid_to:
                return rate.bps
        return 0


def load_settlement_rules(config: Path) -> Rules:
    """From the folder `config`: `settlement.yaml` and `holidays.yaml`."""
    written = _read(config / "settlement.yaml")
    return Rules(
        bank_days=BankDays.of(_read(config / "holidays.yaml")["holidays"]),
        tds=msgspec.convert(written["tds"], tuple[TdsRate, ...]),
        close_after=timedelta(seconds=written["close_after_s"]),
        beneficiary_cooling=timedelta(hours=written["beneficiary_cooling_h"]),
    )


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
