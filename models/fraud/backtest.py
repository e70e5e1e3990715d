"""The door for a labelled log: learn on some days, score later ones as if each were today.

Belongs here: one test (or several, a week apart) on the relations of `log`, and its measures. Does
not: what a feature is, fitting (`training`), measures as such (`metrics`).

What keeps the future out:
- a feature reads events before its transaction, and labels known before it;
- a target of training is the newest label known before the test begins; a transaction of the
  training days without one is left out.
Every transaction of the test days is scored. Measured are those of cards not yet known as
compromised: no transaction since the training began has a fraud label that was known before the
day. AUC and average precision are of transactions; CP@100 is, of the 100 cards with the highest
score each day, the share with fraud on that day, cards found on an earlier day left out. Days are
UTC.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from models.fraud.compile_duckdb import compile_features
from models.fraud.features import (
    DAY,
    EPOCH,
    FEATURES,
    PaymentFacts,
    feature_names,
    feature_set_hash,
    finish,
)
from models.fraud.log import LogRefused, read_log
from models.fraud.metrics import intervals
from models.fraud.training import TrainingParams, fit_estimator
from models.fraud.watching import Interval
from warehouse.connection import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DAY_US: Final = DAY * 1_000_000
_AT_ONCE: Final = 20_000
_MEMORY: Final = "2GB"  # of DuckDB; the rest is the forest and its rows

PARAMS: Final = TrainingParams(
    algorithm="random_forest", trees=200, forest_leaf=10, forest_features=0.2
)

# Rows in the order of time, and by id within a microsecond: the order of the files is no matter.
_ROWS: Final = """
CREATE OR REPLACE TEMP TABLE log_rows AS
SELECT row_number() OVER (ORDER BY at_us, payment_id) - 1 AS place, *
FROM log_payments WHERE {wanted}
"""

_VECTORS: Final = """
SELECT at_us, amount_minor, f.* EXCLUDE (payment_id)
FROM log_rows JOIN ({features}) AS f USING (payment_id)
ORDER BY place
"""

_FOLD: Final = """
WITH known AS (
    SELECT
        payment_id,
        arg_max(fraud, (known_us, fraud)) FILTER (WHERE known_us < {begins}) AS at_test,
        arg_max(fraud, (known_us, fraud)) AS at_last
    FROM log_labels GROUP BY payment_id
),

compromised AS (
    SELECT card_key, min(known_us) AS since_us
    FROM log_labels JOIN log_payments USING (payment_id, card_key)
    WHERE fraud AND at_us >= {since} GROUP BY card_key
)

SELECT
    place,
    card_key,
    at_us,
    coalesce(at_test::INTEGER, -1) AS known,
    coalesce(at_last::INTEGER, -1) AS truth,
    coalesce(since_us < at_us - at_us % {day}, false) AS compromised
FROM log_rows LEFT JOIN known USING (payment_id) LEFT JOIN compromised USING (card_key)
WHERE at_us >= {start} AND at_us < {end}
ORDER BY place
"""


class Days(Struct, frozen=True, rename={"first": "from", "last": "to"}):
    """Whole days, the last one included, in UTC."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise LogRefused(f"the days {self} end before they begin")

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"

    @property
    def start_us(self) -> int:
        return (self.first - EPOCH.date()).days * _DAY_US

    @property
    def end_us(self) -> int:
        return ((self.last - EPOCH.date()).days + 1) * _DAY_US

    def earlier(self, days: int) -> "Days":
        return Days(self.first - timedelta(days), self.last - timedelta(days))


class Fold(Struct, frozen=True):
    """Days to learn from, and later days to be tested on."""

    train: Days
    test: Days

    def __post_init__(self) -> None:
        if self.train.end_us > self.test.start_us:
            raise LogRefused(f"training {self.train} is not over when the test {self.test} begins")


class Tested(Struct, frozen=True, kw_only=True):
    """One test: what it learned from, what was measured, and how well it did.

    Without both fraud and good labels among the measured there is nothing to measure by.
    """

    train: Days
    test: Days
    learned: int  # transactions of the training days with a label known before the test
    learned_frauds: int
    unlabelled: int  # left out of the training: no label known yet
    scored: int
    measured: int  # of those with a label and a card not known as compromised
    measured_frauds: int
    measures: dict[str, Interval]


class Report(Struct, frozen=True, kw_only=True):
    """The asked test, and those of earlier weeks beside it."""

    auc: float | None
    ap: float | None
    cp100: float | None
    scored: int
    measured: int
    params: TrainingParams
    feature_set: str
    weeks: list[Tested]
    seconds: float


