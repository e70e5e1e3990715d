"""What each business event posts: one small function each, returning the legs.

Dr is negative, Cr positive. Legs of zero are left out (`legs`).
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from online.ledger import accounts as chart
from online.ledger.accounts import Account
from online.ledger.journal import Posting, credit, debit

Legs = tuple[Posting, ...]


class Tax(msgspec.Struct, frozen=True):
    """GST on a fee, by place of supply: either IGST or CGST + SGST. Minor units."""

    igst_minor: int = 0
    cgst_minor: int = 0
    sgst_minor: int = 0

    @property
    def total_minor(self) -> int:
        return self.igst_minor + self.cgst_minor + self.sgst_minor


def legs(*postings: Posting) -> Legs:
    return tuple(posting for posting in postings if posting.amount_minor)


def capture(rail: str, pending: Account, amount: int, fee: int, tax: Tax) -> Legs:
    return taken(chart.rail_receivable(rail), pending, amount, fee, tax)


def taken(source: Account, pending: Account, amount: int, fee: int, tax: Tax) -> Legs:
    """Money for a merchant, from whoever owes it or holds it for the payer. Gross and fee are legs
    of their own, so that a statement can show both."""
    return legs(
        debit(source, amount),
        credit(pending, amount),
        debit(pending, fee + tax.total_minor),
        credit(chart.FEES_MDR, fee),
        credit(chart.TAX_IGST, tax.igst_minor),
        credit(chart.TAX_CGST, tax.cgst_minor),
        credit(chart.TAX_SGST, tax.sgst_minor),
    )


def authorization(rail: str, pending: Account, amount: int) -> Legs:
    return legs(
        debit(chart.rail_receivable(rail), amount, "pending"), credit(pending, amount, "pending")
    )


def release_authorization(rail: str, pending: Account, amount: int) -> Legs:
    """Void, expiry, or the part of an authorization that a capture uses up."""
    return legs(
        credit(chart.rail_receivable(rail), amount, "pending"), debit(pending, amount, "pending")
    )


def reversal(rail: str, pending: Account, amount: int, fee: int, tax: Tax) -> Legs:
    return given_back(chart.rail_receivable(rail), pending, amount, fee, tax)


def given_back(source: Account, pending: Account, amount: int, fee: int, tax: Tax) -> Legs:
    """What was taken with its signs turned, fee and tax included."""
    return legs(
        credit(source, amount),
        debit(pending, amount),
        credit(pending, fee + tax.total_minor),
        debit(chart.FEES_MDR, fee),
        debit(chart.TAX_IGST, tax.igst_minor),
        debit(chart.TAX_CGST, tax.cgst_minor),
        debit(chart.TAX_SGST, tax.sgst_minor),
    )


def refund_requested(rail: str, pending: Account, amount: int) -> Legs:
    return legs(debit(pending, amount), credit(chart.refunds_payable(rail), amount))


def refund_confirmed(rail: str, amount: int) -> Legs:
    """The rail nets the refund against what it owes us."""
    return legs(
        debit(chart.refunds_payable(rail), amount), credit(chart.rail_receivable(rail), amount)
    )


def refund_to_wallet(rail: str, lite: Account, amount: int) -> Legs:
    """What was paid from a wallet goes back into it."""
    return legs(debit(chart.refunds_payable(rail), amount), credit(lite, amount))


def top_up_begun(rail: str, lite: Account, amount: int) -> Legs:
    """Promised from the first commit on, so that it counts against the wallet's ceiling."""
    return legs(
        debit(chart.rail_receivable(rail), amount, "pending"), credit(lite, amount, "pending")
    )


def top_up_ended(rail: str, lite: Account, amount: int) -> Legs:
    """The promise is over, whatever became of it."""
    return legs(
        credit(chart.rail_receivable(rail), amount, "pending"), debit(lite, amount, "pending")
    )


def top_up(rail: str, lite: Account, amount: int) -> Legs:
    return legs(debit(chart.rail_receivable(rail), amount), credit(lite, amount))


def wallet_emptied(rail: str, lite: Account, amount: int) -> Legs:
    """What goes back to where it was loaded from is owed from here until the rail has done it."""
    return legs(debit(lite, amount), credit(chart.refunds_payable(rail), amount))


def refund_failed(rail: str, pending: Account, amount: int) -> Legs:
    return legs(debit(chart.refunds_payable(rail), amount), credit(pending, amount))


def late_money(rail: str, amount: int) -> Legs:
    """Taken from the payer for a payment that was over: owed to them from the first moment."""
    return legs(
        debit(chart.rail_receivable(rail), amount), credit(chart.refunds_payable(rail), amount)
    )


def late_money_returned(rail: str, amount: int) -> Legs:
    """The rail nets it against what it owes us."""
    return legs(
        debit(chart.refunds_payable(rail), amount), credit(chart.rail_receivable(rail), amount)
    )


