"""What risk decides, and what its failure decides, happens to the payment and is recorded."""

import pytest
from msgspec.structs import replace

from online.kernel import ids
from online.risk import evidence
from tests.house import house_on

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(database_url):
    async with house_on(database_url) as opened:
        yield opened


async def record(house, payment):
    """The decision as the payment's events tell it."""
    ((risk,),) = await house.rows(
        "select data->'risk' from payment_events where aggregate_id = %s"
        " and event_type in ('payment.processing', 'payment.blocked')",
        payment.id,
    )
    return risk


async def test_a_decision_is_in_the_payments_event_with_everything(house):
    payment = await house.pay(await house.merchant(), 25_000_00)
    risk = await record(house, payment)
    assert risk["decision"] == "allow"
    assert risk["failure"] is None
    assert risk["score"] == sum(factor["score"] for factor in risk["factors"]) == 20
    assert risk["features"]["vpa_count_1h"] == 0
    assert len(risk["vector_hash"]) == 16
    assert set(risk) >= {
        *("shadow_rules", "lists", "challenger", "thresholds", "rules_hash", "external"),
        *("snapshot", "feature_set", "assess_us", "probability", "model_version"),
    }


@pytest.mark.parametrize(
    ("mode", "decision", "status", "reviews"),
    [
        ("approve", "allow", "captured", 0),
        ("review", "review", "captured", 1),
        ("block", "block", "blocked", 0),
    ],
)
async def test_a_broken_engine_leaves_it_to_the_merchant(
    house, monkeypatch, mode, decision, status, reviews
):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(evidence, "values", broken)
    house.risk_terms.now = replace(house.risk_terms.now, failure_mode=mode)
    payment = await house.pay(await house.merchant(), 500_00)
    risk = await record(house, payment)
    assert (risk["decision"], risk["failure"]) == (decision, "features_failed")
    assert [factor["code"] for factor in risk["factors"]] == ["engine_unavailable"]
    assert payment.status.value == status, ids.encode("pay", payment.id)
    assert await house.count("reviews") == reviews
    await house.check_books()


async def test_a_review_is_opened_with_the_payment(house):
    house.risk_terms.now = replace(house.risk_terms.now, challenge_at=5, review_at=10)
    merchant = await house.merchant()
    doubtful = await house.pay(merchant, 25_000_00)
    fine = await house.pay(merchant, 10_00)
    assert (await record(house, doubtful))["decision"] == "review"
    assert (await record(house, fine))["decision"] == "allow"
    assert await house.rows("select payment_id from reviews") == [(doubtful.id,)]
