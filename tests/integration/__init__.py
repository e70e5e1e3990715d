"""One part against the real thing beside it: PostgreSQL, DuckDB, a rail, a file on disk."""
