"""Attempts: each call to a rail, written down before it is made.

Belongs here: the life of one operation at one rail, and sending or enquiring it. Does not: what
the outcome means for a payment, a refund or a payout (their slices).
"""
