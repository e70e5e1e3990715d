"""Each recipe, leg by leg; the table reads like LEDGER's own. Debit negative, credit positive."""

from collections import Counter
from uuid import UUID

import pytest

from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.accounts import (
    merchant_disputed,
    merchant_escrow,
    merchant_payable,
    merchant_pending,
    merchant_reserve,
)
from online.ledger.journal import Posting
from online.ledger.recipes import Tax

MERCHANT = UUID(int=4)
PENDING = merchant_pending(MERCHANT, 1_000)
PAYABLE = merchant_payable(MERCHANT)
RESERVE = merchant_reserve(MERCHANT, "stl_1")
DISPUTED = merchant_disputed(MERCHANT)
ESCROW = merchant_escrow(MERCHANT, "esc_1")
OTHER = merchant_pending(UUID(int=5))
RECEIVABLE, REFUNDS = "rail:card_a:receivable", "refunds:card_a:payable"
SUSPENSE = "suspense:card_a"
PAYOUTS = "payouts:bank_hdfc:in_transit"

CUSTOMER = UUID(int=5)
LITE = chart.customer_lite(CUSTOMER, 500_000)

TABLE = {
    "capture without a fee": (
        recipes.capture("card_a", PENDING, 10_000, 0, Tax()),
        [(RECEIVABLE, -10_000), (PENDING.code, 10_000)],
    ),
    "capture, fee and IGST": (
        recipes.capture("card_a", PENDING, 300_000, 5_400, Tax(igst_minor=972)),
        [
            (RECEIVABLE, -300_000),
            (PENDING.code, 300_000),
            (PENDING.code, -6_372),
            ("fees:mdr", 5_400),
            ("tax:igst", 972),
        ],
    ),
    "capture, fee, CGST and SGST": (
        recipes.capture("card_a", PENDING, 300_000, 5_400, Tax(cgst_minor=486, sgst_minor=486)),
        [
            (RECEIVABLE, -300_000),
            (PENDING.code, 300_000),
            (PENDING.code, -6_372),
            ("fees:mdr", 5_400),
            ("tax:cgst", 486),
            ("tax:sgst", 486),
        ],
    ),
    "escrow funded": (
        recipes.escrow_funded(PENDING, ESCROW, 1_000),
        [(PENDING.code, -1_000), (ESCROW.code, 1_000)],
    ),
    "escrow released to two, the owner one of them": (
        recipes.escrow_released(ESCROW, [(PENDING, 37), (OTHER, 963)]),
        [(ESCROW.code, -1_000), (PENDING.code, 37), (OTHER.code, 963)],
    ),
    "escrow released, a party's part is nothing": (
        recipes.escrow_released(ESCROW, [(PENDING, 0), (OTHER, 1)]),
        [(ESCROW.code, -1), (OTHER.code, 1)],
    ),
    "refund out of an escrow": (
        recipes.refund_requested("card_a", ESCROW, 600),
        [(ESCROW.code, -600), (REFUNDS, 600)],
    ),
    "refund requested": (
        recipes.refund_requested("card_a", PENDING, 600),
        [(PENDING.code, -600), (REFUNDS, 600)],
    ),
    "refund confirmed": (
        recipes.refund_confirmed("card_a", 600),
        [(REFUNDS, -600), (RECEIVABLE, 600)],
    ),
    "refund failed": (
        recipes.refund_failed("card_a", PENDING, 600),
        [(REFUNDS, -600), (PENDING.code, 600)],
    ),
    "late money": (
        recipes.late_money("card_a", 600),
        [(RECEIVABLE, -600), (REFUNDS, 600)],
    ),
    "late money returned": (
        recipes.late_money_returned("card_a", 600),
        [(REFUNDS, -600), (RECEIVABLE, 600)],
    ),
    "a capture that nobody has room for": (
        recipes.unplaced_capture("card_a", 600),
        [(RECEIVABLE, -600), (SUSPENSE, 600)],
    ),
    "money that went back beyond what was there": (
        recipes.unplaced_return("card_a", 600),
        [(SUSPENSE, -600), (RECEIVABLE, 600)],
    ),
    "a payout that was made twice": (
        recipes.unplaced_payout("bank_hdfc", 600),
        [("suspense:bank_hdfc", -600), (PAYOUTS, 600)],
    ),
    "dispute opened": (
        recipes.dispute_opened(MERCHANT, PENDING, 600),
        [(PENDING.code, -600), (DISPUTED.code, 600)],
    ),
    "dispute won": (
        recipes.dispute_won(MERCHANT, PENDING, 600),
        [(DISPUTED.code, -600), (PENDING.code, 600)],
    ),
    "dispute lost": (
        recipes.dispute_lost(MERCHANT, "card_a", 600),
        [(DISPUTED.code, -600), (RECEIVABLE, 600)],
    ),
    "dispute fee and IGST": (
        recipes.dispute_fee(PENDING, 500, Tax(igst_minor=90)),
        [(PENDING.code, -590), ("fees:dispute", 500), ("tax:igst", 90)],
    ),
    "dispute fee, CGST and SGST": (
        recipes.dispute_fee(PENDING, 500, Tax(cgst_minor=45, sgst_minor=45)),
        [(PENDING.code, -590), ("fees:dispute", 500), ("tax:cgst", 45), ("tax:sgst", 45)],
    ),
    "fee returned": (
        recipes.fee_returned(PENDING, 540, Tax(igst_minor=97)),
        [("fees:mdr", -540), ("tax:igst", -97), (PENDING.code, 637)],
    ),
    "fee returned, CGST and SGST": (
        recipes.fee_returned(PENDING, 540, Tax(cgst_minor=48, sgst_minor=49)),
        [("fees:mdr", -540), ("tax:cgst", -48), ("tax:sgst", -49), (PENDING.code, 637)],
    ),
    "settlement": (
        recipes.settlement(MERCHANT, PENDING, payout=779, reserve=0, tranche="stl_1", tds=0),
        [(PENDING.code, -779), (PAYABLE.code, 779)],
    ),
    "settlement with reserve and tax": (
        recipes.settlement(MERCHANT, PENDING, payout=779, reserve=100, tranche="stl_1", tds=9),
        [(PENDING.code, -888), (RESERVE.code, 100), ("tax:tds", 9), (PAYABLE.code, 779)],
    ),
    "reserve released": (
        recipes.reserve_released(MERCHANT, PENDING, "stl_1", 100),
        [(RESERVE.code, -100), (PENDING.code, 100)],
    ),
    "payout sent": (
        recipes.payout_sent(MERCHANT, "bank_hdfc", 779),
        [(PAYABLE.code, -779), (PAYOUTS, 779)],
    ),
    "payout returned": (
        recipes.payout_returned(MERCHANT, "bank_hdfc", 779),
        [(PAYOUTS, -779), (PAYABLE.code, 779)],
    ),
    "written off": (
        recipes.out_of_suspense(chart.suspense("upi_hdfc"), chart.writeoff("rounding"), -500),
        [("suspense:upi_hdfc", 500), ("writeoff:rounding", -500)],
    ),
    "explained": (
        recipes.out_of_suspense(chart.suspense("bank"), chart.rail_in_transit("upi_hdfc"), 976),
        [("suspense:bank", -976), ("rail:upi_hdfc:in_transit", 976)],
    ),
}
TABLE |= {
    "paid from a wallet": (
        recipes.taken(LITE, PENDING, 300_000, 3_300, Tax(igst_minor=594)),
        [
            (LITE.code, -300_000), (PENDING.code, 300_000), (PENDING.code, -3_894),
            ("fees:mdr", 3_300), ("tax:igst", 594),
        ],
    ),
    "reversed, owed to a wallet": (
        recipes.given_back(
            chart.refunds_payable("onus"), PENDING, 300_000, 3_300, Tax(igst_minor=594)
        ),
        [
            ("refunds:onus:payable", 300_000), (PENDING.code, -300_000), (PENDING.code, 3_894),
            ("fees:mdr", -3_300), ("tax:igst", -594),
        ],
    ),
    "refunded into a wallet": (
        recipes.refund_to_wallet("onus", LITE, 600),
        [("refunds:onus:payable", -600), (LITE.code, 600)],
    ),
    "top-up": (
        recipes.top_up("card_a", LITE, 600),
        [(RECEIVABLE, -600), (LITE.code, 600)],
    ),
    "wallet emptied": (
        recipes.wallet_emptied("card_a", LITE, 600),
        [(LITE.code, -600), (REFUNDS, 600)],
    ),
}  # fmt: skip
PROMISED = {
    "top-up begun": (
        recipes.top_up_begun("card_a", LITE, 600),
        [(RECEIVABLE, -600), (LITE.code, 600)],
    ),
    "top-up ended": (
        recipes.top_up_ended("card_a", LITE, 600),
        [(RECEIVABLE, 600), (LITE.code, -600)],
    ),
    "authorization": (
        recipes.authorization("card_a", PENDING, 900),
        [(RECEIVABLE, -900), (PENDING.code, 900)],
    ),
    "authorization released": (
        recipes.release_authorization("card_a", PENDING, 900),
        [(RECEIVABLE, 900), (PENDING.code, -900)],
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_posted_legs(name):
    legs, expected = TABLE[name]
    assert [(leg.account.code, leg.amount_minor) for leg in legs] == expected
    assert {leg.layer for leg in legs} == {"posted"}


@pytest.mark.parametrize("name", PROMISED)
def test_pending_legs(name):
    legs, expected = PROMISED[name]
    assert [(leg.account.code, leg.amount_minor) for leg in legs] == expected
    assert {leg.layer for leg in legs} == {"pending"}


@pytest.mark.parametrize("name", [*TABLE, *PROMISED])
def test_every_recipe_sums_to_zero_in_each_layer(name):
    legs, _ = {**TABLE, **PROMISED}[name]
    sums: Counter[str] = Counter()
    for leg in legs:
        sums[leg.layer] += leg.amount_minor
    assert not any(sums.values())


def sum_of(*recipe: tuple[Posting, ...]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for legs in recipe:
        for leg in legs:
            sums[f"{leg.account.code}/{leg.layer}"] += leg.amount_minor
    return {code: amount for code, amount in sums.items() if amount}


def test_a_payment_that_went_all_the_way_and_back_leaves_only_the_fee():
    """Authorized, captured, refunded: the rail owes nothing, the fee is kept."""
    tax = Tax(igst_minor=972)
    left = sum_of(
        recipes.authorization("card_a", PENDING, 300_000),
        recipes.release_authorization("card_a", PENDING, 300_000),
        recipes.capture("card_a", PENDING, 300_000, 5_400, tax),
        recipes.refund_requested("card_a", PENDING, 300_000),
        recipes.refund_confirmed("card_a", 300_000),
    )
    assert left == {
        f"{PENDING.code}/posted": -6_372,
        "fees:mdr/posted": 5_400,
        "tax:igst/posted": 972,
    }


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ("refund requested", "refund failed"),
        ("dispute opened", "dispute won"),
        ("payout sent", "payout returned"),
    ],
)
def test_what_fails_comes_back_whole(there, back):
    assert sum_of(TABLE[there][0], TABLE[back][0]) == {}
