"""Column rules that gate each warehouse table, run with Great Expectations.

Belongs here: what a column may hold, one suite a table. Does not: conservation of money,
which is checked in SQL beside the asset, so that no rule is kept twice.
"""
