"""Past payments for a back-test of rules: their features, circumstances and what became of them.

Belongs here: where history comes from (the lake, or a labelled log in files), and streaming it with
features as of each payment. Does not: rules, or counting (`rules_backtest`).

A part of history is a few days of at most `_AT_ONCE` payments (or one day): memory is bounded by
the busiest day and by the entities that pay in it, not by how long history is.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from models.fraud.compile_duckdb import compile_features
from models.fraud.features import EPOCH, FEATURES, Number, PaymentFacts, values
from models.fraud.rules import Circumstances, rule_values, unlinked_trust
from online.kernel.clock import IST
from warehouse.connection import quoted, sql_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DAY_US: Final = 86_400_000_000
_IST_US: Final = 19_800_000_000
_REACH_US: Final = max(feature.window_s for feature in FEATURES) * 1_000_000
_FOREVER_US: Final = 2**53  # the year 2255
_AT_ONCE: Final = 200_000
_FETCH: Final = 10_000
_MEMORY: Final = "2GB"

# A log knows amounts, cards and merchants; the rest is as it is where nothing is known.
_OF_A_LOG: Final = """
SELECT
    payment_id, '' AS funding, '' AS card_network, '' AS card_country, '' AS card_category,
    []::VARCHAR[] AS lists, NULL::INTEGER AS device_trust, NULL::VARCHAR AS device_state,
    0 AS model_points
FROM history_payments WHERE at_us >= $from_us AND at_us < $until_us
"""

_DAYS: Final = """
SELECT (at_us + {zone}) // {day} AS day, count(*)
FROM history_payments WHERE at_us >= $from_us AND at_us < $until_us
GROUP BY day ORDER BY day
"""

_WANTED: Final = """
CREATE OR REPLACE TEMP TABLE history_wanted AS
SELECT payment_id FROM history_payments WHERE at_us >= $from_us AND at_us < $until_us
"""

# Of labels that became known in the same microsecond, fraud is believed.
_ROWS: Final = """
WITH verdicts AS (
    SELECT payment_id, arg_max(fraud, (known_us, fraud)) AS fraud
    FROM history_labels WHERE known_us < {known_until} GROUP BY payment_id
)

SELECT
    p.payment_id::VARCHAR, p.at_us, p.amount_minor, p.method, p.currency,
    p.customer_key IS NOT NULL, p.device_key IS NOT NULL, p.ip_key IS NOT NULL, v.fraud,
    c.funding, c.card_network, c.card_country, c.card_category, c.lists,
    c.device_trust, c.device_state, c.model_points,
    f.* EXCLUDE (payment_id)
FROM history_payments AS p
JOIN history_wanted USING (payment_id)
JOIN history_circumstances AS c USING (payment_id)
JOIN ({features}) AS f USING (payment_id)
LEFT JOIN verdicts AS v USING (payment_id)
ORDER BY p.at_us, p.payment_id
"""


class Days(Struct, frozen=True):
    """Whole days in India, the last one included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"{self.first} to {self.last} ends before it begins")

    @property
    def from_us(self) -> int:
        return (self.first - EPOCH.date()).days * _DAY_US - _IST_US

    @property
    def until_us(self) -> int:
        return (self.last - EPOCH.date()).days * _DAY_US + _DAY_US - _IST_US


class Past(Struct, frozen=True):
    """A payment as rules see it, and what became of it: fraud, good, or None: nobody knows yet."""

    payment_id: str
    at_us: int
    amount_minor: int
    currency: str
    fraud: bool | None
    model_points: int
    known: dict[str, Any]  # the values of `rule_values`


