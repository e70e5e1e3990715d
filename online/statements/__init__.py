"""Statements: documents that the pipeline makes and a merchant fetches.

Belongs here: asking for one, taking it in, handing it out. Does not: what stands in it.
"""
