-- grain: one payment as features see it: who, with what, to whom, how much, and when
-- inputs: raw_events
-- owner: data-science
WITH created AS (
    SELECT
        aggregate_id,
        epoch_us("timestamp") AS at_us,
        merchant_id,
        xid,
        data ->> [
            '$.customer_id', '$.method', '$.instrument', '$.device_id', '$.ip_hash',
            '$.amount', '$.currency'
        ] AS found
    FROM raw_events
    WHERE
        event_type = 'payment.created'
        AND livemode = $livemode
        AND "timestamp" >= make_timestamptz($from_us)
        AND "timestamp" < make_timestamptz($until_us)
)

SELECT
    aggregate_id AS payment_id,
    at_us,
    found[1] AS customer_key,
    CASE WHEN found[2] = 'card' THEN found[3] END AS card_key,
    CASE WHEN found[2] <> 'card' THEN found[3] END AS vpa_key,
    found[4] AS device_key,
    found[5] AS ip_key,
    merchant_id,
    found[6]::BIGINT AS amount_minor,
    found[2] AS method,
    found[7] AS currency,
    xid
FROM created
