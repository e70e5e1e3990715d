-- grain: one fraud decision of a day: when, under which snapshot, and what it says was served
-- inputs: raw_events
-- owner: data-science
WITH decided AS (
    SELECT
        aggregate_id AS payment_id,
        version,
        xid,
        data -> '$.risk' AS risk
    FROM raw_events
    WHERE
        event_type IN ('payment.processing', 'payment.blocked', 'payment.in_review')
        AND livemode = $livemode
        AND "timestamp" >= midnight($day)
        AND "timestamp" < midnight($day::DATE + 1)
),

-- Decided when it is made; a week is left for one that was made to wait.
created AS (
    SELECT
        aggregate_id AS payment_id,
        epoch_us("timestamp") AS at_us
    FROM raw_events
    WHERE
        event_type = 'payment.created'
        AND livemode = $livemode
        AND "timestamp" >= midnight($day::DATE - 7)
        AND "timestamp" < midnight($day::DATE + 1)
),

said AS (
    SELECT
        decided.payment_id,
        created.at_us,
        xid,
        row_number() OVER (PARTITION BY decided.payment_id ORDER BY version) AS turn,
        json_extract(risk, $paths::VARCHAR[])::VARCHAR[] AS served,
        risk ->> ['$.feature_set', '$.failure', '$.vector_hash', '$.snapshot'] AS said
    FROM decided
    LEFT JOIN created ON decided.payment_id = created.payment_id
),

-- A snapshot is xmin:xmax:xip,xip,… as pg_current_snapshot() writes it.
parsed AS (
    SELECT
        *,
        try_cast(split_part(said[4], ':', 1) AS BIGINT) AS xmin,
        try_cast(split_part(said[4], ':', 2) AS BIGINT) AS xmax,
        list_transform(
            list_filter(string_split(split_part(said[4], ':', 3), ','), lambda text: text <> ''),
            lambda text: try_cast(text AS BIGINT)
        ) AS xip
    FROM said
)

SELECT
    payment_id,
    at_us,
    served,
    said[3] AS vector_hash,
    said[4] AS snapshot,
    xmin,
    xmax,
    xip,
    CASE
        WHEN said[1] IS NULL THEN 'the event names no feature set: nothing was read'
        WHEN said[1] <> $feature_set THEN 'another feature set than today''s: ' || said[1]
        WHEN said[2] IS NOT NULL THEN 'the engine failed: ' || said[2]
        WHEN turn > 1 THEN 'a further decision about a payment that is compared'
    END AS left_out,
    -- A decision is written after its read: a snapshot that reaches beyond it is none of its own.
    CASE
        WHEN at_us IS NULL THEN 'payment.created'
        WHEN xmin IS NULL OR xmax IS NULL OR xmin > xmax OR xmax > xid THEN 'snapshot'
        WHEN list_contains(list_transform(xip, lambda id: id IS NULL), true) THEN 'snapshot'
    END AS fault
FROM parsed
