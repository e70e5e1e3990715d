-- grain: one label as features see it: what became known of a payment, and when
-- inputs: raw_events
-- owner: data-science
WITH label AS (
    SELECT
        uuid_of(data ->> '$.payment_id') AS payment_id,
        (data ->> '$.fraud')::BOOLEAN AS fraud,
        epoch_us("timestamp") AS known_us,
        xid
    FROM raw_events
    WHERE
        event_type = 'label.recorded'
        AND livemode = $livemode
        AND "timestamp" >= make_timestamptz($from_us)
        AND "timestamp" < make_timestamptz($until_us)
),

-- The payment may be much older than what became known of it.
created AS (
    SELECT
        aggregate_id AS payment_id,
        merchant_id,
        data ->> [
            '$.customer_id', '$.method', '$.instrument', '$.device_id', '$.ip_hash', '$.amount'
        ] AS found
    FROM raw_events
    WHERE
        event_type = 'payment.created'
        AND livemode = $livemode
        AND aggregate_id IN (SELECT payment_id FROM label)
)

SELECT
    label.payment_id,
    CASE WHEN found[2] = 'card' THEN found[3] END AS card_key,
    CASE WHEN found[2] <> 'card' THEN found[3] END AS vpa_key,
    found[1] AS customer_key,
    found[4] AS device_key,
    found[5] AS ip_key,
    created.merchant_id,
    found[6]::BIGINT AS amount_minor,
    label.fraud,
    label.known_us,
    label.xid
FROM label
INNER JOIN created ON label.payment_id = created.payment_id
