"""Payouts: a merchant sends money of its payable balance to bank accounts and VPAs of others.

Belongs here: whom money may go to and how that is verified, sending it, what became of it. Does
not: the payouts of settlements to the merchant's own account (`settlements`).
"""
