"""Payments: from a decision to captured money, one rail attempt at a time.

Belongs here: the payment's states, its fees, and the two-commit dance around a rail call. Does
not belong here: intents and refunds (they build on this), rails, risk and routing themselves.
"""
