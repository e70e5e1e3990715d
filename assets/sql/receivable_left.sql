-- grain: one currency in which rails owe us something else at the end of the day than what they
--   settle later
-- inputs: mart_trial_balance, stg_ledger_rows, stg_rail_rows, recon_totals, recon_matches, recon_breaks
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
    WHERE rail.settled_on > $day AND NOT is_memo(rail."type")
    GROUP BY rail.currency
),

open_days AS (
    SELECT
        business_date,
        currency,
        open_minor
    FROM recon_totals
    WHERE business_date <= $day AND side = 'rail' AND input = 'ledger' AND open_count > 0
),

-- Of what is open, that between people is none of ours.
open_memo AS (
    SELECT
        ledger.currency,
        sum(ledger.amount_minor)::BIGINT AS memo_minor
    FROM stg_ledger_rows AS ledger
    SEMI JOIN open_days
        ON ledger.business_date = open_days.business_date AND ledger.currency = open_days.currency
    ANTI JOIN recon_matches AS found
        ON ledger.entry_id = found.ledger_id AND ledger.business_date = found.business_date
    ANTI JOIN (
        SELECT
            business_date,
            unnest(row_ids) AS row_id
        FROM recon_breaks
        WHERE side = 'rail'
    ) AS broken
        ON ledger.entry_id = broken.row_id AND ledger.business_date = broken.business_date
    WHERE is_memo(ledger.kind)
    GROUP BY ledger.currency
),

-- No file has it yet, and none had to.
not_yet_due AS (
    SELECT
        open_days.currency,
        (sum(open_days.open_minor) - coalesce(any_value(open_memo.memo_minor), 0))::BIGINT AS open_minor
    FROM open_days
    LEFT JOIN open_memo ON open_days.currency = open_memo.currency
    GROUP BY open_days.currency
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
