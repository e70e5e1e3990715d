"""Running one simulation: a fresh database, a seed, and what to print when something is wrong."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from traceback import format_exception

import structlog

from tests.simulation import moves
from tests.simulation.auditor import Auditor, Objection
from tests.simulation.workload import Workload
from tests.simulation.world import world_on

SEED = "KHATA_SEED"
SHOWN = int(os.environ.get("KHATA_SHOWN", "40"))  # steps of a run that failed


@dataclass(frozen=True)
class Ran:
    """A run that held."""

    steps: int
    seconds: float
    moves: dict[str, int]
    ends: dict[str, int]  # of payments, by status
    refusals: dict[str, int]
    debits: int = 0  # tries of executions under mandates that reached the bank

    def __str__(self) -> str:
        rate = self.steps / self.seconds
        return (
            f"{self.steps} steps in {self.seconds:.0f} s ({rate:.0f}/s)\nmoves: {self.moves}\n"
            f"payments: {self.ends}\nrefusals: {self.refusals}\ndebits: {self.debits}"
        )


class SimulationFailed(AssertionError):
    """Says how to see it again."""


@contextmanager
def quiet() -> Iterator[None]:
    """Thousands of calls would bury the steps that a failure shows."""
    http, known = logging.getLogger("httpx"), structlog.get_config()
    level = http.level
    http.setLevel(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        http.setLevel(level)
        structlog.configure(**known)


async def simulate(
    app_url: str,
    owner_url: str,
    data_dir: Path,
    *,
    seed: int,
    steps: int,
    spoil: Callable[[Workload], None] | None = None,
) -> Ran:
    """Runs to the end, or raises with the last steps and the command that repeats them."""
    started = perf_counter()
    failure = ""
    with quiet():
        async with world_on(app_url, data_dir) as world:
            workload = Workload(world, Auditor(world, owner_url), seed)
            if spoil is not None:
                spoil(workload)
            try:
                await workload.to_the_end(steps, moves.of(workload))
            except Exception as error:  # noqa: BLE001 - whatever it is, it comes with its steps
                failure = _report(workload, seed, steps, error)
    if failure:
        raise SimulationFailed(failure)
    ends = Counter(payment.status for payment in workload.model.payments.values())
    spent = perf_counter() - started
    debits = sum(len(each.payments) for each in workload.model.executions)
    return Ran(steps, spent, workload.counts, dict(ends), workload.refusals, debits)


def _report(workload: Workload, seed: int, steps: int, error: Exception) -> str:
    last = "\n".join(workload.log[-SHOWN:])
    what = str(error) if isinstance(error, Objection) else "".join(format_exception(error))
    return (
        f"{what}\n\nafter {len(workload.log)} steps of seed {seed}; "
        f"the last of them:\n{last}\n\nAgain: {SEED}={seed} pytest tests/simulation\n"
        f"       python -m tests.simulation --seed {seed} --steps {steps}"
    )


def seed_from_environment(default: int) -> int:
    return int(os.environ.get(SEED, default))
