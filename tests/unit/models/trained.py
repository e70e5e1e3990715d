"""A training set of a small made-up history, made once."""

from datetime import timedelta
from functools import cache

import duckdb

from models.fraud.dataset import Dataset, Split, build_dataset
from tests.unit.models.synthetic import START, event_log, history
from warehouse import macros

DELAY = timedelta(days=7)
SPLIT = Split(START + timedelta(days=35), START + timedelta(days=55), DELAY)


@cache
def made_dataset() -> Dataset:
    with duckdb.connect() as connection:
        for statement in ("SET TimeZone = 'UTC'", *macros.statements()):
            connection.execute(statement)
        event_log(connection, *history(8_000, 55, seed=9))
        return build_dataset(connection, SPLIT, snapshot="12")
