"""`python -m tests.simulation --seed N --steps M`: a long run on a database of its own."""

import argparse
import asyncio
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from online.platform.embedded_postgres import EmbeddedPostgres
from online.platform.migrations.run import upgrade
from tests.databases import PASSWORDS, as_role
from tests.simulation.running import simulate


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--steps", type=int, default=10_000)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "postgres", settings={"fsync": "off"}) as server,
    ):
        name = "simulation"
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name}")
        upgrade(server.url(name), today=datetime.now(UTC).date())
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            for role, password in PASSWORDS.items():
                connection.execute(f"alter role {role} login password '{password}'")
        owner = server.url(name)
        ran = asyncio.run(
            simulate(
                as_role(server, owner, "khata_app"),
                owner,
                Path(folder),
                seed=arguments.seed,
                steps=arguments.steps,
            )
        )
    print(ran)


if __name__ == "__main__":
    main()
