-- grain: one row of the day that is in more than one match group of a side
-- inputs: recon_matches
-- owner: finance
WITH placed AS (
    SELECT
        side,
        group_id,
        unnest(list_filter([ledger_id, rail_id, bank_id], id -> id IS NOT NULL)) AS row_id
    FROM recon_matches
    WHERE business_date = $day
)

SELECT
    side,
    row_id,
    count(DISTINCT group_id) AS groups
FROM placed
GROUP BY side, row_id
HAVING count(DISTINCT group_id) > 1
