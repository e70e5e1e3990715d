-- grain: one payment created on the day that is missing, is there twice, or took more than it was for
-- inputs: raw_events, stg_payments
-- owner: finance
WITH created AS (
    SELECT data ->> '$.payment_id' AS payment_id
    FROM raw_events
    WHERE event_type = 'payment.created'
        AND ("timestamp" + INTERVAL 330 MINUTE)::DATE = $day
),

staged AS (
    SELECT
        payment_id,
        count(*) AS copies,
        max(captured_minor - amount_minor) AS over_minor
    FROM stg_payments
    WHERE business_date = $day
    GROUP BY payment_id
)

SELECT
    coalesce(created.payment_id, staged.payment_id) AS payment_id,
    coalesce(staged.copies, 0) AS copies,
    staged.over_minor
FROM created
FULL JOIN staged ON created.payment_id = staged.payment_id
WHERE staged.copies IS DISTINCT FROM 1 OR created.payment_id IS NULL OR staged.over_minor > 0
