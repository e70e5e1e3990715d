"""The training set: every payment as the service would have seen it, with what is known since.

Belongs here: point-in-time features, targets, the time-ordered split. Does not: fitting
(`training`), or what a feature is (`features`).

Two clocks keep the future out. A feature of a payment uses only events before the payment, labels
by the time they became known. A target uses only labels known when its part of the split ends:

    ──────────── train ────────────┊─ label delay ─┊──── test ────┊─ label delay ─┊
    ─ early ─┊─ delay ─┊─── late ───┊           train_until        ┊           test_until
                    choose_from

A payment is fraud if the latest label known by then says so, otherwise good. Payments of the delay
itself are in neither part, not even those already known as fraud: the good ones among them are
not known yet, and one kind without the other would teach a fraud rate that never was.

The training part is divided once more in the same way: candidates learn from the early days as
they were known at `choose_from` and are compared, and calibrated, on the late ones.
"""

import hashlib
from collections.abc import Iterator
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
from warehouse.connection import sql_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Most disputes have come after so many days; a payment without one is then taken for good.
LABEL_DELAY: Final = timedelta(days=10)
# The newest payments that are learned from: a million rows take about 0.4 GB.
MAX_ROWS: Final = 2_000_000

_LATE_SHARE: Final = 0.25
_AT_ONCE: Final = 20_000
_US: Final = timedelta(microseconds=1)

_NEWEST: Final = """
SELECT epoch_us(max("timestamp")) FROM raw_events
WHERE event_type = 'payment.created' AND livemode = $livemode
"""

# The oldest payment to learn from, or the newest after which no more than `most` are left.
_FIRST: Final = """
SELECT min(at_us) FROM (
    SELECT epoch_us("timestamp") AS at_us FROM raw_events
    WHERE event_type = 'payment.created' AND livemode = $livemode
        AND epoch_us("timestamp") >= $from_us AND epoch_us("timestamp") < $judged_us
    ORDER BY at_us DESC LIMIT $most
)
"""

# Of labels that became known in the same microsecond, fraud is believed.
_WANTED: Final = """
CREATE OR REPLACE TEMP TABLE feature_wanted AS
WITH known AS (
    SELECT
        payment_id,
        arg_max(fraud, (known_us, fraud)) FILTER (WHERE known_us < $choose_us) AS at_choice,
        arg_max(fraud, (known_us, fraud)) FILTER (WHERE known_us < $train_us) AS at_training,
        arg_max(fraud, (known_us, fraud)) FILTER (WHERE known_us < $test_us) AS at_test
    FROM feature_labels GROUP BY payment_id
)
SELECT
    p.payment_id,
    coalesce(CASE WHEN p.at_us < $train_us THEN at_training ELSE at_test END, false) AS fraud,
    coalesce(at_choice, false) AS early_fraud
FROM feature_payments AS p LEFT JOIN known USING (payment_id)
WHERE (p.at_us >= $first_us AND p.at_us < $train_us - $delay_us)
    OR (p.at_us >= $train_us AND p.at_us < $test_us - $delay_us)
"""

_ROWS: Final = """
SELECT
    p.payment_id::VARCHAR, p.at_us, coalesce(p.card_key, p.vpa_key, p.payment_id::VARCHAR),
    w.fraud, w.early_fraud, p.amount_minor, p.method, p.currency,
    p.customer_key IS NOT NULL, p.device_key IS NOT NULL, p.ip_key IS NOT NULL,
    f.* EXCLUDE (payment_id)
FROM feature_wanted AS w
JOIN feature_payments AS p USING (payment_id)
JOIN ({features}) AS f USING (payment_id)
ORDER BY p.at_us, p.payment_id
"""


class Split(Struct, frozen=True):
    """Where the training and the test part end, and how long a payment waits to count as good."""

    train_until: datetime
    test_until: datetime
    label_delay: timedelta
    train_from: datetime | None = None  # without one: as far back as there are payments

    def __post_init__(self) -> None:
        if self.train_until + self.label_delay >= self.test_until:
            raise ValueError("no time is left for the test between the two label delays")
        if self.train_from and self.train_from + self.label_delay >= self.train_until:
            raise ValueError("no time is left for training before its label delay")


class Part(Struct):
    """Rows of one part of the split, in order of time."""

    rows: Any  # float32 matrix, columns as `feature_names()`
    targets: Any  # int8, 1 is fraud
    at_us: Any  # int64
    cards: Any  # text: the card or VPA, for measures by card
    amounts: Any  # int64, minor units
    payment_ids: Any  # text

    def between(self, start: int, end: int, targets: Any = None) -> "Part":
        """Some of the rows, without copying them."""
        columns = {name: getattr(self, name)[start:end] for name in self.__struct_fields__}
        return Part(**(columns if targets is None else {**columns, "targets": targets[start:end]}))


class Dataset(Struct):
    """A training and a test part, and where they came from."""

    train: Part
    test: Part
    early_targets: Any  # of the training rows, as they were known at `choose_from`
    split: Split
    trained_from: datetime
    choose_from: datetime
    livemode: bool
    snapshot: str

    @property
    def early(self) -> Part:
        """The training days that candidates learn from, as it was known at `choose_from`."""
        return self.train.between(
            0, self._place(self.choose_from - self.split.label_delay), self.early_targets
        )

    @property
    def late(self) -> Part:
        """The training days that candidates are compared and calibrated on."""
        return self.train.between(self._place(self.choose_from), len(self.train.targets))

    def _place(self, at: datetime) -> int:
        return int(self.train.at_us.searchsorted(epoch_us(at)))

    def digest(self) -> str:
        """Names the content: the same rows, targets and order, bit by bit."""
        content = hashlib.sha256()
        for part in (self.train, self.test):
            for column in (part.rows, part.targets, part.at_us, part.amounts):
                content.update(column.tobytes())
            content.update("\n".join(part.payment_ids.tolist()).encode())
        content.update(self.early_targets.tobytes())
        return content.hexdigest()[:16]


