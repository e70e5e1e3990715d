"""Wallets as finance sees them: copied by the real ingestion, staged, settled and safeguarded."""

from datetime import timedelta
from pathlib import Path

import pytest

from online.kernel.clock import business_date
from online.operations.verify import verify_books
from tests.gateways import gateway_on, settings_for
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.ingest import PostgresSource, ingest
from warehouse.settlement import settle_day

pytestmark = pytest.mark.anyio

LITE = {"type": "upi", "upi": {"lite": True}}
CHECK = Path(__file__).resolve().parents[2] / "assets" / "sql" / "ledger_rows_against_entries.sql"


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


async def user(gateway):
    """With an open wallet."""
    body = {"upi_type": "max"}
    customer = (await gateway.post("/customers", body, key=None)).json()["id"]
    kind = {"customer_id": customer, "kind": "ppi"}
    assert (await gateway.post("/wallets", kind, key=None)).status_code == 201
    return customer


async def load(gateway, customer, amount):
    answer = await gateway.post(f"/wallets/{customer}/top-ups", {"amount": amount})
    assert answer.status_code == 201, answer.text


async def spend(gateway, customer, amount):
    body = {"amount": amount, "payment_method": LITE, "customer_id": customer}
    answer = await gateway.post("/payments", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_day_of_wallets_offline(gateway, reader_url, tmp_path):
    customers = [await user(gateway) for _ in range(2)]
    gateway.later(timedelta(hours=25))  # a user's first day has a limit of its own
    await gateway.sign_in()
    customer, other = customers
    await load(gateway, customer, 50_000_00)
    await load(gateway, other, 700_00)
    paid = await spend(gateway, customer, 3_000_00)
    assert (paid["fee"], paid["tax"]) == (33_00, 5_94)  # 1.1 % of what a PPI pays, and GST on it
    small = await spend(gateway, customer, 2_000_00)
    assert (small["fee"], small["tax"]) == (0, 0)
    await gateway.post("/refunds", {"payment": small["id"], "amount": 500_00})
    undone = await spend(gateway, customer, 400_00)
    assert (await gateway.post(f"/payments/{undone['id']}/reverse", {})).status_code == 200
    assert (await gateway.post(f"/wallets/{other}/close", {})).status_code == 200
    card = await gateway.pay(1_000_00)
    assert card["rail"] == "upi_hdfc"

    day, now = business_date(gateway.services.clock.now()), gateway.services.clock.now()
    lake = LakeConfig(catalog=str(tmp_path / "lake.ducklake"), data_path=str(tmp_path / "lake"))
    with Warehouse(lake) as warehouse:
        schema.ensure(warehouse)
        ingest(warehouse, PostgresSource(reader_url), at=now + timedelta(minutes=1))
        for table in ("stg_ledger_rows", "mart_safeguarding", "mart_trial_balance"):
            warehouse.replace_day(table, table, day=day)
        staged = warehouse.rows(
            "SELECT rail, kind, sum(amount_minor)::BIGINT FROM stg_ledger_rows"
            " GROUP BY ALL ORDER BY ALL"
        )
        assert warehouse.rows(CHECK.read_text("utf-8"), day=day) == []
        # The rail's file shows what it took and gave back, and nothing of payments on us.
        assert staged == [
            ("upi_hdfc", "capture", 50_000_00 + 700_00 + 1_000_00), ("upi_hdfc", "refund", -700_00),
        ]  # fmt: skip
        held = await gateway.scalar(
            "select sum(posted)::bigint from ledger_accounts where code like 'customer:%%'"
        )
        assert held == 50_000_00 - 3_000_00 - 2_000_00 + 500_00
        safe = warehouse.rows(
            "SELECT customers_minor, refunds_minor, merchants_minor FROM mart_safeguarding"
        )
        owed = 3_000_00 - 38_94 + 2_000_00 - 500_00 + 1_000_00
        assert safe == [(held, 0, owed)]
        assert warehouse.rows(
            "SELECT sum(closing_minor)::BIGINT FROM mart_trial_balance GROUP BY layer"
        ) in ([(0,)], [(0,), (0,)])
        settle_day(warehouse, day)
        sums = ("gross_minor", "refund_minor", "fee_minor", "tax_minor", "net_minor")
        told = ", ".join(f"sum({each})::BIGINT" for each in sums)
        assert warehouse.rows(f"SELECT {told} FROM settlement_lines") == [
            (3_000_00 + 2_000_00 + 1_000_00, 500_00, 33_00, 5_94, owed)
        ]
