"""A month in the event log of which one day was decided; what its records say can be altered."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import duckdb

from models.fraud import parity
from models.fraud.features import PaymentFacts, epoch_us, feature_set_hash, finish, vector_hash
from tests.unit.models import oracle
from tests.unit.models.synthetic import START, Label, Payment, event_log, history
from warehouse import macros
from warehouse.connection import Lake
from warehouse.schema import tables

DAY = (START + timedelta(days=20)).date()


class Open(Lake):
    """A lake in memory whose transactions are single ones."""

    def transaction(self, body):
        return body(self)


def open_lake(connection: duckdb.DuckDBPyConnection) -> Open:
    """With the tables that parity reads and writes."""
    connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
    for statement in (*macros.statements(), tables()["fraud_parity"].create):
        connection.execute(statement)
    return Open(connection)


def written(
    lake: Lake, payments: Sequence[Payment], labels: Sequence[Label], xids: Sequence[int]
) -> None:
    """The event log, each event with the transaction that wrote it, payments first."""
    event_log(lake.connection, list(payments), list(labels))
    lake.execute("UPDATE raw_events SET xid = ($xids::BIGINT[])[rowid + 1]", xids=list(xids))


def facts_of(payment: Payment) -> PaymentFacts:
    return PaymentFacts(
        *(epoch_us(payment.at), payment.amount, payment.method, "INR"),
        *(payment.customer is not None, payment.device is not None, payment.ip is not None),
    )


@dataclass
class Log:
    """A month of payments and labels, of which every one of `DAY` was decided, and how."""

    lake: Lake
    payments: list[Payment]
    labels: list[Label]

    @property
    def of_day(self) -> list[Payment]:
        first = datetime.combine(DAY, datetime.min.time(), START.tzinfo) - timedelta(minutes=330)
        return [p for p in self.payments if first <= p.at < first + timedelta(days=1)]

    def record(self, payment: Payment) -> dict[str, Any]:
        raw = oracle.raw_features(payment, self.payments, self.labels)
        return {
            "feature_set": feature_set_hash(),
            "features": raw,
            "vector_hash": vector_hash(finish(raw, facts_of(payment))),
            "snapshot": "100:100:",
        }

    def write(self, altered: Mapping[Any, Mapping[str, Any]] | None = None) -> None:
        """Everything as it happened; the records of `altered` payments say something else."""
        written(
            self.lake, self.payments, self.labels, [1] * (len(self.payments) + len(self.labels))
        )
        rows = []
        for payment in self.of_day:
            record = self.record(payment) | dict((altered or {}).get(payment.id, {}))
            rows.append((str(payment.id), payment.at, json.dumps({"risk": record})))
        self.lake.connection.executemany(
            "INSERT INTO raw_events (aggregate_id, timestamp, data, event_type, version, livemode,"
            " xid) VALUES (?, ?, ?, 'payment.processing', 2, false, 200)",
            rows,
        )

    def verdict(self) -> parity.Verdict:
        return parity.verdict(self.lake, DAY)


def a_month(lake: Lake) -> Log:
    """Everything becomes known as fraud three days later; amounts whose squares a float loses."""
    payments, labels = history(900, 24, seed=9)
    labels += [Label(payment, payment.at + timedelta(days=3), fraud=True) for payment in payments]
    large = {each.id: replace(each, amount=each.amount * 10**6 + 1) for each in payments}
    labels = [replace(label, payment=large[label.payment.id]) for label in labels]
    return Log(lake, list(large.values()), labels)
