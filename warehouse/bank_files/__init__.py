"""Readers of the files that banks and rails send, and their way into the lake.

Belongs here: `parse` (pure and total: bytes in, values and problems out), one module or one
YAML layout a format, and `load_file`, which loads a file whole or quarantines it whole.
Does not: matching, or what a line means to the ledger.
"""
