"""Risk on a test database, wired as the service wires it, with terms of the test's own."""

from pathlib import Path
from uuid import UUID

from models.fraud.rules import RuleSet, load_rules
from online.kernel.clock import SystemClock
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.settings import ROOT
from online.risk.evidence import LinkedDevices, Reader
from online.risk.model_files import Models
from online.risk.scoring import Scorer
from online.risk.service import OutsideScorers, Risk
from online.screening.domain import RiskTerms
from online.screening.service import Lists

RULES = ROOT / "config" / "rules.yaml"
# A busy machine must not decide what a test sees: time is short only where a test is about it.
TERMS = RiskTerms(
    challenge_at=40, review_at=60, block_at=75, failure_mode="approve", timeout_ms=5_000
)


class FixedTerms:
    """The same terms for every merchant; `now` may be changed."""

    def __init__(self, terms: RiskTerms = TERMS) -> None:
        self.now = terms

    @property
    def defaults(self) -> RiskTerms:
        return self.now

    def at_hand(self, merchant_id: UUID, *, livemode: bool) -> RiskTerms | None:
        return self.now

    async def of(self, merchant_id: UUID, *, livemode: bool) -> RiskTerms:
        return self.now


def risk_on(
    database: Database,
    *,
    bundle_path: Path | None = None,
    terms: FixedTerms | None = None,
    rules: RuleSet | None = None,
    devices: LinkedDevices | None = None,
    scorers: OutsideScorers | None = None,
) -> Risk:
    """With the lists that are in the database."""
    lists = Lists(database, Writer(database), SystemClock(), None)  # type: ignore[arg-type]
    return Risk(
        reader=Reader(database, lists, devices),
        scorer=Scorer(rules or load_rules(RULES), Models(bundle_path)),
        terms=terms or FixedTerms(),
        scorers=scorers,
    )
