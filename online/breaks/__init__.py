"""Breaks: what reconciliation could not explain, as objects that finance works on.

Belongs here: a break's life online. Does not: finding breaks (offline), or moving money to and
from suspense (`postings`).
"""
