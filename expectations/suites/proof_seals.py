"""Column rules of `proof_seals`: one chain, each day's parts in it once."""

from expectations.suites.rules import Suite, between, looks_like, present, unique

_HASHES = ("events_root", "entries_root", "audit_root", "previous", "hash")

SUITE = Suite(
    table="proof_seals",
    columns="day, part, number, events_root, events_size, entries_root, entries_size, audit_root,"
    " audit_size, previous, hash, key_id, public_key, signature",
    rules=(
        *present("day", "part", "number", "key_id", "public_key", "signature"),
        *present(*_HASHES),
        unique("day", "part"),
        between("part", 1),
        *(between(f"{tree}_size", 0) for tree in ("events", "entries", "audit")),
        *(looks_like(name, "^[0-9a-f]{64}$", f"{name} is a hash") for name in _HASHES),
    ),
)
