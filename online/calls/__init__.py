"""Calls that moved money, by their idempotency key: what became of each, and for how long.

Belongs here: looking a key up, and forgetting old ones. Does not: reserving and answering keys
(the ledger's writer), or replaying an answer (`platform/idempotency.py`).
"""
