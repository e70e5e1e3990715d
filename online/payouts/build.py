"""Wires the slice from what it calls and from the rules in `config/`."""

from online.attempts.service import Attempts, RailBook
from online.kernel.clock import Clock
from online.ledger.writer import Writer
from online.limits.domain import Rules
from online.merchants.service import Merchants
from online.payouts import service, verification
from online.payouts.beneficiaries import Beneficiaries
from online.payouts.rules import load_payout_rules
from online.payouts.service import Payouts
from online.platform.db import Database
from online.platform.settings import ROOT
from online.vault.service import Vault


def build_beneficiaries(
    database: Database,
    writer: Writer,
    clock: Clock,
    *,
    attempts: Attempts,
    vault: Vault,
    rails: RailBook,
    rail: str,
) -> Beneficiaries:
    return Beneficiaries(
        verification.Collaborators(
            database=database,
            writer=writer,
            clock=clock,
            attempts=attempts,
            vault=vault,
            rails=rails,
            rail=rail,
            rules=load_payout_rules(ROOT / "config" / "payouts.yaml"),
        )
    )


def build_payouts(
    database: Database,
    writer: Writer,
    clock: Clock,
    *,
    attempts: Attempts,
    merchants: Merchants,
    limits: Rules,
    beneficiaries: Beneficiaries,
    rail: str,
) -> Payouts:
    return Payouts(
        service.Collaborators(
            database=database,
            writer=writer,
            clock=clock,
            attempts=attempts,
            merchants=merchants,
            beneficiaries=beneficiaries,
            limits=limits,
            rules=load_payout_rules(ROOT / "config" / "payouts.yaml"),
            rail=rail,
        )
    )
