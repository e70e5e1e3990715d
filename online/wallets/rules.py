"""What a wallet may hold and do, from dated rows (`config/wallets.yaml`). Pure but for loading."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from online.kernel.errors import Headroom, LimitExceeded

Kind = Literal["lite", "ppi"]
Minor = Annotated[int, Meta(ge=1, le=10**12)]


class WalletRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row; amounts in minor units."""

    kind: Kind
    kyc: tuple[Literal["none", "minimum", "full"], ...]
    ceiling_minor: Minor
    valid_from: date
    source: str
    valid_to: date | None = None
    per_payment_minor: Minor | None = None

    def fits(self, kind: str, kyc_level: str, day: date) -> bool:
        in_force = self.valid_from <= day <= (self.valid_to or date.max)
        return in_force and self.kind == kind and kyc_level in self.kyc


class WalletRules(msgspec.Struct, frozen=True):
    """All rows, in order of precedence."""

    rules: tuple[WalletRule, ...]

    def of(self, kind: str, kyc_level: str, day: date) -> WalletRule | None:
        """What counts on the day; None: nobody with that KYC may have such a wallet."""
        return next((rule for rule in self.rules if rule.fits(kind, kyc_level, day)), None)


def load_wallet_rules(path: Path) -> WalletRules:
    """Reads the table; a mistake in it is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return WalletRules(msgspec.convert(raw["wallets"], tuple[WalletRule, ...]))


def check_payment(rule: WalletRule, amount_minor: int) -> None:
    """`LimitExceeded` for more than one payment from such a wallet may be."""
    most = rule.per_payment_minor
    if most is not None and amount_minor > most:
        name = "wallet.per_payment"
        raise LimitExceeded(
            f"limit {name} of {most} would be passed",
            "amount",
            limit=Headroom(rule=name, cap=most, headroom=most),
        )
