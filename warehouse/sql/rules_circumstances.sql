-- grain: one payment created in [$from_us, $until_us): what rules may ask beside its features
-- inputs: raw_events
-- owner: data-science
WITH created AS (
    SELECT
        aggregate_id,
        data ->> [
            '$.funding', '$.card.network', '$.card.country', '$.card.category'
        ] AS found
    FROM raw_events
    WHERE
        event_type = 'payment.created'
        AND livemode = $livemode
        AND "timestamp" >= make_timestamptz($from_us)
        AND "timestamp" < make_timestamptz($until_us)
),

-- As it was when the payment was decided, which is right after its creation: lists change.
decided AS (
    SELECT
        aggregate_id,
        arg_min(data -> '$.risk', version) AS risk
    FROM raw_events
    WHERE
        event_type IN ('payment.processing', 'payment.blocked')
        AND livemode = $livemode
        AND "timestamp" >= make_timestamptz($from_us)
        AND "timestamp" < make_timestamptz($until_us + 86400000000)
    GROUP BY aggregate_id
)

SELECT
    created.aggregate_id AS payment_id,
    coalesce(found[1], '') AS funding,
    coalesce(found[2], '') AS card_network,
    coalesce(found[3], '') AS card_country,
    coalesce(found[4], '') AS card_category,
    coalesce(from_json(risk -> '$.lists', '["VARCHAR"]'), []) AS lists,
    (risk ->> '$.device_trust.score')::INTEGER AS device_trust,
    risk ->> '$.device_trust.state' AS device_state,
    coalesce(floor(100 * (risk ->> '$.probability')::DOUBLE)::INTEGER, 0) AS model_points
FROM created
LEFT JOIN decided ON created.aggregate_id = decided.aggregate_id
