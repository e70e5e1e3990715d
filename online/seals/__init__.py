"""Seals: the signed chain of the days' roots, by which an auditor knows that nothing was changed.

Belongs here: numbering, holding a seal against our own books, signing, publishing. Does not: trees
and proofs (offline's `warehouse.proof`).
"""
