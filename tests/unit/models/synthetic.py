"""A small made-up history in which fraud leaves traces, and an event log to learn it from."""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import duckdb
import polars as pl

from online.kernel import ids
from warehouse.schema import tables

START = datetime(2026, 9, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Payment:
    id: UUID
    at: datetime
    customer: str | None
    instrument: str
    device: str | None
    merchant: UUID
    amount: int
    method: str = "upi"
    ip: str | None = None

    @property
    def card(self) -> str | None:
        return self.instrument if self.method == "card" else None

    @property
    def vpa(self) -> str | None:
        return None if self.method == "card" else self.instrument


@dataclass(frozen=True)
class Label:
    payment: Payment
    known_at: datetime
    fraud: bool


def history(payments: int, days: int, seed: int) -> tuple[list[Payment], list[Label]]:
    """Customers pay their usual amounts; some instruments are taken over for a few hours."""
    rng = random.Random(seed)
    customers = [f"cus_{n}" for n in range(max(10, payments // 40))]
    usual = {customer: rng.lognormvariate(10.5, 0.7) for customer in customers}
    merchants = [ids.derived("merchant", str(n)) for n in range(30)]
    made: list[Payment] = []
    labels: list[Label] = []
    while len(made) < payments:
        customer = rng.choice(customers)
        at = START + timedelta(seconds=rng.uniform(0, days * 86_400))
        if rng.random() < 0.003:
            bad_device = f"dev_bad_{rng.randrange(20)}"
            for _ in range(rng.randint(2, 6)):
                at += timedelta(minutes=rng.uniform(1, 20))
                amount = int(usual[customer] * rng.uniform(3, 10))
                payment = Payment(
                    *(drawn_id(rng, at), at, customer, f"card_{customer}", bad_device),
                    *(rng.choice(merchants), amount),
                )
                made.append(payment)
                known_at = at + timedelta(days=rng.uniform(0.5, 6))
                labels.append(Label(payment, known_at, fraud=True))
            continue
        amount = int(usual[customer] * rng.lognormvariate(0, 0.5))
        device = f"dev_{customer}" if rng.random() < 0.9 else None
        made.append(
            Payment(
                *(drawn_id(rng, at), at, customer, f"card_{customer}", device),
                *(rng.choice(merchants), amount),
            )
        )
    made.sort(key=lambda payment: payment.at)
    return made, labels


def drawn_id(rng: random.Random, at: datetime) -> UUID:
    """A UUIDv7 drawn from the seed, so that the same seed gives the same history."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62 | rng.getrandbits(61))


def event_log(
    connection: duckdb.DuckDBPyConnection, payments: list[Payment], labels: list[Label]
) -> None:
    """Fill `raw_events` as ingestion does."""
    rows = [_row(p.id, "payment.created", p.at, p.merchant, _created(p)) for p in payments]
    rows += [
        _row(
            ids.derived("label", str(label.payment.id), str(number)),
            *("label.recorded", label.known_at, label.payment.merchant),
            {
                "payment_id": ids.encode("pay", label.payment.id),
                "fraud": label.fraud,
                "source": "world",
                "known_at": label.known_at.isoformat(),
            },
        )
        for number, label in enumerate(labels)
    ]
    connection.execute("DROP TABLE IF EXISTS raw_events")
    connection.execute(tables()["raw_events"].create)
    schema = {
        "id": pl.Utf8, "aggregate_id": pl.Utf8, "aggregate_type": pl.Utf8, "event_type": pl.Utf8,
        "timestamp": pl.Datetime("us", "UTC"), "merchant_id": pl.Utf8, "data": pl.Utf8,
    }  # fmt: skip
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    connection.register("rows", frame.to_arrow())
    connection.execute(
        "INSERT INTO raw_events BY NAME"
        " SELECT * REPLACE (data::JSON AS data), false AS livemode FROM rows"
    )
    connection.unregister("rows")


def _row(aggregate_id: UUID, event_type: str, at: datetime, merchant: UUID, data):
    kind = event_type.partition(".")[0]
    id_ = str(ids.derived("event", str(aggregate_id)))
    return (id_, str(aggregate_id), kind, event_type, at, str(merchant), json.dumps(data))


def _created(payment: Payment) -> dict[str, object]:
    data = {
        "merchant_id": ids.encode("mrc", payment.merchant),
        "mcc": "5411",
        "amount": payment.amount,
        "currency": "INR",
        "method": payment.method,
        "instrument": payment.instrument,
        "customer_id": payment.customer,
        "device_id": payment.device,
        "ip_hash": payment.ip,
    }
    # Events leave out what has its default value.
    return {name: value for name, value in data.items() if value is not None}
