-- grain: one leaf beside the entries of an account in a seal of the period, or beside their absence
-- inputs: proof_leaves, proof_seals
-- owner: finance
-- What lies before and after says that nothing of the account is left out in between.
WITH held AS (
    SELECT
        day,
        part,
        owner_id,
        min(leaf_index) AS first_leaf,
        max(leaf_index) AS last_leaf
    FROM proof_leaves
    WHERE tree = 'entries'
        AND day BETWEEN $start_date AND $end_date
    GROUP BY day, part, owner_id
),

beside AS (
    SELECT
        held.day,
        held.part,
        max(held.last_leaf) FILTER (held.owner_id < account.id) AS before,
        min(held.first_leaf) FILTER (held.owner_id > account.id) AS after
    FROM held
    CROSS JOIN (SELECT unnest($accounts) AS id) AS account
    GROUP BY held.day, held.part, account.id
)

SELECT DISTINCT
    leaf.source_id AS id,
    leaf.day
FROM proof_leaves AS leaf
INNER JOIN proof_seals AS seal ON leaf.day = seal.day AND leaf.part = seal.part
INNER JOIN beside
    ON leaf.day = beside.day
    AND leaf.part = beside.part
    AND (leaf.leaf_index = beside.before OR leaf.leaf_index = beside.after)
WHERE leaf.tree = 'entries'
    AND seal.number IS NOT NULL
    AND leaf.day BETWEEN $start_date AND $end_date
