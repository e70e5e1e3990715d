"""What production says of features and of a version: the newest verdicts in the warehouse.

Belongs here: reading them for the gates. Does not: finding them (`parity`, `drift`).
"""

from models.fraud import parity
from models.fraud.promotion import Served
from warehouse.connection import Lake


def served(lake: Lake, version: str) -> Served:
    """Of the last days; counts are zero, and the drift is None, where nothing was looked at yet."""
    found = parity.newest(lake)
    drift = lake.scalar("fraud_shadow_drift", version=version)
    if found is None:
        return Served(shadow_drift=drift)
    return Served(
        compared=found.compared,
        mismatches=found.mismatches,
        first=str(found.first[0]) if found.first else "",
        shadow_drift=drift,
    )
