"""Wires the slice from what it calls and from the rules in `config/`."""

from online.kernel.clock import Clock
from online.ledger.writer import Writer
from online.merchants.service import Merchants
from online.platform.db import Database
from online.platform.settings import ROOT
from online.settlements.payouts import Payouts
from online.settlements.rules import load_settlement_rules
from online.settlements.service import Collaborators, Settlements
from online.work.service import Work


def build_settlements(
    database: Database,
    writer: Writer,
    clock: Clock,
    *,
    merchants: Merchants,
    work: Work,
    payouts: Payouts,
) -> Settlements:
    return Settlements(
        Collaborators(
            database=database,
            writer=writer,
            clock=clock,
            merchants=merchants,
            work=work,
            payouts=payouts,
            rules=load_settlement_rules(ROOT / "config"),
        )
    )
