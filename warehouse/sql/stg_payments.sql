-- grain: one payment created on the day, in the state of its latest event
-- inputs: raw_events
-- owner: finance
WITH event AS (
    SELECT
        aggregate_id,
        version,
        event_type,
        "timestamp" AS at_time,
        merchant_id,
        livemode,
        data
    FROM raw_events
    -- Nothing happens to a payment before it is created: files of earlier events are not opened.
    WHERE aggregate_type = 'payment' AND "timestamp" >= $day::TIMESTAMP - INTERVAL 330 MINUTE
),

-- Requests to a rail and their failures leave the state as it was, as does what was not captured
-- and money that came too late.
state AS (
    SELECT
        aggregate_id,
        arg_max(event_type, version) AS event_type,
        max(at_time) AS state_at
    FROM event
    WHERE event_type NOT LIKE '%\_requested' ESCAPE '\'
        AND event_type NOT IN (
            'payment.capture_failed', 'payment.void_failed', 'payment.refund_failed', 'payment.reversal_failed',
            'payment.authorization_released', 'payment.late_money', 'payment.late_money_returned',
            'payment.late_return_failed', 'payment.unplaced_money', 'payment.credit_confirmed'
        )
    GROUP BY aggregate_id
),

totals AS (
    SELECT
        aggregate_id,
        max(version) AS version,
        coalesce(sum((data ->> '$.amount')::BIGINT) FILTER (event_type = 'payment.captured'), 0)::BIGINT
            AS captured_minor,
        arg_max(data ->> '$.rail', version) FILTER ((data ->> '$.rail') IS NOT NULL) AS rail
    FROM event
    GROUP BY aggregate_id
)

SELECT
    typeid('pay', created.aggregate_id) AS payment_id,
    created.merchant_id,
    $day AS business_date,
    created.at_time AS created_at,
    -- What a bank sent back counts as reversed.
    replace(replace(state.event_type, 'payment.returned', 'payment.reversed'), 'payment.', '') AS state,
    state.state_at,
    totals.version,
    (created.data ->> '$.amount')::BIGINT AS amount_minor,
    totals.captured_minor,
    created.data ->> '$.currency' AS currency,
    created.data ->> '$.method' AS method,
    totals.rail,
    created.data ->> '$.mcc' AS mcc,
    created.livemode
FROM event AS created
INNER JOIN state ON created.aggregate_id = state.aggregate_id
INNER JOIN totals ON created.aggregate_id = totals.aggregate_id
WHERE created.event_type = 'payment.created'
    AND (created.at_time + INTERVAL 330 MINUTE)::DATE = $day
