-- grain: one node above proof_level: the hash of two, or of a last one alone itself
-- inputs: proof_level
-- owner: platform
SELECT
    lower.day,
    lower.part,
    lower.tree,
    lower.node_index // 2 AS node_index,
    (lower.width + 1) // 2 AS width,
    CASE
        WHEN upper.hash IS NULL THEN lower.hash
        ELSE unhex(sha256('\x01'::BLOB || lower.hash || upper.hash))
    END AS hash
FROM proof_level AS lower
LEFT JOIN proof_level AS upper
    ON lower.day = upper.day
    AND lower.part = upper.part
    AND lower.tree = upper.tree
    AND upper.node_index = lower.node_index + 1
WHERE lower.node_index % 2 = 0 AND lower.width > 1
