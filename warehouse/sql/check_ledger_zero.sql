-- grain: one number: currencies and layers whose entries do not sum to zero (0 is right)
-- inputs: raw_entries
-- owner: finance
SELECT count(*) AS unbalanced
FROM (
    SELECT 1
    FROM raw_entries
    GROUP BY currency, layer, livemode
    HAVING sum(amount_minor) <> 0
)