def unplaced_capture(rail: str, amount: int) -> Legs:
    """The rail took what a payment has no room for: nobody's, until it is explained."""
    return legs(debit(chart.rail_receivable(rail), amount), credit(chart.suspense(rail), amount))


def unplaced_return(rail: str, amount: int) -> Legs:
    """The rail gave back what was given back otherwise, or is not there to give."""
    return legs(debit(chart.suspense(rail), amount), credit(chart.rail_receivable(rail), amount))


def unplaced_payout(rail: str, amount: int) -> Legs:
    """The bank paid out what we had paid out again."""
    return legs(debit(chart.suspense(rail), amount), credit(chart.payouts_in_transit(rail), amount))


def dispute_opened(merchant_id: UUID, pending: Account, amount: int) -> Legs:
    return legs(debit(pending, amount), credit(chart.merchant_disputed(merchant_id), amount))


def dispute_won(merchant_id: UUID, pending: Account, amount: int) -> Legs:
    return legs(debit(chart.merchant_disputed(merchant_id), amount), credit(pending, amount))


def dispute_lost(merchant_id: UUID, rail: str, amount: int) -> Legs:
    """The rail nets what the payer got back against what it owes us."""
    return legs(
        debit(chart.merchant_disputed(merchant_id), amount),
        credit(chart.rail_receivable(rail), amount),
    )


def dispute_fee(pending: Account, fee: int, tax: Tax) -> Legs:
    return legs(
        debit(pending, fee + tax.total_minor),
        credit(chart.FEES_DISPUTE, fee),
        credit(chart.TAX_IGST, tax.igst_minor),
        credit(chart.TAX_CGST, tax.cgst_minor),
        credit(chart.TAX_SGST, tax.sgst_minor),
    )


def fee_returned(pending: Account, fee: int, tax: Tax) -> Legs:
    """A refund gives the merchant back what the capture was charged for that part."""
    return legs(
        debit(chart.FEES_MDR, fee),
        debit(chart.TAX_IGST, tax.igst_minor),
        debit(chart.TAX_CGST, tax.cgst_minor),
        debit(chart.TAX_SGST, tax.sgst_minor),
        credit(pending, fee + tax.total_minor),
    )


def settlement(
    merchant_id: UUID, pending: Account, *, payout: int, reserve: int, tranche: str, tds: int
) -> Legs:
    """What is owed leaves pending: to be paid out, held back, and paid to the tax office."""
    return legs(
        debit(pending, payout + reserve + tds),
        credit(chart.merchant_reserve(merchant_id, tranche), reserve),
        credit(chart.TAX_TDS, tds),
        credit(chart.merchant_payable(merchant_id), payout),
    )


def reserve_released(merchant_id: UUID, pending: Account, tranche: str, amount: int) -> Legs:
    return legs(
        debit(chart.merchant_reserve(merchant_id, tranche), amount), credit(pending, amount)
    )


def escrow_funded(pending: Account, escrow: Account, amount: int) -> Legs:
    """Set aside, or there again after a dispute that was won."""
    return legs(debit(pending, amount), credit(escrow, amount))


def escrow_released(escrow: Account, parts: Sequence[tuple[Account, int]]) -> Legs:
    """To the pending balances of those whose money it is; back to the owner's, likewise."""
    amount = sum(part for _, part in parts)
    return legs(debit(escrow, amount), *(credit(pending, part) for pending, part in parts))


def payout_sent(merchant_id: UUID, rail: str, amount: int) -> Legs:
    return legs(
        debit(chart.merchant_payable(merchant_id), amount),
        credit(chart.payouts_in_transit(rail), amount),
    )


def payout_returned(merchant_id: UUID, rail: str, amount: int) -> Legs:
    return legs(
        debit(chart.payouts_in_transit(rail), amount),
        credit(chart.merchant_payable(merchant_id), amount),
    )


def p2p(rail: str, amount: int) -> Legs:
    """Memo: the money goes from one person to another; the switch's file needs an inside."""
    return legs(debit(chart.p2p_payer(rail), amount), credit(chart.p2p_payee(rail), amount))


def p2p_returned(rail: str, amount: int) -> Legs:
    return legs(credit(chart.p2p_payer(rail), amount), debit(chart.p2p_payee(rail), amount))


def own_payout_sent(rail: str, amount: int) -> Legs:
    """Out of our own pocket: the penny that shows whose account it reaches."""
    return legs(
        debit(chart.rail_costs(rail), amount), credit(chart.payouts_in_transit(rail), amount)
    )


def own_payout_returned(rail: str, amount: int) -> Legs:
    return legs(
        debit(chart.payouts_in_transit(rail), amount), credit(chart.rail_costs(rail), amount)
    )


def out_of_suspense(suspense: Account, to: Account, amount: int) -> Legs:
    """What a break held there, to where it belongs or is written off; `amount` as suspense shows
    it, credit positive. Back again with the sign turned."""
    return legs(Posting(suspense, -amount), Posting(to, amount))
