"""How much of what a payment was charged goes back with a refund. Pure arithmetic.

Where the contract returns MDR, a refund returns the part of it that the refund is of the captures,
and of each tax the same part. What is due is counted from the first refund on and what went back
already is taken off, so that rounding loses nothing: once all is refunded, all was returned, and
at no moment more than was charged. Another capture in between changes the proportion; a refund
then returns less rather than taking anything back.
"""

from online.kernel.money import divide_half_even
from online.ledger.charged import Charged
from online.ledger.recipes import Tax


def part_to_return(
    amount_minor: int, *, charged: Charged, returned: Charged, refunded_minor: int
) -> tuple[int, Tax]:
    """Fee and tax that a refund of `amount_minor` returns.

    `charged` is what the captures took and cost, `returned` what went back of that with earlier
    refunds, and `refunded_minor` the sum of those refunds (refunds under a contract that kept the
    fee are not among them).
    """

    def part(cost_minor: int, back_minor: int) -> int:
        share = cost_minor * (refunded_minor + amount_minor)
        return max(0, divide_half_even(share, charged.amount_minor) - back_minor)

    if charged.amount_minor <= 0:
        return 0, Tax()
    tax, back = charged.tax, returned.tax
    return part(charged.fee_minor, returned.fee_minor), Tax(
        igst_minor=part(tax.igst_minor, back.igst_minor),
        cgst_minor=part(tax.cgst_minor, back.cgst_minor),
        sgst_minor=part(tax.sgst_minor, back.sgst_minor),
    )
