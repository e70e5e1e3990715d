"""What each model in use was trained on, to compare a day with.

Belongs here: finding the reference of a version. Does not: comparing (`drift`).
"""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from models.fraud.bundle import BundleRefused, Manifest, Reference, read_manifest
from models.fraud.registry import manifest_of
from models.fraud.tracking import Tracking

if TYPE_CHECKING:
    from warehouse.connection import Lake

CHALLENGER_FILE = "fraud-challenger.bundle"


class Found(Struct, frozen=True):
    """References by version, and the versions that have none."""

    known: dict[str, Reference]
    unknown: frozenset[str]


def of_day(lake: "Lake", day: date, published: Path, tracking: Tracking) -> Found:
    """Of every model that scored on the day: from the published files, else from the registry,
    which takes seconds to open and is asked only for a model that is no longer in use."""
    versions = {
        str(version)
        for row in lake.rows(
            "SELECT DISTINCT model_version, challenger_version FROM fraud_decisions"
            " WHERE business_date = $day",
            day=day,
        )
        for version in row
        if version is not None
    }
    manifests = _published(published)
    known = {}
    for version in versions:
        manifest = manifests.get(version) or manifest_of(version, tracking)
        if manifest is not None and manifest.reference is not None:
            known[version] = manifest.reference
    return Found(known, frozenset(versions - known.keys()))


def _published(champion: Path) -> dict[str, Manifest]:
    found = {}
    for path in (champion, champion.with_name(CHALLENGER_FILE)):
        try:
            manifest = read_manifest(path)
        except BundleRefused:
            continue  # none is published, or the service refuses it too and says so
        found[manifest.version] = manifest
    return found
