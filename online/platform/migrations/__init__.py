"""Alembic migrations: numbered steps, each a list of SQL files run in order.

The SQL is PostgreSQL 15. Steps run as the owner of the database; what the service's role may do
is granted at the end of each step.
"""
