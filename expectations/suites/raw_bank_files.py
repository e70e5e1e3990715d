"""Column rules of `raw_bank_files`: each file that came, and what became of it."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="raw_bank_files",
    columns="file_sha256, name, format, size_bytes, received_at, status, row_count",
    rules=(
        *present("file_sha256", "name", "format", "received_at", "status"),
        unique("file_sha256"),
        looks_like("file_sha256", "^[0-9a-f]{64}$", "file_sha256 is a hash"),
        between("size_bytes", 0),
        between("row_count", 0),
        one_of("status", ["loaded", "quarantined", "superseded"]),
    ),
)
