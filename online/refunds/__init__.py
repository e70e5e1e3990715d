"""Refunds: captured money on its way back to the payer.

Belongs here: the life of one refund and its two commits around the rail. Does not: how much of a
payment may go back (the payment's own caps decide that).
"""
