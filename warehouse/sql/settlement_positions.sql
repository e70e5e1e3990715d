-- grain: one merchant and currency that was settled: where its last period ended, and what is due
-- inputs: raw_events, settlement_batches
-- owner: finance
-- Online's word comes first; what this run has made for the day follows it, not accepted yet.
WITH settled AS (
    SELECT
        merchant_id,
        data ->> '$.currency' AS currency,
        coalesce(
            (data ->> '$.ends_at')::TIMESTAMPTZ, midnight((data ->> '$.business_date')::DATE + 1)
        ) AS ends_at,
        -- An event leaves out what is zero.
        coalesce((data ->> '$.reserve_due')::BIGINT, 0) - coalesce((data ->> '$.reserve')::BIGINT, 0)
            AS reserve_left_minor,
        coalesce((data ->> '$.tds_due')::BIGINT, 0) - coalesce((data ->> '$.tds')::BIGINT, 0) AS tds_left_minor,
        0 AS taken_minor
    FROM raw_events
    WHERE event_type = 'settlement.created'
    UNION ALL
    SELECT
        merchant_id,
        currency,
        ends_at,
        CASE WHEN payout_minor > 0 THEN 0 ELSE reserve_minor END AS reserve_left_minor,
        CASE WHEN payout_minor > 0 THEN 0 ELSE tds_minor END AS tds_left_minor,
        CASE WHEN payout_minor > 0 THEN payout_minor + reserve_minor + tds_minor ELSE 0 END AS taken_minor
    FROM settlement_batches
    WHERE business_date = $day AND NOT is_accepted
)

SELECT
    merchant_id,
    currency,
    max(ends_at) AS ends_at,
    arg_max(reserve_left_minor, ends_at) AS reserve_left_minor,
    arg_max(tds_left_minor, ends_at) AS tds_left_minor,
    -- Posted by online, but not in the lake yet.
    sum(taken_minor)::BIGINT AS taken_minor
FROM settled
GROUP BY merchant_id, currency
