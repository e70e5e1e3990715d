"""The champion on a candidate's own test rows: other days would be no comparison.

Belongs here: scoring the same payments with both. Does not: what follows from it (`promotion`).
"""

import tempfile
from pathlib import Path

import msgspec

from models.fraud.bundle import BundleRefused, read_bundle
from models.fraud.dataset import Dataset
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.metrics import differences, evaluate
from models.fraud.promotion import Comparison, Evaluation
from models.fraud.registry import bundle_of, champion_version
from models.fraud.tracking import Tracking
from models.fraud.training import Trained, local_us


def against_champion(trained: Trained, dataset: Dataset, tracking: Tracking) -> Comparison | None:
    """None without a champion, or with one that was made for other features."""
    version = champion_version(tracking)
    if version is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        path.write_bytes(bundle_of(version, tracking))
        try:
            bundle = read_bundle(path, feature_names(), feature_set_hash())
        except BundleRefused:
            return None
    test = dataset.test
    theirs = bundle.scores(test.rows)
    measured = evaluate(test.targets, theirs, local_us(test), test.cards)
    gaps = differences(
        test.targets,
        trained.scores,
        theirs,
        local_us(test),
        test.cards,
        seed=trained.params.seed,
    )
    return Comparison(
        champion=version,
        evaluation=msgspec.convert(measured, Evaluation),
        ap=gaps["ap"],
        cp100=gaps["cp100"],
    )
