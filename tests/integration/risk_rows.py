"""Made-up payments and labels as rows of the tables of risk, as the service writes them."""

from collections.abc import Iterator, Sequence

from online.ledger.change import Append
from online.platform.db import Database
from online.platform.sql import copy_rows
from online.risk.domain import RiskInput
from online.risk.recording import activity, label
from tests.unit.models.synthetic import Label, Payment


def risk_input(payment: Payment, *, livemode: bool = False) -> RiskInput:
    return RiskInput(
        payment_id=payment.id,
        at=payment.at,
        amount_minor=payment.amount,
        currency="INR",
        method=payment.method,
        merchant_id=payment.merchant,
        instrument=payment.instrument,
        customer_key=payment.customer,
        device_key=payment.device,
        ip_key=payment.ip,
        livemode=livemode,
    )


def appends(payments: Sequence[Payment], labels: Sequence[Label]) -> Iterator[Append]:
    yield from (activity(risk_input(payment)) for payment in payments)
    for known in labels:
        yield label(risk_input(known.payment), fraud=known.fraud, known_at=known.known_at)


async def fill(database: Database, payments: Sequence[Payment], labels: Sequence[Label]) -> None:
    """One COPY a table."""
    tables = {}
    for append in appends(payments, labels):
        tables.setdefault(append.table, []).extend(append.rows)
    async with database.transaction() as connection:
        for table, rows in tables.items():
            await copy_rows(connection, table, rows)
