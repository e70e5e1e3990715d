"""The slice, wired."""

from typing import Protocol

from online.escrows.rules import load_rules
from online.escrows.service import Collaborators, Escrows, GiveBack
from online.kernel.clock import Clock
from online.ledger.writer import Writer
from online.merchants.service import Merchants
from online.payments.service import Payments
from online.platform.db import Database
from online.platform.settings import ROOT


class Below(Protocol):
    """What is wired before (`ground.py`)."""

    @property
    def database(self) -> Database: ...

    @property
    def writer(self) -> Writer: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def merchants(self) -> Merchants: ...


def build_escrows(below: Below, payments: Payments, give_back: GiveBack) -> Escrows:
    return Escrows(
        Collaborators(
            database=below.database,
            writer=below.writer,
            clock=below.clock,
            merchants=below.merchants,
            payments=payments,
            give_back=give_back,
            rules=load_rules(ROOT / "config" / "escrows.yaml"),
        )
    )
