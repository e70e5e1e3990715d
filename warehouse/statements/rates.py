"""What a tax line says beside its amount: the rate in force, the service's code, who charged it.

Belongs here: reading them from dated configuration. Does not: computing a tax (online did, at the
capture).
"""

from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from warehouse.statements.model import Supplier

_CONFIG: Final = Path(__file__).parents[2] / "config"
# Heading 9971, financial and related services: the heading that the rate's own source names.
_HEADING: Final = "9971"


class Gst(msgspec.Struct, frozen=True, kw_only=True):
    """One dated row: the whole rate, of which CGST and SGST are half each."""

    gst_bps: int
    valid_from: date
    sac: str = _HEADING


class Rates:
    """GST rows by the day from which they hold."""

    def __init__(self, rows: Sequence[Gst], supplier: Supplier) -> None:
        self._rows = sorted(rows, key=lambda row: row.valid_from, reverse=True)
        self.supplier = supplier

    def on(self, day: date) -> Gst:
        """The row in force; before the first one, the first."""
        held = (row for row in self._rows if row.valid_from <= day)
        return next(held, self._rows[-1])


@cache
def load_rates(config: Path = _CONFIG) -> Rates:
    """From `fees.yaml` and, where it is there, `supplier.yaml`."""
    supplier = _read(config / "supplier.yaml") if (config / "supplier.yaml").exists() else {}
    sac = {"sac": supplier["sac"]} if "sac" in supplier else {}
    rows = [{**row, **sac} for row in _read(config / "fees.yaml")["gst"]]
    return Rates(
        msgspec.convert(rows, list[Gst]),
        msgspec.convert({"legal_name": "Khata", **supplier}, Supplier),
    )


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found
