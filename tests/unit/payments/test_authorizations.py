"""How long money is kept, and for how much longer it may be: each network, and both sides of a
rule's dates."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from online.kernel.errors import IllegalMove
from online.payments.authorizations import (
    block_purpose,
    extended_to,
    find_extension,
    load_blocks,
    load_extensions,
)
from online.payments.decisions import NotExtendable, request_extension
from online.payments.domain import Status
from online.platform.settings import ROOT
from tests.builders import AT, payment

FILE = ROOT / "config" / "authorizations.yaml"
EXTENSIONS, BLOCKS = load_extensions(FILE), load_blocks(FILE)
DAY = timedelta(days=1)
HOTEL, SHOP, BROKER = "7011", "5411", "6211"


def held(network="mastercard", **fields):
    card = {"method": "card", "card": {"network": network}} if network else {"method": "upi"}
    return payment(
        status=Status.AUTHORIZED,
        capture_method="manual",
        authorized_minor=1_000,
        authorization_expires_at=AT + 4 * DAY,
        created_at=AT,
        **card,
        **fields,
    )


@pytest.mark.parametrize(
    ("network", "mcc", "days"),
    [
        ("visa", HOTEL, 30),
        ("visa", SHOP, None),
        ("mastercard", HOTEL, 30),
        ("mastercard", SHOP, 30),
        ("amex", HOTEL, 30),
        ("amex", SHOP, None),
        ("rupay", HOTEL, None),
        (None, SHOP, 90),
    ],
)
def test_who_may_keep_it_for_longer(network, mcc, days):
    rule = find_extension(EXTENSIONS, held(network), mcc=mcc, at=AT)
    assert (rule and rule.at_most_days) == days


def test_by_upi_from_the_day_of_the_circular_on():
    block = held(None)
    day = datetime(2024, 11, 30, tzinfo=UTC)
    assert find_extension(EXTENSIONS, block, mcc=SHOP, at=day - DAY) is None
    assert find_extension(EXTENSIONS, block, mcc=SHOP, at=day) is not None
    assert block_purpose(BLOCKS, mcc=SHOP, at=day - DAY) is None
    assert block_purpose(BLOCKS, mcc=SHOP, at=day) == "77"
    assert block_purpose(BLOCKS, mcc=BROKER, at=day) == "76"


@pytest.mark.parametrize(("after", "until"), [(0, 7), (3, 10), (22, 29), (24, 30), (29, 30)])
def test_each_extension_counts_from_its_day_up_to_the_most(after, until):
    rule = find_extension(EXTENSIONS, held(), mcc=SHOP, at=AT)
    assert extended_to(rule, held(), asked_at=AT + after * DAY) == AT + until * DAY


def test_what_brings_nothing_is_refused():
    rule = find_extension(EXTENSIONS, held(), mcc=SHOP, at=AT)
    assert request_extension(held(), rule, AT) == AT + 7 * DAY
    with pytest.raises(NotExtendable):
        request_extension(held(), None, AT)
    at_its_end = held()
    due = {"authorization_expires_at": AT + 30 * DAY}
    with pytest.raises(NotExtendable, match="30 days"):
        request_extension(replace(at_its_end, **due), rule, AT + 29 * DAY)
    with pytest.raises(IllegalMove):
        request_extension(held(), rule, AT + 4 * DAY)  # its time has passed
    with pytest.raises(IllegalMove):
        request_extension(replace(held(), capture_open_minor=1_000), rule, AT)
    with pytest.raises(IllegalMove):
        request_extension(replace(held(), status=Status.EXPIRED), rule, AT)
