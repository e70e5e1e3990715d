"""What each step posts, what it costs by date and place, and what risk learns of it."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from online.disputes import outcomes
from online.disputes.domain import apply
from online.disputes.outcomes import Facts
from online.disputes.terms import About, Terms, load_terms
from online.kernel import events as ev
from online.kernel.events import Metadata
from online.ledger.accounts import merchant_disputed, merchant_pending
from online.payments.fees import load_fees
from online.platform.settings import ROOT
from online.risk.labels import Subject
from tests.builders import AT, MERCHANT, occurred, payment, uid
from tests.unit.disputes.test_domain import OPENED, dispute, news

TERMS = load_terms(ROOT / "config" / "disputes.yaml")
FEES = load_fees(ROOT / "config" / "fees.yaml")
HOME, AWAY = "29", "27"
PENDING, DISPUTED = merchant_pending(MERCHANT).code, merchant_disputed(MERCHANT).code


def facts(**changes: object) -> Facts:
    known = Facts(
        rail="card_a",
        payment=payment(card={"network": "visa"}),
        pending=merchant_pending(MERCHANT),
        state_code=AWAY,
        terms=TERMS,
        fees=FEES,
        at=AT,
    )
    return msgspec.structs.replace(known, **changes)


@pytest.mark.parametrize(
    ("step", "state", "posted"),
    [
        (
            ev.DisputeOpened,
            AWAY,
            {"dispute_opened": [(PENDING, -600_00), (DISPUTED, 600_00)]},
        ),
        (ev.DisputeWon, AWAY, {"dispute_won": [(DISPUTED, -600_00), (PENDING, 600_00)]}),
        (
            ev.DisputeLost,
            AWAY,
            {
                "dispute_lost": [(DISPUTED, -600_00), ("rail:card_a:receivable", 600_00)],
                "dispute_fee": [(PENDING, -590_00), ("fees:dispute", 500_00), ("tax:igst", 90_00)],
            },
        ),
        (
            ev.DisputeLost,
            HOME,
            {
                "dispute_lost": [(DISPUTED, -600_00), ("rail:card_a:receivable", 600_00)],
                "dispute_fee": [
                    (PENDING, -590_00),
                    ("fees:dispute", 500_00),
                    ("tax:cgst", 45_00),
                    ("tax:sgst", 45_00),
                ],
            },
        ),
    ],
)
def test_what_a_step_posts(step, state, posted):
    journals = outcomes.journals(step, dispute(), facts(state_code=state))
    assert {
        j.kind: [(p.account.code, p.amount_minor) for p in j.postings] for j in journals
    } == posted
    for journal in journals:
        assert journal.forced
        assert journal.cause == dispute().id
        own = dispute().reference
        assert journal.reference == ("CB1" if journal.kind == "dispute_lost" else own)
        assert journal.metadata["dispute_id"] == own
        assert journal.business_date == date(2026, 3, 10)


def test_a_fee_of_nothing_posts_nothing():
    free = msgspec.structs.replace(TERMS.fees[0], network=None, method=None, fee_minor=0)
    terms = msgspec.structs.replace(TERMS, fees=(free,))
    (only,) = outcomes.journals(ev.DisputeLost, dispute(), facts(terms=terms))
    assert only.kind == "dispute_lost"


def test_the_day_begins_in_india():
    late = datetime(2026, 3, 10, 19, 0, tzinfo=UTC)  # half past midnight there
    (journal,) = outcomes.journals(ev.DisputeWon, dispute(), facts(at=late))
    assert journal.business_date == date(2026, 3, 11)


def test_the_event_says_what_the_merchant_is_charged():
    lost = outcomes.event(ev.DisputeLost, news(status="lost"), facts())
    assert lost == ev.DisputeLost(fee=500_00, tax=90_00)


def test_the_opening_event_folds_into_the_row_that_was_told():
    opened = outcomes.event(ev.DisputeOpened, news(respond_by=OPENED.respond_by), facts())
    assert opened == OPENED
    assert apply(None, occurred(opened)) == dispute()


@pytest.mark.parametrize(
    ("method", "network", "days"),
    [("card", "visa", 20), ("card", "mastercard", 30), ("card", None, 14), ("upi", None, 3)],
)
def test_a_rail_that_names_no_day_leaves_ours(method, network, days):
    card = {"network": network} if network else None
    about = facts(payment=payment(method=method, card=card))
    opened = outcomes.event(ev.DisputeOpened, news(), about)
    assert opened.respond_by == AT + timedelta(days=days)


@pytest.mark.parametrize(
    ("method", "network", "fee"),
    [("card", "amex", 750_00), ("card", "rupay", 500_00), ("upi", None, 250_00)],
)
def test_the_price_of_losing(method, network, fee):
    about = About(rail="any", method=method, network=network)
    assert TERMS.fee_minor(about, date(2026, 3, 10)) == fee


def test_the_price_is_that_of_the_day_and_of_the_rail():
    def rule(fee_minor: int, **of: object) -> object:
        return msgspec.structs.replace(
            TERMS.fees[0], method=None, network=None, fee_minor=fee_minor, **of
        )

    until, since = date(2026, 3, 31), date(2026, 4, 1)
    terms: Terms = msgspec.structs.replace(
        TERMS,
        fees=(rule(1, rail="card_b"), rule(2, valid_to=until), rule(3, valid_from=since)),
    )
    card_a, card_b = (About(rail=rail, method="card") for rail in ("card_a", "card_b"))
    assert terms.fee_minor(card_b, until) == 1
    assert [terms.fee_minor(card_a, day) for day in (until, since)] == [2, 3]
    with pytest.raises(LookupError):
        TERMS.fee_minor(card_a, date(1999, 1, 1))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("10.4", "fraudulent"),
        ("4837", "fraudulent"),
        ("F29", "fraudulent"),
        ("13.1", "not_received"),
        ("13.3", "not_as_described"),
        ("12.6.1", "duplicate"),
        ("4834", "processing_error"),
        ("11.3", "authorization"),
        ("13.6", "credit_not_processed"),
        ("never heard of", "general"),
    ],
)
def test_what_a_code_means(code, reason):
    assert TERMS.reason(code) == reason


def test_a_code_means_one_thing():
    codes = [code for rule in TERMS.reasons for code in rule.codes]
    assert len(codes) == len(set(codes))


SUBJECT = Subject(
    payment_id=uid("payment"),
    merchant_id=MERCHANT,
    card_key="hash",
    vpa_key=None,
    customer_key=None,
    device_key=None,
    ip_key=None,
    amount_minor=600_00,
    livemode=False,
)
SAID_FRAUD = msgspec.structs.replace(
    SUBJECT, fraud=True, source="dispute", known_at=AT - timedelta(days=9), version=1
)
SAID_GOOD = msgspec.structs.replace(SAID_FRAUD, fraud=False, source="report")


@pytest.mark.parametrize(
    ("found", "subject", "others", "fraud"),
    [
        ((ev.DisputeOpened,), SUBJECT, False, True),
        ((ev.DisputeOpened, ev.DisputeLost), SUBJECT, False, True),
        ((ev.DisputeOpened, ev.DisputeWon), SUBJECT, False, False),
        ((ev.DisputeOpened,), SAID_FRAUD, False, None),
        ((ev.DisputeOpened,), SAID_GOOD, False, True),
        ((ev.DisputeWon,), SAID_FRAUD, False, False),
        ((ev.DisputeWon,), SAID_FRAUD, True, None),  # another dispute says fraud still
        ((ev.DisputeWon,), SAID_GOOD, False, None),
        ((ev.DisputeLost,), SAID_FRAUD, False, None),  # was said when it was opened
        ((ev.DisputeLost,), SAID_GOOD, False, True),  # the bank has the last word
    ],
)
def test_what_risk_learns(found, subject, others, fraud):
    about = facts(subject=subject, others_stand=others)
    recorded = outcomes.labels(found, dispute(), about, Metadata())
    assert recorded is not None
    (row,) = recorded.rows
    assert row.expected_version == subject.version
    if fraud is None:
        assert (recorded.events, recorded.appends) == ((), ())
        return
    (event,) = recorded.events
    assert (event.event.fraud, event.event.source) == (fraud, "dispute")
    assert event.event.known_at == event.at == AT
    assert event.metadata.causation_id == dispute().reference


@pytest.mark.parametrize("step", [ev.DisputeOpened, ev.DisputeWon, ev.DisputeLost])
def test_risk_learns_nothing_of_a_dispute_about_something_else(step):
    about = facts(subject=SUBJECT)
    assert outcomes.labels((step,), dispute(reason="not_received"), about, Metadata()) is None
