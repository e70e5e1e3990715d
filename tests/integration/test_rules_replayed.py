"""A back-test says of each payment what the service said: the same rules, on the same knowledge."""

import pytest

from models.fraud.rules import load_rules
from models.fraud.rules_backtest import backtest_rules
from models.fraud.rules_history import Days, history_of_lake
from online.kernel import ids
from online.kernel.clock import business_date
from online.screening.build import RULES
from tests.gateways import gateway_on, settings_for, upi
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.ingest import PostgresSource, ingest

pytestmark = pytest.mark.anyio

TERMS = {"challenge_at": 40, "review_at": 60, "block_at": 75}
TERMS |= {"failure_mode": "approve", "timeout_ms": 5_000}
NOT_RULES = {"capped", "floored"}


@pytest.fixture
async def gateway(database_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        await opened.client.put("/api/v1/risk/settings", json=TERMS, headers=opened._headers)
        yield opened


async def traffic(gateway):
    """Payments that meet many rules: listed, many at once, high, from a shared device."""

    async def list_(kind, subject, value):
        body = {"kind": kind, "subject": subject, "value": value, "reason": "a test"}
        answer = await gateway.post("/risk/lists", body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    watched = await list_("watch", "vpa", "watched@ybl")
    await list_("block", "ip", "198.51.100.23")
    await list_("allow", "device", "trusted-phone")
    for number in range(7):
        await gateway.pay(10_00, upi("often@ybl"), device_id=f"phone-{number % 2}")
    await gateway.pay(25_000_00, upi("watched@ybl"))
    await gateway.pay(1_000_00, upi("fine@ybl"), ip_address="198.51.100.23")
    await gateway.pay(90_000_00, upi("watched@ybl"), device_id="trusted-phone")
    await gateway.pay(25_000_00, await gateway.card(), device_id="phone-1")
    await gateway.pay(60_000_00, upi("rich@ybl"), device_id="phone-9")
    # Lists change; what was decided stays what it was.
    headers = gateway._headers
    await gateway.client.delete(f"/api/v1/risk/lists/{watched}", headers=headers)
    await gateway.pay(25_000_00, upi("watched@ybl"))


async def test_a_backtest_says_what_the_service_said(gateway, reader_url, tmp_path):
    await traffic(gateway)
    config = LakeConfig(catalog=str(tmp_path / "lake.ducklake"), data_path=str(tmp_path / "lake"))
    today = business_date(gateway.services.clock.now())
    rules = load_rules(RULES)
    with Warehouse(config) as lake:
        schema.ensure(lake)
        ingest(lake, PostgresSource(reader_url), at=gateway.services.clock.now())
        history = history_of_lake(lake.connection, Days(today, today), livemode=False)
        replayed = {
            payment.payment_id: (
                {rule.code: rule.score for rule in rules.met(payment.known)},
                [rule.code for rule in rules.shadow_met(payment.known)],
            )
            for payment in history.payments()
        }
        report = backtest_rules(history.payments(), rules, days=("today", "today"))
    decided = await gateway.rows(
        "select aggregate_id, data -> 'risk' from payment_events"
        " where event_type in ('payment.processing', 'payment.blocked')"
    )
    said = {
        str(id_): (
            {f["code"]: f["score"] for f in risk["factors"] if f["code"] not in NOT_RULES},
            risk["shadow_rules"],
        )
        for id_, risk in decided
    }
    assert replayed == said
    met = {code for codes, _ in said.values() for code in codes}
    assert met >= {"on_watch_list", "on_block_list", "on_allow_list", "many_attempts_in_an_hour"}
    assert any(shadow for _, shadow in said.values())
    counted = {name: tally.payments for name, tally in report.rules.decisions.items()}
    asked = [risk["decision"] for _, risk in decided]
    assert counted == {name: asked.count(name) for name in counted}
    assert len({ids.encode("pay", id_) for id_, _ in decided}) == 13
