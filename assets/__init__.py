"""Dagster assets and their checks, each a few lines around a named query or a pure function.

Belongs here: what is made, from what, for which day, and what must hold of it. Does not:
wiring (`pipelines`), SQL and file formats (`warehouse`), column rules (`expectations`),
features and training (`models`).
"""
