"""What a user may do, by type and KYC: dated rows of `config/users.yaml`."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
import yaml
from msgspec import Meta

from online.customers.domain import Customer
from online.kernel.errors import Refused

Right = Literal["pay", "top_up", "transfer", "mandate", "delegate", "secondary", "credit_line"]

_CALLED: Final[dict[Right, str]] = {
    "pay": "pay",
    "top_up": "keep money in a wallet",
    "transfer": "send money to others",
    "mandate": "give a mandate",
    "delegate": "let others pay for them",
    "secondary": "pay for somebody else's account",
    "credit_line": "pay from a credit line",
}


@dataclass(eq=False)
class NotForThisUser(Refused):
    """The user's type or KYC does not allow this."""

    code: ClassVar[str] = "not_for_this_user"


class UserRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row; a row without `user_type` is for users of whom no type is known."""

    rights: tuple[Right, ...]
    devices: Annotated[int, Meta(ge=1)]  # bound at the same time
    valid_from: date
    source: str
    user_type: Literal["mini", "max"] | None = None
    kyc: tuple[Literal["none", "minimum", "full"], ...] = ("none", "minimum", "full")
    valid_to: date | None = None

    def fits(self, customer: Customer, day: date) -> bool:
        return (
            self.user_type == customer.upi_type
            and customer.kyc_level in self.kyc
            and self.valid_from <= day <= (self.valid_to or date.max)
        )


NOTHING: Final = UserRule(
    rights=(), devices=1, valid_from=date.min, source="no rule fits this user"
)


class Rights(msgspec.Struct, frozen=True):
    """All rows, in order of precedence."""

    rules: tuple[UserRule, ...]

    def of(self, customer: Customer, day: date) -> UserRule:
        """What counts for `customer`; one who was erased may do nothing any more."""
        if customer.erased_at is not None:
            return NOTHING
        return next((rule for rule in self.rules if rule.fits(customer, day)), NOTHING)

    def require(self, customer: Customer, right: Right, day: date) -> None:
        """Raises `NotForThisUser`."""
        if right in self.of(customer, day).rights:
            return
        if customer.erased_at is not None:
            raise NotForThisUser("this customer was erased", "customer_id")
        kind = f"UPI {customer.upi_type.upper()}" if customer.upi_type else "untyped"
        detail = f"a {kind} user with KYC {customer.kyc_level} may not {_CALLED[right]}"
        raise NotForThisUser(detail, "customer_id")


def load_rights(path: Path) -> Rights:
    """Reads the table; a mistake in it is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Rights(msgspec.convert(raw["users"], tuple[UserRule, ...]))
