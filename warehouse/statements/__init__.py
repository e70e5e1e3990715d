"""Merchant statements: rows from the ledger, rendered as JSON, CSV and PDF.

Belongs here: what a statement says and how it looks. Does not: who asked for it or where the
file goes.
"""
