"""Brings any PostgreSQL ≥ 15 from what it is to head; safe to run again and from many places."""

from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from typing import Final

from alembic import command, op
from alembic.config import Config
from sqlalchemy import create_engine, make_url, text

_HERE: Final = Path(str(resources.files(__package__)))
_LOCK: Final = 0x6B68617461  # "khata": one migration at a time
OLDEST_SERVER: Final = 150000


class ServerTooOld(RuntimeError):
    """The server is older than PostgreSQL 15."""


def upgrade(url: str, *, today: date, revision: str = "head") -> None:
    """Migrates the database at `url` (libpq or SQLAlchemy form) and makes coming partitions."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        version = connection.execute(text("show server_version_num")).scalar_one()
        if int(version) < OLDEST_SERVER:
            raise ServerTooOld(f"PostgreSQL 15 or newer is needed, this is {version}")
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        config = Config()
        config.set_main_option("script_location", str(_HERE))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        first, last = today - timedelta(days=120), today + timedelta(days=400)
        connection.execute(
            text("select khata_ensure_event_partitions(:first, :last)"),
            {"first": first, "last": last},
        )
        connection.commit()
    engine.dispose()


def run_files(*names: str) -> None:
    """Runs SQL files of `sql/` inside the current step."""
    for name in names:
        statement = (_HERE / "sql" / name).read_text(encoding="utf-8")
        # The driver's own cursor: `text()` would take `:name` in the SQL for a parameter.
        cursor = op.get_bind().connection.cursor()
        cursor.execute(statement)
        cursor.close()
