"""Until when a deemed transfer has to be confirmed or returned, from `config/tat.yaml`.

The same rows tell reconciliation from when on the payer is owed compensation.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta

from online.kernel.clock import IST, business_date


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One row, as far as it concerns us; a row without `row_types` is for every type."""

    rail: str
    days: Annotated[int, Meta(ge=0)]
    valid_from: date
    valid_to: date | None = None
    row_types: tuple[str, ...] = ()

    def fits(self, rail: str, day: date) -> bool:
        return (
            fnmatchcase(rail, self.rail)
            and (not self.row_types or "p2p" in self.row_types)
            and self.valid_from <= day <= (self.valid_to or date.max)
        )


def due_at(terms: Sequence[Term], rail: str, at: datetime) -> datetime:
    """The end of the last calendar day of India on which the money may still be on its way."""
    day = business_date(at)
    days = next((term.days for term in terms if term.fits(rail, day)), 1)
    return datetime.combine(day + timedelta(days=days + 1), time(), IST)


def load_terms(path: Path) -> tuple[Term, ...]:
    """Reads the table; a mistake in it is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw["rules"], tuple[Term, ...])
