-- grain: one break that stood open at the end of a day, with its workflow and the payer's clock
-- inputs: standing_breaks, raw_events
-- owner: finance
WITH worked AS (
    SELECT
        aggregate_id::VARCHAR AS break_id,
        arg_max(replace(event_type, 'break.', ''), version) AS last_move,
        arg_max(data ->> '$.owner', version) FILTER (event_type = 'break.assigned') AS owner
    FROM raw_events
    WHERE aggregate_type = 'break'
        AND event_type <> 'break.commented'
        AND ("timestamp" AT TIME ZONE 'Asia/Kolkata')::DATE <= $as_of
    GROUP BY aggregate_id
),

placed AS (
    SELECT
        broken.* REPLACE (coalesce(worked.owner, broken.owner) AS owner),
        CASE worked.last_move
            WHEN 'assigned' THEN 'assigned'
            WHEN 'write_off_rejected' THEN 'assigned'
            WHEN 'write_off_requested' THEN 'write_off_requested'
            WHEN 'write_off_approved' THEN 'written_off'
            WHEN 'written_off' THEN 'written_off'
            WHEN 'resolved' THEN 'resolved'
            ELSE 'open'
        END AS state,
        greatest($as_of::DATE - broken.tat_due_on, 0)::BIGINT AS tat_days
    FROM standing_breaks AS broken
    LEFT JOIN worked ON broken.break_id = worked.break_id
)

SELECT
    *,
    tat_days * tat_per_day_minor AS tat_minor
FROM placed
WHERE state NOT IN ('resolved', 'written_off')
ORDER BY age_days DESC, side, kind, break_id
