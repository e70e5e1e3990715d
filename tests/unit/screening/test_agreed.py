"""A merchant's terms of risk: the last word counts, whole."""

from datetime import UTC, datetime

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Metadata
from online.ledger.aggregate import Origin
from online.screening.agreed import TRANSITIONS, Status, terms_id
from online.screening.domain import RiskTerms
from online.screening.store import TERMS
from tests.unit.machines import as_rows

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
MERCHANT = ids.derived("a merchant")
SAID = {"merchant_id": ids.encode("mrc", MERCHANT), "challenge_at": 10, "review_at": 20}
SAID |= {"block_at": 30, "failure_mode": "block", "timeout_ms": 50, "scorer": "own", "by": "a"}


def test_the_table():
    assert as_rows(TRANSITIONS) == {"nothing": {"agreed": "agreed"}, "agreed": {"agreed": "agreed"}}


def test_the_last_word_counts_whole():
    events = [
        ev.RiskTermsAgreed(**SAID),
        ev.RiskTermsAgreed(**SAID | {"scorer": None, "block_at": 90, "by": "b"}),
    ]
    origin = Origin(id=terms_id(MERCHANT, livemode=False), merchant_id=MERCHANT, livemode=False)
    found = TERMS.create(origin, events, NOW, Metadata()).state
    assert found.terms == RiskTerms(
        challenge_at=10, review_at=20, block_at=90, failure_mode="block", timeout_ms=50
    )
    assert (found.status, found.version, found.agreed_by) == (Status.AGREED, 2, "b")


def test_test_and_live_terms_are_two():
    assert terms_id(MERCHANT, livemode=False) != terms_id(MERCHANT, livemode=True)