def latest_split(
    connection: "DuckDBPyConnection",
    *,
    livemode: bool = False,
    train_days: int | None = None,
    test_days: int = 10,
    label_delay: timedelta = LABEL_DELAY,
) -> Split:
    """The split that ends with the newest payment."""
    row = connection.execute(_NEWEST, {"livemode": livemode}).fetchone()
    if row is None or row[0] is None:
        raise ValueError("raw_events holds no payment to learn from")
    newest = _instant(int(row[0]) + 1)
    until = newest - label_delay - timedelta(days=test_days)
    start = until - label_delay - timedelta(days=train_days) if train_days else None
    return Split(until, newest, label_delay, start)


def build_dataset(
    connection: "DuckDBPyConnection",
    split: Split,
    *,
    livemode: bool = False,
    snapshot: str = "",
    max_rows: int = MAX_ROWS,
) -> Dataset:
    """Both parts of the split, from the event log as this connection sees it."""
    first_us = _first_us(connection, split, livemode, max_rows)
    choose_us = _choose_us(split, first_us)
    reach_us = max(feature.window_s for feature in FEATURES) * 1_000_000
    load_events(
        connection,
        livemode=livemode,
        from_us=max(0, first_us - reach_us),
        until_us=epoch_us(split.test_until),
    )
    connection.execute(
        _WANTED,
        {
            "first_us": first_us,
            "choose_us": choose_us,
            "train_us": epoch_us(split.train_until),
            "test_us": epoch_us(split.test_until),
            "delay_us": split.label_delay // _US,
        },
    )
    part, early_targets = _read(connection)
    end = int(part.at_us.searchsorted(epoch_us(split.train_until)))
    return Dataset(
        train=part.between(0, end),
        test=part.between(end, len(part.targets)),
        early_targets=early_targets[:end],
        split=split,
        trained_from=_instant(first_us),
        choose_from=_instant(choose_us),
        livemode=livemode,
        snapshot=snapshot,
    )


def load_events(
    connection: "DuckDBPyConnection", *, livemode: bool, from_us: int, until_us: int
) -> None:
    """Make `feature_payments` and `feature_labels`: the two relations that features read."""
    bounds = {"livemode": livemode, "from_us": from_us, "until_us": until_us}
    for name in ("feature_payments", "feature_labels"):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql_text(name)}", bounds)


def _first_us(connection: "DuckDBPyConnection", split: Split, livemode: bool, max_rows: int) -> int:
    judged_us = epoch_us(split.train_until - split.label_delay)
    bounds = {
        "livemode": livemode,
        "from_us": epoch_us(split.train_from) if split.train_from else 0,
        "judged_us": judged_us,
        "most": max_rows,
    }
    row = connection.execute(_FIRST, bounds).fetchone()
    return int(row[0]) if row and row[0] is not None else judged_us


def _choose_us(split: Split, first_us: int) -> int:
    """Where the last quarter of the judged training days begins."""
    judged_us = epoch_us(split.train_until - split.label_delay)
    return judged_us - round((judged_us - first_us) * _LATE_SHARE)


def _read(connection: "DuckDBPyConnection") -> tuple[Part, Any]:
    """All wanted rows in order of time, and their targets as known at the choice."""
    import numpy as np

    blocks = list(_blocks(connection))
    if not blocks:
        empty = np.empty((0, len(feature_names())), np.float32)
        none = np.empty(0, np.int64)
        text = np.empty(0, object)
        return Part(empty, none.astype(np.int8), none, text, none, text), none.astype(np.int8)
    # Column by column, so that no more than one is held twice.
    columns = [np.concatenate([block[place] for block in blocks]) for place in range(7)]
    *kept, early_targets = columns
    return Part(*kept), early_targets


def _blocks(connection: "DuckDBPyConnection") -> Iterator[tuple[Any, ...]]:
    """Columns as `Part` has them, and the targets at the choice, some thousand rows at a time."""
    import numpy as np

    features = compile_features("feature_payments", "feature_labels", wanted="feature_wanted")
    result = connection.execute(_ROWS.format(features=features))
    names = [feature.name for feature in FEATURES]
    facts_width = 11
    while chunk := result.fetchmany(_AT_ONCE):
        rows = np.empty((len(chunk), len(feature_names())), dtype=np.float32)
        for place, found in enumerate(chunk):
            at_us, amount, method, currency, customer, device, ip = found[1], *found[5:11]
            facts = PaymentFacts(at_us, amount, method, currency, customer, device, ip)
            rows[place] = finish(dict(zip(names, found[facts_width:], strict=True)), facts)
        ids, at_us, cards, fraud, early, amounts = list(zip(*chunk, strict=True))[:6]
        yield (
            rows,
            np.array(fraud, np.int8),
            np.array(at_us, np.int64),
            np.array(cards, object),
            np.array(amounts, np.int64),
            np.array(ids, object),
            np.array(early, np.int8),
        )


def _instant(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)
