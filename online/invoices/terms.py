"""Who supplies, at which rate, under which numbers: `config/supplier.yaml` and `invoices.yaml`."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import yaml
from msgspec import Meta

from online.invoices.domain import LONGEST_NUMBER, Kind, Party, Terms, number_of
from online.kernel.months import Month

_Mode = Literal["live", "test"]


class _Dated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    valid_from: date
    source: str


DatedT = TypeVar("DatedT", bound=_Dated)


class Supplier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`config/supplier.yaml`."""

    legal_name: str
    gstin: str
    address: str
    state_code: str
    sac: str
    source: str


class _Rate(_Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gst_bps: Annotated[int, Meta(ge=0, le=10_000)]


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`config/invoices.yaml`; of dated rows the last that has begun holds."""

    series: Mapping[_Mode, Mapping[Kind, str]]
    sac_title: str
    gst: list[_Rate]
    services: Mapping[str, str]
    states: Mapping[str, str]


class InvoiceTerms:
    """What documents of a day say, by both files."""

    def __init__(self, supplier: Supplier, file: _File) -> None:
        self._supplier = supplier
        self._file = file

    def state(self, code: str) -> str:
        """The name of a GST state code, empty for one that nobody has."""
        return self._file.states.get(code, "")

    def on(self, day: date, *, livemode: bool) -> Terms:
        supplier, file = self._supplier, self._file
        return Terms(
            supplier=Party(
                legal_name=supplier.legal_name,
                gstin=supplier.gstin,
                address=supplier.address,
                state_code=supplier.state_code,
                state=self.state(supplier.state_code),
            ),
            series=file.series["live" if livemode else "test"],
            sac=supplier.sac,
            sac_title=file.sac_title,
            gst_bps=_begun(file.gst, day).gst_bps,
            services=file.services,
        )


def _begun(rows: Sequence[DatedT], day: date) -> DatedT:
    begun = [row for row in rows if row.valid_from <= day]
    if not begun:
        raise LookupError(f"config/invoices.yaml has no row for {day}")
    return max(begun, key=lambda row: row.valid_from)


def load_terms(folder: Path) -> InvoiceTerms:
    """From `config/`; refuses series whose numbers would be too long, or that share one."""
    supplier = msgspec.convert(_read(folder / "supplier.yaml"), Supplier)
    file = msgspec.convert(_read(folder / "invoices.yaml"), _File)
    prefixes = [prefix for kinds in file.series.values() for prefix in kinds.values()]
    year = Month(2026, 11).financial_year
    longest = max(len(number_of(f"{prefix}/{year}", 1)) for prefix in prefixes)
    if len(set(prefixes)) != 4 or longest > LONGEST_NUMBER:
        raise ValueError(f"invoices.yaml: four series of three letters are needed: {prefixes}")
    return InvoiceTerms(supplier, file)


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
