"""Disputes: a payer's bank takes money back, and the merchant may say why it should not.

Belongs here: the life of one dispute, what it does to the books, the merchant's evidence and its
way to the rail. Does not: refunds, which the merchant decides; what the rail's file says about
the money (reconciliation).
"""
