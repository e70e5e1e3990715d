-- grain: one number: entries missing from an account's sequence of versions (0 is right)
-- inputs: raw_entries
-- owner: finance
SELECT coalesce(sum(latest - held), 0)::BIGINT AS missing
FROM (
    SELECT
        max(account_version) AS latest,
        count(*) AS held
    FROM raw_entries
    GROUP BY account_id
)
