"""Fresh migrated databases for tests: clones of a template, dropped at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg

from online.platform.embedded_postgres import EmbeddedPostgres

# What conftest gives the service's roles; nothing but these tests can reach the server.
PASSWORDS = {"khata_app": "app", "khata_reader": "reader"}
_numbers = count()


@contextmanager
def fresh_database(postgres: EmbeddedPostgres, template: str | None) -> Iterator[str]:
    """The URL of a new database, as its owner; without a template it is empty."""
    name = f"fresh_{next(_numbers)}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template or 'template0'}")
    try:
        yield postgres.url(name)
    finally:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")


def as_role(postgres: EmbeddedPostgres, url: str, role: str) -> str:
    """The same database, as one of the service's roles."""
    name = url.rpartition("/")[2].partition("?")[0]
    return postgres.url(name, user=role, password=PASSWORDS[role])
