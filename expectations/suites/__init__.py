"""One module a table: its suite and nothing else."""
