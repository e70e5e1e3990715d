"""The training set as tables of the lake, so that the step that fits need not build it again.

Belongs here: a `Dataset` to rows and back, unchanged. Does not: what is in it
(`models.fraud.dataset`). The columns are the model's features, so the table is made anew each time.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl

from models.fraud.dataset import Dataset, Part, Split
from models.fraud.features import feature_names, feature_set_hash
from warehouse.connection import Lake, Warehouse

ROWS: Final = "fraud_training"
ABOUT: Final = "fraud_training_split"


def store(warehouse: Warehouse, dataset: Dataset) -> int:
    """Replace both tables in one transaction; returns how many rows there are."""
    # What was not yet known at the choice is of the training part alone.
    rows = pl.concat(
        [
            _frame("train", dataset.train, dataset.early_targets),
            _frame("test", dataset.test, dataset.test.targets),
        ]
    )
    about = pl.DataFrame(
        {
            "train_from": [dataset.split.train_from],
            "train_until": [dataset.split.train_until],
            "test_until": [dataset.split.test_until],
            "label_delay_us": [dataset.split.label_delay // timedelta(microseconds=1)],
            "trained_from": [dataset.trained_from],
            "choose_from": [dataset.choose_from],
            "livemode": [dataset.livemode],
            "snapshot": [dataset.snapshot],
            "feature_set": [feature_set_hash()],
        },
        schema_overrides={"train_from": pl.Datetime("us", "UTC")},
    )

    def body(lake: Lake) -> None:
        for name, frame in ((ROWS, rows), (ABOUT, about)):
            lake.connection.register("made", frame.to_arrow())
            lake.execute(f"CREATE OR REPLACE TABLE {name} AS FROM made")
            lake.connection.unregister("made")

    warehouse.transaction(body)
    return rows.height


def load(warehouse: Lake) -> Dataset:
    """The stored training set; refused if it was made for other features than today's."""
    about = warehouse.frame(f"FROM {ABOUT}").row(0, named=True)
    if about["feature_set"] != feature_set_hash():
        raise ValueError("the stored training set has other features: make fraud_training_set anew")
    train, early_targets = _part(warehouse, "train")
    test, _ = _part(warehouse, "test")
    start = about["train_from"]
    return Dataset(
        train=train,
        test=test,
        early_targets=early_targets,
        split=Split(
            _utc(about["train_until"]),
            _utc(about["test_until"]),
            timedelta(microseconds=about["label_delay_us"]),
            _utc(start) if start is not None else None,
        ),
        trained_from=_utc(about["trained_from"]),
        choose_from=_utc(about["choose_from"]),
        livemode=about["livemode"],
        snapshot=about["snapshot"],
    )


def _frame(name: str, part: Part, early_targets: Any) -> pl.DataFrame:
    import numpy as np

    facts: dict[str, Any] = {
        "part": [name] * len(part.targets),
        "row_no": np.arange(len(part.targets), dtype=np.int64),
        "payment_id": part.payment_ids.tolist(),
        "is_fraud": part.targets.astype(np.int8),
        "was_fraud_at_choice": early_targets.astype(np.int8),
        "at_us": part.at_us,
        "card": part.cards.tolist(),
        "amount_minor": part.amounts,
    }
    columns = dict(zip(feature_names(), part.rows.T, strict=True))
    texts = dict.fromkeys(("part", "payment_id", "card"), pl.String)
    return pl.DataFrame({**facts, **columns}, schema_overrides=texts)


def _part(lake: Lake, name: str) -> tuple[Part, Any]:
    """A part, and its targets as they were known at the choice."""
    import numpy as np

    frame = lake.frame(f"FROM {ROWS} WHERE part = $part ORDER BY row_no", part=name)
    rows = frame.select(feature_names()).to_numpy().astype(np.float32)
    part = Part(
        rows=np.ascontiguousarray(rows),
        targets=frame["is_fraud"].to_numpy().astype(np.int8),
        at_us=frame["at_us"].to_numpy().astype(np.int64),
        cards=np.array(frame["card"].to_list(), object),
        amounts=frame["amount_minor"].to_numpy().astype(np.int64),
        payment_ids=np.array(frame["payment_id"].to_list(), object),
    )
    return part, frame["was_fraud_at_choice"].to_numpy().astype(np.int8)


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
