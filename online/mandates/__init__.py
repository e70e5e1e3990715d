"""Mandates: a payer's standing permission to be debited, and the debits made under it.

Belongs here: what a payer approved, when it may be used, notices, tries and retries, revocation.
Does not: how a debit is paid (`payments`), limits of a payer beside the mandate's own (`limits`).
"""
