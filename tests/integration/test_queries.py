"""Every named query fits the migrated schema, and the service's role may run it."""

import re

import psycopg
import pytest

from online.platform.sql import parse_queries
from tests.architecture.source import ROOT, name_of
from tests.databases import as_role, fresh_database

FILES = sorted(
    path
    for path in (ROOT / "online").rglob("*.sql")
    if "migrations" not in path.parts and "sandbox" not in path.parts
)
_PLACE = re.compile(r"%\((\w+)\)s")
STATEMENTS = [
    pytest.param(text, id=f"{path.parent.name}/{path.stem}:{name}")
    for path in FILES
    for name, text in parse_queries(path.read_text("utf-8")).statements.items()
]


@pytest.fixture(scope="module")
def connection(postgres, template):
    """As the service. Nothing is executed."""
    with (
        fresh_database(postgres, template) as owner,
        psycopg.connect(as_role(postgres, owner, "khata_app")) as opened,
    ):
        yield opened


def numbered(text: str) -> tuple[str, int]:
    """psycopg's named places as PostgreSQL's numbered ones; a name twice is one number."""
    names = list(dict.fromkeys(_PLACE.findall(text)))
    positions = {name: f"${names.index(name) + 1}" for name in names}
    return _PLACE.sub(lambda match: positions[match[1]], text).replace("%%", "%"), len(names)


def explain(connection, text: str) -> list[object]:
    statement, places = numbered(text)
    nulls = f"({', '.join(['null'] * places)})" if places else ""
    try:
        connection.execute(f"prepare checked as {statement}")
        # Planning alone asks for no right; EXPLAIN opens the plan as if to run it.
        connection.execute("set local plan_cache_mode = force_generic_plan")
        return connection.execute(f"explain execute checked{nulls}").fetchall()
    finally:
        connection.rollback()
        connection.execute("deallocate all")
        connection.rollback()


@pytest.mark.parametrize("text", STATEMENTS)
def test_a_query_is_planned_with_the_rights_of_the_service(connection, text):
    assert explain(connection, text)


@pytest.mark.parametrize(
    "text",
    [
        "select no_such_column from payments",
        "select * from no_such_table",
        "select id from payments where id = %(id)s::int",
        "delete from payment_events",
        "update ledger_entries set amount_cents = %(amount)s",
        "select * from offline.events",
    ],
)
def test_one_that_does_not_fit_would_be_found(connection, text):
    with pytest.raises(psycopg.Error):
        explain(connection, text)


def test_there_are_queries_of_every_slice_with_a_store():
    with_store = {path.parent for path in (ROOT / "online").glob("*/store.py")}
    assert {path.parent for path in FILES} >= with_store
    assert len(STATEMENTS) > 40


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_named_query_is_used(path):
    """Else it would be kept up for nobody."""
    code = "\n".join(p.read_text("utf-8") for p in (ROOT / "online").rglob("*.py"))
    names = parse_queries(path.read_text("utf-8")).statements
    unused = [name for name in names if f'"{name}"' not in code]
    assert unused == []
