"""Escrows: money set aside between parties until what they agreed on is met.

Belongs here: the agreement, its conditions, who gets how much, freezing and its resolution. Does
not: how a refund reaches the buyer (`refunds`), what a chargeback does beside (`disputes`).
"""