@contextmanager
def history_of_log(transactions: Path, labels: Path, days: Days) -> Iterator["History"]:
    """A labelled log in files, as `models.fraud.log` reads it."""
    import duckdb

    from models.fraud.log import read_log

    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        connection.execute(
            f"SET TimeZone = 'UTC'; SET threads = {cores}; SET memory_limit = '{_MEMORY}';"
            f" SET temp_directory = {quoted(spill)}"
        )
        read_log(connection, transactions, labels, days.until_us)
        connection.execute(
            "CREATE TEMP VIEW history_payments AS"
            " SELECT *, 'card' AS method, 'INR' AS currency FROM log_payments"
        )
        connection.execute("CREATE TEMP VIEW history_labels AS SELECT * FROM log_labels")
        yield History(connection, days, _OF_A_LOG, {})


def history_of_lake(connection: "DuckDBPyConnection", days: Days, *, livemode: bool) -> "History":
    """The event log of the warehouse, as this connection sees it."""
    bounds = {
        "livemode": livemode,
        "from_us": max(0, days.from_us - _REACH_US),
        "until_us": days.until_us,
    }
    # What became known later is no feature of these days, but it says what they were.
    ends = {"feature_payments": days.until_us, "feature_labels": _FOREVER_US}
    for name, until_us in ends.items():
        table = name.replace("feature", "history")
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS {sql_text(name)}",
            bounds | {"until_us": until_us},
        )
    return History(connection, days, sql_text("rules_circumstances"), {"livemode": livemode})


class History:
    """The payments of some days, in the order of time."""

    def __init__(
        self,
        connection: "DuckDBPyConnection",
        days: Days,
        circumstances: str,
        parameters: dict[str, Any],
    ) -> None:
        self._connection = connection
        self._days = days
        self._circumstances = circumstances
        self._parameters = parameters

    def payments(self, known_until_us: int | None = None) -> Iterator[Past]:
        """Each once; labels count that became known before `known_until_us`, or ever."""
        features = compile_features("history_payments", "history_labels", "history_wanted")
        rows = _ROWS.format(features=features, known_until=known_until_us or _FOREVER_US)
        for from_us, until_us in self._parts():
            bounds = {"from_us": from_us, "until_us": until_us}
            self._connection.execute(_WANTED, bounds)
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE history_circumstances AS {self._circumstances}",
                bounds | self._parameters,
            )
            result = self._connection.execute(rows)
            while chunk := result.fetchmany(_FETCH):
                yield from map(_past, chunk)

    def _parts(self) -> Iterator[tuple[int, int]]:
        """Bounds of runs of days, none longer than it must be."""
        bounds = {"from_us": self._days.from_us, "until_us": self._days.until_us}
        counted = self._connection.execute(_DAYS.format(zone=_IST_US, day=_DAY_US), bounds)
        begins, size = self._days.from_us, 0
        for day, count in counted.fetchall():
            starts = day * _DAY_US - _IST_US
            if size and size + count > _AT_ONCE:
                yield begins, starts
                begins, size = starts, 0
            size += count
        if size:
            yield begins, self._days.until_us


_NAMES: Final = tuple(feature.name for feature in FEATURES)


def _past(row: tuple[Any, ...]) -> Past:
    payment_id, at_us, amount, method, currency, customer, device, ip, fraud = row[:9]
    funding, network, country, category, lists, trust, state, points = row[9:17]
    facts = PaymentFacts(at_us, amount, method, currency, customer, device, ip)
    raw: dict[str, Number] = dict(zip(_NAMES, row[17:], strict=True))
    known = values(raw, facts)
    if state is None:  # no linked device: what its use has earned
        trust, state = unlinked_trust(known) if device else 0, "unlinked" if device else "absent"
    circumstances = Circumstances(
        funding=funding,
        card_network=network,
        card_country=country,
        card_category=category,
        device_trust=trust,
        device_state=state,
        lists=frozenset(lists),
    )
    named = rule_values(known, facts, circumstances)
    return Past(payment_id, at_us, amount, currency, fraud, points, named)


def moment(at_us: int) -> datetime:
    """In India, for people."""
    return (EPOCH + timedelta(microseconds=at_us)).astimezone(IST)
