-- grain: one audit row of the days in proof_days, with the hash of its leaf
-- inputs: raw_audit, proof_days
-- owner: platform
WITH record AS (
    SELECT
        *,
        -- In India.
        (at_time + INTERVAL 330 MINUTE)::DATE AS day
    FROM raw_audit
)

SELECT
    day,
    md5(source || '/' || id)::UUID AS source_id,
    md5(source)::UUID AS owner_id,
    id AS place,
    unhex(sha256('\x00'::BLOB || encode(to_json({
        'at': strftime(at_time, '%Y-%m-%dT%H:%M:%S.%fZ'),
        'content': content::VARCHAR,
        'id': id,
        'livemode': livemode,
        'source': source
    })::VARCHAR))) AS hash
FROM record
SEMI JOIN proof_days USING (day)
