"""Thousands of random operations, audited after each; a seed is a run that can be seen again."""

import random

import pytest

from tests.simulation.running import SEED, seed_from_environment, simulate

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

STEPS = 1_000
ALWAYS = 598_644_912  # every move and every end below; a return of late money that waits to the end


# What a run has to come to, or it has shown little.
ENDS = {"captured", "partially_refunded", "refunded", "reversed", "canceled", "expired", "failed"}
REFUSALS = {
    *("over_capture", "over_refund", "insufficient_funds", "limit_exceeded"),
    *("illegal_state", "already_settled", "conflict"),
}


async def test_the_same_operations_every_time(database_url, owner_url, tmp_path):
    """The seed that everybody runs; `KHATA_SEED` replays another one."""
    seed = seed_from_environment(ALWAYS)
    ran = await simulate(database_url, owner_url, tmp_path, seed=seed, steps=STEPS)
    print(ran)
    if seed == ALWAYS:
        assert {"turn", "give back"} <= ran.moves.keys(), ran
        assert ran.ends.keys() >= ENDS, ran
        assert ran.refusals.keys() >= REFUSALS, ran


async def test_other_operations_each_time(database_url, owner_url, tmp_path):
    """Its seed is printed; a failure says how to replay it."""
    seed = seed_from_environment(random.SystemRandom().randrange(10**9))
    print(f"{SEED}={seed}")
    ran = await simulate(database_url, owner_url, tmp_path, seed=seed, steps=STEPS)
    print(ran)
    assert len(ran.moves) >= 20, ran
