-- grain: one currency in which rails owe us something else at the end of the day than what they
--   settle later
-- inputs: mart_trial_balance, stg_ledger_rows, stg_rail_rows, recon_totals
-- owner: finance
WITH owed AS (
    SELECT
        currency,
        -sum(closing_minor)::BIGINT AS owed_minor
    FROM mart_trial_balance
    WHERE business_date = $day AND layer = 'posted' AND account LIKE 'rail:%:receivable'
    GROUP BY currency
),

-- In time or late: the money comes with a later day's settlement.
settled_later AS (
    SELECT
        rail.currency,
        sum(rail.gross_minor)::BIGINT AS later_minor
    FROM stg_rail_rows AS rail
    SEMI JOIN stg_ledger_rows AS ledger
        ON rail.reference = ledger.reference
            AND rail."type" = ledger.kind
            AND ledger.business_date <= $day
    WHERE rail.settled_on > $day
    GROUP BY rail.currency
),

-- No file has it yet, and none had to.
not_yet_due AS (
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
    coalesce(later_minor, 0) AS later_minor,
    coalesce(open_minor, 0) AS not_yet_due_minor,
    owed_minor - coalesce(later_minor, 0) - coalesce(open_minor, 0) AS left_minor
FROM owed
LEFT JOIN settled_later USING (currency)
LEFT JOIN not_yet_due USING (currency)
WHERE owed_minor <> coalesce(later_minor, 0) + coalesce(open_minor, 0)
