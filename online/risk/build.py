"""Risk as a process of the service has it, wired once."""

from pathlib import Path

from online.platform.db import Database
from online.risk.evidence import LinkedDevices, Reader
from online.risk.model_files import Models
from online.risk.scoring import Scorer
from online.risk.service import Risk
from online.screening.build import Screening


def build_risk(
    database: Database,
    screening: Screening,
    *,
    bundle_path: Path | None,
    devices: LinkedDevices | None = None,
) -> Risk:
    """`bundle_path` is where a promoted model comes to lie; None: rules alone decide."""
    return Risk(
        reader=Reader(database, screening.lists, devices),
        scorer=Scorer(screening.rules, Models(bundle_path)),
        terms=screening.terms,
        scorers=screening.scorers,
    )
