"""Delegations with the rules of `config/delegations.yaml`."""

from online.customers.service import Customers
from online.delegations.rulebook import load_rules
from online.delegations.service import Collaborators, Delegations
from online.devices.service import Devices
from online.kernel.clock import Clock
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.settings import ROOT
from online.vault.service import Vault


def build_delegations(
    database: Database,
    writer: Writer,
    clock: Clock,
    *,
    customers: Customers,
    devices: Devices,
    vault: Vault,
) -> Delegations:
    return Delegations(
        Collaborators(
            database=database,
            writer=writer,
            clock=clock,
            customers=customers,
            devices=devices,
            vault=vault,
            rules=load_rules(ROOT / "config" / "delegations.yaml"),
        )
    )
