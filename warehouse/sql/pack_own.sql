-- grain: one entry of the merchant's accounts that a statement of the period rests on
-- inputs: raw_entries, raw_accounts
-- owner: finance
-- Of each account an unbroken run of versions: from the first entry that is not older than the
-- period to the last that is not younger. Where nothing was posted in it, it begins with the entry
-- before it that was, which says the balance.
WITH own AS (
    SELECT id
    FROM raw_accounts
    WHERE starts_with(code, $prefix)
        AND currency = $currency
        AND livemode = $livemode
),

entry AS (
    SELECT
        entry.id,
        entry.account_id,
        entry.account_version,
        entry.business_date,
        entry.layer
    FROM raw_entries AS entry
    SEMI JOIN own ON entry.account_id = own.id
),

latest AS (
    SELECT
        account_id,
        min(account_version) FILTER (business_date >= $start_date) AS first_version,
        max(account_version) FILTER (business_date <= $end_date) AS last_version
    FROM entry
    GROUP BY account_id
),

run AS (
    SELECT
        latest.account_id,
        latest.last_version,
        least(
            latest.first_version, coalesce(max(entry.account_version) FILTER (entry.layer = 'posted'), 1)
        ) AS first_version
    FROM latest
    INNER JOIN entry
        ON latest.account_id = entry.account_id AND entry.account_version <= latest.last_version
    GROUP BY latest.account_id, latest.first_version, latest.last_version
)

SELECT
    entry.id,
    entry.business_date AS day
FROM entry
INNER JOIN run
    ON entry.account_id = run.account_id
    AND entry.account_version BETWEEN run.first_version AND run.last_version