def backtest(
    transactions: Path, labels: Path, fold: Fold, out: Path, *, weeks: int = 1,
    params: TrainingParams = PARAMS,
) -> Report:  # fmt: skip
    """Learn, write the scores of the test days to `out`, and measure; `weeks` tests, newest first.

    The tests before the asked one are the same, seven days earlier each.
    """
    import duckdb

    started = time.perf_counter()
    _room_for(out)
    cores = len(os.sched_getaffinity(0))
    folds = [Fold(fold.train.earlier(7 * n), fold.test.earlier(7 * n)) for n in range(weeks)]
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        connection.execute(
            f"SET TimeZone = 'UTC'; SET threads = {cores}; SET memory_limit = '{_MEMORY}';"
            f" SET temp_directory = {quoted(spill)}"
        )
        read_log(connection, transactions, labels, fold.test.end_us)
        rows = _vectors(connection, folds)
        params = msgspec.structs.replace(params, threads=cores)
        tested = []
        for number, asked in enumerate(folds):
            found, places, scores = _test(connection, asked, rows, params)
            tested.append(found)
            if number == 0:
                _write(connection, out, places, scores)
    newest = tested[0]
    value = {name: measure.value for name, measure in newest.measures.items()}
    return Report(
        auc=value.get("auc"),
        ap=value.get("ap"),
        cp100=value.get("cp100"),
        scored=newest.scored,
        measured=newest.measured,
        params=params,
        feature_set=feature_set_hash(),
        weeks=tested,
        seconds=round(time.perf_counter() - started, 1),
    )


def _vectors(connection: "DuckDBPyConnection", folds: Sequence[Fold]) -> Any:
    """What the model sees of each transaction of any day of the folds, in order of `place`."""
    import numpy as np

    spans = [days for fold in folds for days in (fold.train, fold.test)]
    wanted = " OR ".join(f"(at_us >= {d.start_us} AND at_us < {d.end_us})" for d in spans)
    connection.execute(_ROWS.format(wanted=wanted))
    features = compile_features("log_payments", "log_labels", "log_rows")
    result = connection.execute(_VECTORS.format(features=features))
    names = [feature.name for feature in FEATURES]
    blocks = [np.empty((0, len(feature_names())), np.float32)]
    while chunk := result.fetchmany(_AT_ONCE):
        block = np.empty((len(chunk), len(feature_names())), np.float32)
        for place, (at_us, amount, *raw) in enumerate(chunk):
            facts = PaymentFacts(at_us, amount, "card", "INR", True, False, False)
            block[place] = finish(dict(zip(names, raw, strict=True)), facts)
        blocks.append(block)
    return np.concatenate(blocks)


def _test(
    connection: "DuckDBPyConnection", fold: Fold, rows: Any, params: TrainingParams
) -> tuple[Tested, Any, Any]:
    """The fold's measures, and the places and scores of its test rows."""
    import numpy as np

    train = _columns(connection, fold, fold.train)
    test = _columns(connection, fold, fold.test)
    for what, days, columns in (("training", fold.train, train), ("test", fold.test, test)):
        if not len(columns["place"]):
            raise LogRefused(f"no transaction in the {what} days {days}")
    known = train["known"] >= 0
    targets = train["known"][known]
    if not 0 < int(targets.sum()) < len(targets):
        raise LogRefused(
            f"of the training days {fold.train}, {len(targets)} labels are known before the test,"
            f" {int(targets.sum())} of fraud: both kinds are needed"
        )
    estimator = fit_estimator(rows[train["place"][known]], targets, params)
    if hasattr(estimator, "n_jobs"):
        estimator.n_jobs = 1  # threads add the trees' votes up in any order, which rounds anyhow
    scores = estimator.predict_proba(rows[test["place"]])[:, 1]
    fair = (test["truth"] >= 0) & ~test["compromised"]
    truth = test["truth"][fair]
    measures = {}
    if 0 < int(truth.sum()) < len(truth):
        measures = intervals(
            truth, scores[fair], test["at_us"][fair], test["card_key"][fair], seed=params.seed
        )
    tested = Tested(
        train=fold.train,
        test=fold.test,
        learned=len(targets),
        learned_frauds=int(targets.sum()),
        unlabelled=int(np.sum(~known)),
        scored=len(scores),
        measured=len(truth),
        measured_frauds=int(truth.sum()),
        measures=measures,
    )
    return tested, test["place"], scores


def _columns(connection: "DuckDBPyConnection", fold: Fold, days: Days) -> dict[str, Any]:
    import numpy as np

    found = connection.execute(
        _FOLD.format(
            begins=fold.test.start_us,
            since=fold.train.start_us,
            day=_DAY_US,
            start=days.start_us,
            end=days.end_us,
        )
    ).fetchnumpy()
    return {name: np.asarray(column) for name, column in found.items()}


def _room_for(out: Path) -> None:
    """Found out before minutes of work, not after them."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogRefused(f"{out}: cannot be written: {error.strerror}") from None
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise LogRefused(f"{out}: cannot be written")


def _write(connection: "DuckDBPyConnection", out: Path, places: Any, scores: Any) -> None:
    """`transaction_id, score` in the order of time, whole or not at all."""
    import polars as pl

    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    kind = "csv, HEADER" if out.suffix.lower() == ".csv" else "parquet"
    connection.register("scored", pl.DataFrame({"place": places, "score": scores}))
    connection.execute(
        "COPY (SELECT payment_id AS transaction_id, score"  # noqa: S608  a path, quoted
        " FROM log_rows JOIN scored USING (place) ORDER BY place)"
        f" TO {quoted(str(temporary))} (FORMAT {kind})"
    )
    temporary.replace(out)
