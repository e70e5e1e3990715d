"""The training set: every payment as the service would have seen it, with what is known since.

Belongs here: reading events into payments and labels, point-in-time features, the time-ordered
split. Does not: fitting (`training`), or what a feature is (`features`).

Two clocks keep the future out. A feature of a payment uses only events before the payment, labels
by the time they became known. A target uses only labels known when its part of the split ends:

    ──── training ────┊─ label delay ─┊──── test ────┊─ label delay ─┊
                      ┊           train_until        ┊           test_until

A payment is fraud if the latest label known by then says so, otherwise good. Payments of the delay
itself are in neither part, not even those already known as fraud: the good ones among them are
not known yet, and one kind without the other would teach a fraud rate that never was.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from models.fraud.compile_duckdb import compile_features
from models.fraud.features import (
    EPOCH,
    FEATURES,
    PaymentFacts,
    epoch_us,
    feature_names,
    finish,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Most disputes have come after so many days; a payment without one is then taken for good.
LABEL_DELAY: Final = timedelta(days=10)

# A TypeID's 26 letters are 128 bits in Crockford base32; DuckDB has no function for it.
_UUID_OF_TYPEID: Final = """
CREATE OR REPLACE TEMP MACRO uuid_of_typeid(id) AS CAST(lpad(hex(list_reduce(
    list_transform(
        string_split(split_part(id, '_', 2), ''),
        letter -> CAST(instr('0123456789abcdefghjkmnpqrstvwxyz', letter) - 1 AS UHUGEINT)
    ),
    (number, digit) -> number * 32 + digit
)), 32, '0') AS UUID)
"""

_PAYMENTS: Final = """
CREATE OR REPLACE TEMP TABLE feature_payments AS
SELECT
    aggregate_id AS payment_id,
    epoch_us("timestamp") AS at_us,
    data ->> '$.customer_id' AS customer_key,
    data ->> '$.instrument' AS instrument,
    data ->> '$.device_id' AS device_key,
    merchant_id,
    CAST(data ->> '$.amount' AS BIGINT) AS amount_minor,
    data ->> '$.method' AS method,
    data ->> '$.currency' AS currency
FROM {events}
WHERE event_type = 'payment.created' AND livemode = $livemode AND epoch_us("timestamp") < $until_us
"""

_LABELS: Final = """
CREATE OR REPLACE TEMP TABLE feature_labels AS
WITH labels AS (
    SELECT
        uuid_of_typeid(data ->> '$.payment_id') AS payment_id,
        CAST(data ->> '$.fraud' AS BOOLEAN) AS fraud,
        epoch_us("timestamp") AS known_us
    FROM {events}
    WHERE event_type = 'label.recorded' AND livemode = $livemode
      AND epoch_us("timestamp") < $until_us
)
SELECT payment_id, p.instrument, p.merchant_id, l.fraud, l.known_us
FROM labels AS l JOIN feature_payments AS p USING (payment_id)
"""

_NEWEST: Final = """
SELECT epoch_us(max("timestamp")) FROM {events}
WHERE event_type = 'payment.created' AND livemode = $livemode
"""

# Of labels that became known in the same microsecond, fraud is believed.
_TARGETS: Final = """
SELECT p.payment_id, coalesce(l.fraud, false)
FROM feature_payments AS p
LEFT JOIN (
    SELECT payment_id, arg_max(fraud, (known_us, fraud)) AS fraud
    FROM feature_labels WHERE known_us < $until_us GROUP BY payment_id
) AS l USING (payment_id)
WHERE p.at_us >= $from_us AND p.at_us < $judged_us
"""


_ROWS: Final = """
SELECT
    p.payment_id, p.at_us, p.instrument, p.amount_minor, p.method, p.currency,
    p.customer_key IS NOT NULL, p.device_key IS NOT NULL, f.* EXCLUDE (payment_id)
