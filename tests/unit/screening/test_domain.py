"""Entries of risk lists, and terms: what is allowed, what follows, what is shown."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import IllegalMove, InvalidRequest
from online.kernel.events import Metadata
from online.ledger.aggregate import Origin
from online.screening.domain import (
    HOUSE,
    TRANSITIONS,
    Keys,
    Owner,
    RiskTerms,
    Status,
    check_end,
    check_subject,
    entry_id,
)
from online.screening.naming import mask_device, mask_ip
from online.screening.store import ENTRIES
from tests.unit.machines import as_rows

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
MERCHANT = Owner(ids.derived("a merchant"), False)
OF_THE_HOUSE = Owner(HOUSE, False)
SECOND = timedelta(seconds=1)
META = Metadata(actor="merchant:cli_a")


def listed(**fields):
    return ev.RiskListListed(
        **{
            "scope": MERCHANT.scope,
            "kind": "block",
            "subject": "vpa",
            "key": "k",
            "mask": "as***@ybl",
            "reason": "chargebacks",
            "by": "merchant:cli_a",
            **fields,
        }
    )


def entry(*events, at=NOW):
    origin = Origin(id=ids.derived("entry"), merchant_id=MERCHANT.id, livemode=False)
    return ENTRIES.create(origin, events, at, META).state


def test_the_table():
    assert as_rows(TRANSITIONS) == {
        "nothing": {"listed": "listed"},
        "listed": {"listed": "listed", "removed": "removed"},
        "removed": {"listed": "listed"},
    }
    with pytest.raises(IllegalMove):
        entry(listed(), ev.RiskListRemoved(by="x"), ev.RiskListRemoved(by="x"))


def test_a_subject_that_comes_back_keeps_its_entry_and_takes_the_new_reason():
    found = entry(listed(), ev.RiskListRemoved(by="x"), listed(reason="again", by="merchant:cli_b"))
    assert (found.status, found.reason, found.added_by) == (
        Status.LISTED, "again", "merchant:cli_b",
    )  # fmt: skip
    assert (found.version, found.created_at) == (3, NOW)


@pytest.mark.parametrize(
    ("end", "at", "state"),
    [
        (None, NOW + timedelta(days=9_999), "listed"),
        (NOW + SECOND, NOW, "listed"),
        (NOW + SECOND, NOW + SECOND, "expired"),
        (NOW + SECOND, NOW + SECOND - timedelta(microseconds=1), "listed"),
    ],
)
def test_an_end_needs_nobody_to_record_it(end, at, state):
    assert entry(listed(expires_at=end)).state_at(at) == state


def test_what_was_removed_has_not_expired():
    gone = entry(listed(expires_at=NOW + SECOND), ev.RiskListRemoved(by="x"))
    assert gone.state_at(NOW + timedelta(days=1)) == "removed"


def test_an_end_lies_ahead():
    check_end(None, NOW)
    check_end(NOW + SECOND, NOW)
    for past in (NOW, NOW - SECOND):
        with pytest.raises(InvalidRequest, match="future"):
            check_end(past, NOW)


@pytest.mark.parametrize("subject", ["card", "vpa", "device", "ip", "customer", "merchant"])
def test_who_may_list_whom(subject):
    """A card's hash and a customer are one merchant's; merchants are listed by the house."""
    refused = {owner for owner in (MERCHANT, OF_THE_HOUSE) if not permitted(owner, subject)}
    expected = {"card": {OF_THE_HOUSE}, "customer": {OF_THE_HOUSE}, "merchant": {MERCHANT}}
    assert refused == expected.get(subject, set())


def permitted(owner, subject):
    try:
        check_subject(owner, subject)
    except InvalidRequest:
        return False
    return True


def test_an_entry_is_one_of_its_owner_list_subject_and_mode():
    same = entry_id(MERCHANT, "block", "vpa", "k")
    assert same == entry_id(MERCHANT, "block", "vpa", "k")
    others = [
        entry_id(OF_THE_HOUSE, "block", "vpa", "k"),
        entry_id(Owner(MERCHANT.id, True), "block", "vpa", "k"),
        entry_id(MERCHANT, "watch", "vpa", "k"),
        entry_id(MERCHANT, "block", "device", "k"),
        entry_id(MERCHANT, "block", "vpa", "l"),
    ]
    assert len({same, *others}) == 6


def test_what_a_payment_is_looked_up_by():
    keys = Keys(merchant_id=MERCHANT.id, livemode=False, vpa="v", ip="i")
    assert keys.named() == [("vpa", "v"), ("ip", "i"), ("merchant", MERCHANT.scope)]


TERMS = {"failure_mode": "review", "timeout_ms": 100}


@pytest.mark.parametrize("thresholds", list(permutations((40, 60, 75))))
def test_thresholds_rise(thresholds):
    challenge, review, block = thresholds
    if thresholds == (40, 60, 75):
        RiskTerms(challenge_at=challenge, review_at=review, block_at=block, **TERMS)
        return
    with pytest.raises(InvalidRequest):
        RiskTerms(challenge_at=challenge, review_at=review, block_at=block, **TERMS)


@pytest.mark.parametrize(("least", "most"), [(0, 75), (40, 101)])
def test_thresholds_are_scores(least, most):
    with pytest.raises(InvalidRequest):
        RiskTerms(challenge_at=least, review_at=60, block_at=most, **TERMS)


@pytest.mark.parametrize(
    ("address", "mask"),
    [
        ("203.0.113.77", "203.0.113.…"),
        ("::ffff:203.0.113.77", "203.0.113.…"),
        ("2001:db8:85a3::8a2e:370:7334", "2001:db8:85a3:…"),
        ("::1", "0:0:0:…"),
    ],
)
def test_an_address_is_shown_by_its_network(address, mask):
    assert mask_ip(address) == mask


@pytest.mark.parametrize("address", ["", "here", "203.0.113", "203.0.113.256", "1.2.3.4/24"])
def test_what_is_no_address(address):
    with pytest.raises(InvalidRequest, match="IPv4"):
        mask_ip(address)


def test_a_device_is_shown_by_its_beginning():
    assert mask_device("short") == "short"
    assert mask_device("installation-7f3a") == "installa…"
    with pytest.raises(InvalidRequest):
        mask_device("x" * 101)
