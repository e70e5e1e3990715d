"""Where the fault script is kept, so that it survives a restart of the banks.

Belongs here: the one row of it. Does not: its shape and meaning (`script.py`).
"""

import sqlite3
from typing import Final

import msgspec

from online.sandbox import fault_plans
from online.sandbox.script import Script

_DECODER: Final = msgspec.json.Decoder(Script)


def keep(db: sqlite3.Connection, script: Script, *, seed: int, source: str | None = None) -> Script:
    """From now on this one is in force, for the files of coming days too."""
    db.execute(
        "insert into script (id, body, source) values (1, ?, ?) on conflict (id)"
        " do update set body = excluded.body, source = coalesce(excluded.source, source)",
        (msgspec.json.encode(script), source),
    )
    fault_plans.set_standing_faults(
        db, script.files, seed=seed if script.seed is None else script.seed
    )
    return script


def load(db: sqlite3.Connection) -> Script:
    """The one in force; an empty one when nobody has set any."""
    row = db.execute("select body from script").fetchone()
    return Script() if row is None else _DECODER.decode(row[0])


def source(db: sqlite3.Connection) -> str | None:
    """The hash of the file that was taken last; a script set by HTTP since has kept it."""
    row = db.execute("select source from script").fetchone()
    return None if row is None else row[0]
