-- grain: one kind, age, owner and currency of the breaks that stand open, as of the last run of any day
-- inputs: recon_breaks
-- owner: finance
WITH today AS (
    SELECT max(as_of) AS as_of
    FROM recon_breaks
),

aged AS (
    SELECT
        kind,
        owner,
        currency,
        at_stake_minor,
        (SELECT as_of FROM today) - business_date AS days
    FROM recon_breaks
)

SELECT
    kind,
    CASE
        WHEN days <= 1 THEN '0-1'
        WHEN days <= 3 THEN '2-3'
        WHEN days <= 7 THEN '4-7'
        WHEN days <= 30 THEN '8-30'
        WHEN days <= 90 THEN '31-90'
        ELSE '>90'
    END AS age_bucket,
    coalesce(owner, 'finance') AS owner,
    currency,
    count(*) AS breaks,
    coalesce(sum(at_stake_minor), 0)::BIGINT AS at_stake_minor
FROM aged
GROUP BY ALL
ORDER BY min(days), kind, owner, currency
