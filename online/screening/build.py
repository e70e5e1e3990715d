"""Screening as a process of the service has it, wired once from the settings."""

from pathlib import Path

import msgspec

from models.fraud.rules import RuleSet, RulesRefused, load_rules
from online.kernel.clock import Clock
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.settings import ROOT, FraudDetection
from online.screening import store
from online.screening.domain import RiskTerms
from online.screening.external import Scorers
from online.screening.naming import VaultNaming
from online.screening.service import Lists, Terms
from online.vault.service import Vault

RULES = ROOT / "config" / "rules.yaml"


class Screening(msgspec.Struct, frozen=True, kw_only=True):
    """What risk asks; `start` before use, `stop` after."""

    database: Database
    clock: Clock
    rules: RuleSet
    lists: Lists
    terms: Terms
    scorers: Scorers

    async def start(self) -> None:
        """Keeps what this version of the rules says; refuses another content under its number.

        A decision names the version and the hash: without this, neither would lead to the rules
        that it was made by.
        """
        rules = self.rules
        content = msgspec.json.encode(rules.data)
        async with self.database.connection() as connection:
            kept = await store.record_rules(
                connection,
                version=rules.version,
                hash_=rules.hash,
                content=content,
                now=self.clock.now(),
            )
        if kept != rules.hash:
            raise RulesRefused(
                f"version {rules.version} of the rules was used before with another content"
                f" ({kept}, now {rules.hash}): give the changed rules a version of their own"
            )

    async def stop(self) -> None:
        await self.scorers.close()


def build_screening(
    fraud: FraudDetection,
    *,
    database: Database,
    writer: Writer,
    clock: Clock,
    vault: Vault,
    rules: Path = RULES,
) -> Screening:
    return Screening(
        database=database,
        clock=clock,
        rules=load_rules(rules),
        lists=Lists(database, writer, clock, VaultNaming(vault)),
        terms=Terms(database, writer, clock, defaults=default_terms(fraud), scorers=fraud.scorers),
        scorers=Scorers(fraud.scorers),
    )


def default_terms(fraud: FraudDetection) -> RiskTerms:
    """What holds for a merchant that agreed on nothing."""
    return RiskTerms(
        challenge_at=fraud.challenge_threshold,
        review_at=fraud.review_threshold,
        block_at=fraud.risk_threshold,
        failure_mode=fraud.failure_mode,
        timeout_ms=fraud.timeout_ms,
    )
