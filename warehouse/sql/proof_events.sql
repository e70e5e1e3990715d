-- grain: one event of the days in proof_days, with the hash of its leaf
-- inputs: raw_events, proof_days
-- owner: platform
WITH event AS (
    SELECT
        *,
        -- In India.
        ("timestamp" + INTERVAL 330 MINUTE)::DATE AS day
    FROM raw_events
    WHERE "timestamp" BETWEEN $first - INTERVAL 1 DAY AND $last + INTERVAL 1 DAY
)

SELECT
    day,
    id AS source_id,
    aggregate_id AS owner_id,
    version AS place,
    unhex(sha256('\x00'::BLOB || encode(to_json({
        'aggregate_id': aggregate_id,
        'aggregate_type': aggregate_type,
        'data': sha256(data::VARCHAR),
        'event_type': event_type,
        'id': id,
        'livemode': livemode,
        'merchant_id': merchant_id,
        'metadata': sha256(metadata::VARCHAR),
        'timestamp': strftime("timestamp", '%Y-%m-%dT%H:%M:%S.%fZ'),
        'version': version
    })::VARCHAR))) AS hash
FROM event
SEMI JOIN proof_days USING (day)
