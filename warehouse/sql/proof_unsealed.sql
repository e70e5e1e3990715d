-- grain: one day up to $until that has no seal yet, or more rows than its seals have leaves
-- inputs: raw_events, raw_entries, raw_audit, proof_seals
-- owner: platform
WITH held AS (
    SELECT business_date AS day FROM raw_entries
    UNION ALL
    SELECT ("timestamp" + INTERVAL 330 MINUTE)::DATE FROM raw_events
    UNION ALL
    SELECT (at_time + INTERVAL 330 MINUTE)::DATE FROM raw_audit
),

held_day AS (
    SELECT
        day,
        count(*) AS row_count
    FROM held
    WHERE day <= $until
    GROUP BY day
),

-- A day on which nothing happened is sealed too, so that it can be shown that nothing did.
every_day AS (
    SELECT day FROM held_day
    UNION
    SELECT unnest(generate_series(min(business_date), $until, INTERVAL 1 DAY))::DATE
    FROM raw_entries
    UNION
    SELECT $until
),

sealed_day AS (
    SELECT
        day,
        max(part) AS parts,
        sum(events_size + entries_size + audit_size) AS row_count
    FROM proof_seals
    GROUP BY day
)

SELECT
    every_day.day,
    (coalesce(sealed_day.parts, 0) + 1)::INTEGER AS part,
    (coalesce(held_day.row_count, 0) - coalesce(sealed_day.row_count, 0))::BIGINT AS row_count
FROM every_day
LEFT JOIN held_day ON every_day.day = held_day.day
LEFT JOIN sealed_day ON every_day.day = sealed_day.day
WHERE sealed_day.parts IS NULL OR held_day.row_count > sealed_day.row_count
ORDER BY every_day.day
