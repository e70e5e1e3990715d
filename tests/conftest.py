"""Fixtures shared by all tests: one embedded PostgreSQL a session, one database a test.

A migrated template is cloned for each test that asks for `database_url`, so that tests neither
see nor wait for each other.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import psycopg
import pytest

from online.platform.embedded_postgres import EmbeddedPostgres
from online.platform.migrations.run import upgrade
from tests.databases import PASSWORDS, as_role, fresh_database

# How long an example takes says something about the machine; what is fast is measured elsewhere.
hypothesis.settings.register_profile("khata", deadline=None)
hypothesis.settings.load_profile("khata")

_TODAY = datetime.now(UTC).date()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole", action="store_true", help="long tests at their full length (make test-e2e)"
    )


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    data_dir: Path = tmp_path_factory.mktemp("postgres") / "data"
    with EmbeddedPostgres(data_dir, settings={"fsync": "off", "max_connections": "200"}) as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    name = "khata_template"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    upgrade(postgres.url(name), today=_TODAY)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        for role, password in PASSWORDS.items():
            connection.execute(f"alter role {role} login password '{password}'")
    return name


@pytest.fixture
def owner_url(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A fresh migrated database, as its owner."""
    with fresh_database(postgres, template) as url:
        yield url


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, owner_url: str) -> str:
    """The same database, as the service's own role."""
    return as_role(postgres, owner_url, "khata_app")


@pytest.fixture
def reader_url(postgres: EmbeddedPostgres, owner_url: str) -> str:
    """The same database, as the role that ingestion reads with."""
    return as_role(postgres, owner_url, "khata_reader")
