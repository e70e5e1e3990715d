-- grain: one ledger row that a rail or bank file should show, around the day
-- inputs: stg_ledger_rows, stg_payout_rows
-- owner: finance
SELECT
    entry_id AS row_id,
    payment_id,
    kind,
    reference,
    amount_minor,
    currency,
    'success' AS status,
    rail,
    business_date AS day,
    -- The bank's day ends at 21:00 in India, that is 15:30 UTC: what comes later is due a day on.
    (occurred_at + INTERVAL 510 MINUTE - INTERVAL 1 MICROSECOND)::DATE AS due_on,
    NULL::VARCHAR AS counterparty,
    hash(reference, kind, currency) AS place
FROM stg_ledger_rows
WHERE business_date BETWEEN $day - $lookback_days::INTEGER AND $day + $lookback_days::INTEGER
UNION ALL
SELECT
    entry_id AS row_id,
    NULL AS payment_id,
    'payout' AS kind,
    reference,
    amount_minor,
    currency,
    'success' AS status,
    rail,
    business_date AS day,
    (occurred_at + INTERVAL 510 MINUTE - INTERVAL 1 MICROSECOND)::DATE AS due_on,
    NULL AS counterparty,
    hash(reference, 'payout', currency) AS place
FROM stg_payout_rows
WHERE business_date BETWEEN $day - $lookback_days::INTEGER AND $day + $lookback_days::INTEGER
