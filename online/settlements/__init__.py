"""Settlements: a merchant's closed business day, summed, accepted and paid out.

Belongs here: the life of one settlement, checking a batch against the books, the payout. Does not:
computing batches (offline), fees (posted at capture).
"""
