"""What payouts refuse beside what everybody does."""

from dataclasses import dataclass
from typing import ClassVar

from online.kernel.errors import Conflict


@dataclass(eq=False)
class BeneficiaryNotUsable(Conflict):
    """Not verified, still cooling, changed since, or stopped."""

    param: str | None = "beneficiary"
    code: ClassVar[str] = "beneficiary_not_usable"


@dataclass(eq=False)
class NotOnDemand(Conflict):
    """The merchant's contract has its settlements paid out by themselves."""

    code: ClassVar[str] = "payouts_not_on_demand"
