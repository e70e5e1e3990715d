-- grain: one count of the day's payments that is off: missing, there twice, or took too much
-- inputs: raw_events, stg_payments
-- owner: finance
WITH created AS (
    SELECT count(DISTINCT aggregate_id) AS payments
    FROM raw_events
    WHERE event_type = 'payment.created'
        AND ("timestamp" + INTERVAL 330 MINUTE)::DATE = $day
),

staged AS (
    SELECT
        count(*) AS payments,
        count(DISTINCT payment_id) AS different,
        count(*) FILTER (captured_minor > amount_minor) AS over
    FROM stg_payments
    WHERE business_date = $day
)

SELECT
    created.payments AS created,
    staged.payments AS staged,
    staged.different,
    staged.over AS captured_too_much
FROM created
CROSS JOIN staged
WHERE created.payments <> staged.payments
    OR staged.payments <> staged.different
    OR staged.over > 0
