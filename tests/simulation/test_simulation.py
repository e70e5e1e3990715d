"""Thousands of random operations, audited after each; a seed is a run that can be seen again."""

import random

import pytest

from tests.simulation.running import SEED, seed_from_environment, simulate

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

STEPS = 1_500
ALWAYS = 20_260_310


async def test_the_same_operations_every_time(database_url, owner_url, tmp_path):
    """The seed that everybody runs: `KHATA_SEED` replays another one."""
    seed = seed_from_environment(ALWAYS)
    print(await simulate(database_url, owner_url, tmp_path, seed=seed, steps=STEPS))


async def test_other_operations_each_time(database_url, owner_url, tmp_path):
    """Its seed is printed; a failure says how to replay it."""
    seed = seed_from_environment(random.SystemRandom().randrange(10**9))
    print(f"{SEED}={seed}")
    ran = await simulate(database_url, owner_url, tmp_path, seed=seed, steps=STEPS)
    print(ran)
    # Where every kind of move is made, each is one that the model knows how to judge.
    assert len(ran.counts) >= 20, ran
