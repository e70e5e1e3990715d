"""Approvals: a secondary asks, the primary approves within minutes, and a payment is made.

Belongs here: requests under a partial delegation, what they hold of limits while they wait, the
primary's signature, and what a primary sees of payments. Does not: the delegation and its caps
(`delegations`), or carrying out the payment (`payments`).
"""
