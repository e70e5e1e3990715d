"""Screening: what merchants and the house say about risk: lists, terms, scorers of their own.

Belongs here: allow, block and watch lists, each merchant's thresholds and failure mode, asking a
scorer outside. Does not: features, rules and the decision (`risk`), which reads all of it.
"""
