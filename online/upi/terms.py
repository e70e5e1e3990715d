"""`config/upi.yaml`: initiation modes, what our links carry, where collect is still allowed."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

from online.kernel.errors import InvalidRequest

Kind = Literal["p2m", "p2p", "mandate"]
Code = Annotated[str, Meta(pattern=r"^[0-9]{2}\Z")]
Mcc = Annotated[str, Meta(pattern=r"^[0-9]{4}\Z")]
PLACE = "payment_method.upi.flow"


@dataclass(eq=False)
class CollectNotAllowed(InvalidRequest):
    """Collect requests are not processed any more, but for what the rules name."""

    code: ClassVar[str] = "collect_not_allowed"


class Mode(Struct, frozen=True, forbid_unknown_fields=True):
    """`dynamic`: made for one payment."""

    meaning: str
    signed: bool = False
    dynamic: bool = False


class LinkTerms(Struct, frozen=True, forbid_unknown_fields=True):
    signed: bool
    purpose: Annotated[str, Meta(pattern=r"^[0-9A-Z]{2}\Z")]
    orgid: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{1,20}\Z")]


class CollectRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lets a collect request pass; what it leaves open fits everything."""

    kind: Kind
    source: str
    mccs: tuple[Mcc, ...] = ()
    platforms: tuple[str, ...] = ()
    valid_from: date = date.min
    valid_to: date = date.max

    def fits(self, asked: "Collect") -> bool:
        return (
            self.kind == asked.kind
            and self.valid_from <= asked.on <= self.valid_to
            and (not self.mccs or asked.mcc in self.mccs)
            and (not self.platforms or asked.platform in self.platforms)
        )


class Collect(Struct, frozen=True, kw_only=True):
    """A collect request that somebody wants to send. `platform`: where the payer's app runs."""

    kind: Kind
    on: date
    mcc: str | None = None
    platform: str | None = None


class UpiTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of the file."""

    modes: dict[Code, Mode]
    links: LinkTerms
    collect: tuple[CollectRule, ...]

    def check_collect(self, asked: Collect, param: str = PLACE) -> CollectRule:
        """The rule that lets it pass; `CollectNotAllowed`, naming the field, where none does."""
        for rule in self.collect:
            if rule.fits(asked):
                return rule
        raise CollectNotAllowed(
            "collect requests are not processed any more for this payment: use `intent` or `qr`",
            param,
        )


def load_upi_terms(path: Path) -> UpiTerms:
    """Reads the file; a mistake in it is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw, UpiTerms)
