"""The slice, wired."""

from online.holds.service import Holds
from online.kernel.clock import Clock
from online.merchants.service import Merchants
from online.payments.authorizations import load_blocks
from online.payments.service import Payments
from online.platform.db import Database
from online.platform.settings import ROOT


def build_holds(
    database: Database, clock: Clock, payments: Payments, *, merchants: Merchants
) -> Holds:
    blocks = load_blocks(ROOT / "config" / "authorizations.yaml")
    return Holds(database, clock, payments, merchants=merchants, blocks=blocks)
