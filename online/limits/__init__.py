"""Limits: what one user may do in a day, counted exactly and durably.

Belongs here: which counters a payment moves. Does not: moving them (the writer does, in the
payment's own transaction), or request rate limits (`security`).
"""
