"""The warehouse: DuckDB over DuckLake, its SQL, bank file readers and statement renderers.

Belongs here: how tables are attached, read, replaced and rendered. Does not: when that
happens (`assets`, `pipelines`) or what a learned model makes of it (`models`).
"""
