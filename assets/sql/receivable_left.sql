-- grain: one rail that still owes us at the end of a closed day more than rows in their window
-- inputs: mart_trial_balance, recon_totals, recon_matches
-- owner: finance
WITH owed AS (
    SELECT
        currency,
        -sum(closing_minor)::BIGINT AS owed_minor
    FROM mart_trial_balance
    WHERE business_date = $day AND layer = 'posted' AND account LIKE 'rail:%:receivable'
    GROUP BY currency
),

-- Due in a later file: open rows, of this day and of earlier ones, as the last runs left them.
waiting AS (
    SELECT
        currency,
        sum(open_minor)::BIGINT AS open_minor
    FROM recon_totals
    WHERE business_date <= $day AND side = 'rail' AND input = 'ledger'
    GROUP BY currency
)

SELECT
    currency,
    owed_minor,
    coalesce(open_minor, 0) AS not_yet_due_minor,
    owed_minor - coalesce(open_minor, 0) AS left_minor
FROM owed
LEFT JOIN waiting USING (currency)
WHERE owed_minor <> coalesce(open_minor, 0)
