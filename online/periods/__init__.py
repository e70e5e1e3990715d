"""Periods: months of the books, and closing them.

Belongs here: when a month may close, and the trial balance it closes with. Does not: refusing what
comes late (the ledger's writer and the database do).
"""
