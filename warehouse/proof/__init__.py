"""The proof: a Merkle tree a day over events, entries and audit rows, sealed by online.

Belongs here: leaves, trees, drafts of seals, and comparing the lake with what was sealed. Does not:
signing and numbering (online's `seals`), or what a merchant is given (`warehouse.statements.pack`).

A row's canonical text is in `sql/proof_*.sql` alone: compact JSON, keys sorted, whole numbers,
times in UTC as `2026-11-16T06:30:00.000000Z`. A leaf is `sha256(0x00 || text)`, a node
`sha256(0x01 || left || right)`, a last one without a partner goes up as it is, and the root of
nothing is `sha256("")` (RFC 6962, section 2.1). Order of leaves: entries by account and its
version, events by aggregate and its version, audit rows by source and id. Entries belong to their
business day, the others to the Indian day of their time.
"""
