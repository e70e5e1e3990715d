"""Delegations (UPI Circle): a primary lets a secondary pay from the primary's account.

Belongs here: who may pay for whom, within which caps, and stopping it. Does not: the primary's
approval of single payments (`approvals`), or payments themselves.
"""
