-- grain: one break whose payer is owed money back and was not in time, with the day the clock ends
-- inputs: recon_break_log, raw_events
-- owner: finance
WITH told AS (
    SELECT *
    FROM recon_break_log
    WHERE tat_due_on IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY break_id ORDER BY generation DESC, state ASC) = 1
),

resolved AS (
    SELECT
        event.aggregate_id AS break_id,
        min((event."timestamp" AT TIME ZONE 'Asia/Kolkata')::DATE) AS resolved_on
    FROM raw_events AS event
    WHERE event.aggregate_type = 'break' AND event.event_type = 'break.resolved'
    GROUP BY event.aggregate_id
),

clocks AS (
    SELECT
        told.*,
        least(
            CASE WHEN told.state = 'closed' THEN told.as_of END,
            resolved.resolved_on,
            $as_of
        ) AS ended_on
    FROM told
    LEFT JOIN resolved ON told.break_id = resolved.break_id
)

SELECT *
FROM clocks
WHERE tat_due_on < ended_on AND ended_on >= $as_of::DATE - $told_again_days::INTEGER
ORDER BY business_date, break_id
