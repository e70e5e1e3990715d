-- grain: one day already watched, of which a label became known since; none older than a dispute can be
-- inputs: raw_events, fraud_decisions, fraud_watch
-- owner: data-science
WITH labelled AS (
    SELECT uuid_of(data ->> '$.payment_id') AS payment_id
    FROM raw_events
    WHERE event_type = 'label.recorded'
        -- What was copied late is seen too: two days behind the newest label that was counted.
        AND "timestamp" >= (
            SELECT coalesce(max(labels_until), TIMESTAMPTZ '2000-01-01 00:00:00Z') - INTERVAL 2 DAY
            FROM fraud_watch
        )
)

SELECT DISTINCT business_date
FROM fraud_decisions
WHERE business_date >= $day - $lookback_days::INTEGER
    AND business_date IN (SELECT business_date FROM fraud_watch)
    AND payment_id IN (SELECT payment_id FROM labelled)
ORDER BY business_date