FROM feature_payments AS p JOIN ({features}) AS f USING (payment_id)
ORDER BY p.at_us, p.payment_id
"""


class Split(Struct, frozen=True):
    """Where the training and the test part end, and how long a payment waits to count as good."""

    train_until: datetime
    test_until: datetime
    label_delay: timedelta

    def __post_init__(self) -> None:
        if self.train_until + self.label_delay >= self.test_until:
            raise ValueError("no time is left for the test between the two label delays")


class Part(Struct):
    """Rows of one part of the split, in order of time."""

    rows: Any  # float32 matrix, columns as `feature_names()`
    targets: Any  # int8, 1 is fraud
    at_us: Any  # int64
    instruments: Any  # text, for measures by card
    amounts: Any  # int64, minor units


class Dataset(Struct):
    """A training and a test part, and where they came from."""

    train: Part
    test: Part
    split: Split
    trained_from: datetime
    snapshot: str


def latest_split(
    connection: "DuckDBPyConnection",
    *,
    events: str = "raw_events",
    livemode: bool = False,
    test_days: int = 10,
    label_delay: timedelta = LABEL_DELAY,
) -> Split:
    """The split that ends with the newest payment."""
    newest = _newest(connection, events, livemode)
    return Split(newest - label_delay - timedelta(days=test_days), newest, label_delay)


def _newest(connection: "DuckDBPyConnection", events: str, livemode: bool) -> datetime:
    row = connection.execute(_NEWEST.format(events=events), {"livemode": livemode}).fetchone()
    if row is None or row[0] is None:
        raise ValueError(f"{events} holds no payment to learn from")
    return _instant(int(row[0]) + 1)


def build_dataset(
    connection: "DuckDBPyConnection",
    split: Split,
    *,
    events: str = "raw_events",
    livemode: bool = False,
    snapshot: str = "",
) -> Dataset:
    """Both parts of the split, from the event log as it stands in the warehouse."""
    import numpy as np

    load_events(connection, split.test_until, events=events, livemode=livemode)
    ids, at_us, instruments, amounts, rows = _vectors(connection)
    place = {payment_id: index for index, payment_id in enumerate(ids)}

    def part(start_us: int, until: datetime) -> Part:
        until_us = epoch_us(until)
        targets = connection.execute(
            _TARGETS,
            {
                "from_us": start_us,
                "until_us": until_us,
                "judged_us": epoch_us(until - split.label_delay),
            },
        ).fetchall()
        found = sorted((place[payment_id], fraud) for payment_id, fraud in targets)
        index = np.array([position for position, _ in found], dtype=np.int64)
        return Part(
            rows=rows[index],
            targets=np.array([fraud for _, fraud in found], dtype=np.int8),
            at_us=at_us[index],
            instruments=instruments[index],
            amounts=amounts[index],
        )

    first_us = int(at_us[0]) if len(at_us) else epoch_us(split.train_until)
    return Dataset(
        train=part(first_us, split.train_until),
        test=part(epoch_us(split.train_until), split.test_until),
        split=split,
        trained_from=_instant(first_us),
        snapshot=snapshot,
    )


def load_events(
    connection: "DuckDBPyConnection", until: datetime, *, events: str, livemode: bool
) -> None:
    """Make `feature_payments` and `feature_labels`: the two relations that features read."""
    bounds = {"livemode": livemode, "until_us": epoch_us(until)}
    connection.execute(_UUID_OF_TYPEID)
    connection.execute(_PAYMENTS.format(events=events), bounds)
    connection.execute(_LABELS.format(events=events), bounds)


def _vectors(connection: "DuckDBPyConnection") -> tuple[list[Any], Any, Any, Any, Any]:
    import numpy as np

    features = compile_features("feature_payments", "feature_labels")
    result = connection.execute(_ROWS.format(features=features))
    names = [feature.name for feature in FEATURES]
    ids, times, instruments, amounts = [], [], [], []
    matrix: list[Any] = []
    while chunk := result.fetchmany(20_000):
        block = np.empty((len(chunk), len(feature_names())), dtype=np.float32)
        for row, found in enumerate(chunk):
            payment_id, at_us, instrument, amount, method, currency, customer, device = found[:8]
            facts = PaymentFacts(at_us, amount, method, currency, customer, device)
            block[row] = finish(dict(zip(names, found[8:], strict=True)), facts)
            ids.append(payment_id)
            times.append(at_us)
            instruments.append(instrument)
            amounts.append(amount)
        matrix.append(block)
    rows = np.concatenate(matrix) if matrix else np.empty((0, len(feature_names())), np.float32)
    return ids, np.array(times, np.int64), np.array(instruments), np.array(amounts, np.int64), rows


def _instant(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)
