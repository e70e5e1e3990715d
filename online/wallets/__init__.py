"""Wallets: stored value of users, from which they pay without a PIN.

Belongs here: opening and closing them, loading money into them, what a payment from one may be.
Does not: making that payment (`payments`), nor what a user may do by type (`customers`).
"""
