"""Holds: a payer's money that is kept for a merchant, and taken or let go later, whole or in parts.

Belongs here: the hold as a merchant sees it, which follows the payment behind it. Does not: how an
authorization is made, taken, released or extended at a rail (`payments`).
"""
