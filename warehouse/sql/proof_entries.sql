-- grain: one entry of proof_entry_parts, with the hash of its leaf
-- inputs: entry_parts
-- owner: platform
SELECT
    day,
    source_id,
    owner_id,
    place,
    unhex(sha256('\x00'::BLOB || encode(concat(
        '{"account_id":"', owner_id, '","balance":"', balance, '","posting":"', posting, '"}'
    )))) AS hash
FROM entry_parts
