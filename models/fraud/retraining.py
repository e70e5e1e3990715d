"""A logged training made again from what its run says, and held against it.

Belongs here: reading the data as of its snapshot, fitting, comparing. Does not: the parts of it.
"""

from typing import Any

from msgspec import Struct

from models.fraud.dataset import Dataset, build_dataset
from models.fraud.features import feature_set_hash
from models.fraud.recording import LIBRARIES, logged_results, recipe_of, results
from models.fraud.tracking import Tracking, client_of
from models.fraud.training import fit
from warehouse.connection import Warehouse


class CannotRetrain(Exception):
    """The training cannot be made again here; says why."""


class Difference(Struct, frozen=True):
    """A number, or a hash, that came out otherwise."""

    name: str
    logged: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.name} was {self.logged}, is now {self.found}"


class Retrained(Struct, frozen=True, kw_only=True):
    """What the same recipe gave: equal if nothing differs."""

    run_id: str
    snapshot: str
    compared: int
    differences: tuple[Difference, ...]
    libraries: str  # of the logged run, where they are not today's

    @property
    def equal(self) -> bool:
        return not self.differences


def retrain(run_id: str, tracking: Tracking, warehouse: Warehouse) -> Retrained:
    """Fit again what a run logged, from the snapshot that it names; every number is compared."""
    from importlib.metadata import version as installed

    recipe = recipe_of(run_id, tracking)
    if recipe.feature_set != feature_set_hash():
        raise CannotRetrain(
            f"run {run_id} was made for feature set {recipe.feature_set}, this code computes"
            f" {feature_set_hash()}: check out the code of that time"
        )
    if not recipe.snapshot.isdecimal():
        raise CannotRetrain(f"run {run_id} names no snapshot of the warehouse")
    with warehouse.at_version(int(recipe.snapshot)) as past:
        dataset: Dataset = build_dataset(
            past.connection,
            recipe.split,
            livemode=recipe.livemode,
            snapshot=recipe.snapshot,
            max_rows=recipe.max_rows,
        )
    found = results(fit(dataset, recipe.params, recipe.candidates), dataset)
    logged = logged_results(run_id, tracking)
    names = sorted(logged.keys() | found.keys())
    today = ", ".join(f"{name} {installed(name)}" for name in LIBRARIES)
    then = str(client_of(tracking).get_run(run_id).data.tags.get("libraries", ""))
    return Retrained(
        run_id=run_id,
        snapshot=recipe.snapshot,
        compared=len(names),
        differences=tuple(
            Difference(name, logged.get(name), found.get(name))
            for name in names
            if logged.get(name) != found.get(name)
        ),
        libraries="" if then == today else then,
    )
