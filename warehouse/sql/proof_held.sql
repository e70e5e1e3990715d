-- grain: one day of $days: how many events and entries the lake has of it
-- inputs: raw_events, raw_entries
-- owner: platform
WITH held AS (
    SELECT
        business_date AS day,
        0 AS events,
        1 AS entries
    FROM raw_entries
    UNION ALL
    SELECT
        ("timestamp" + INTERVAL 330 MINUTE)::DATE,
        1,
        0
    FROM raw_events
)

SELECT
    day,
    sum(events)::BIGINT AS events,
    sum(entries)::BIGINT AS entries
FROM held
WHERE day IN (SELECT unnest($days))
GROUP BY day
