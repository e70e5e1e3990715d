WITH
of_customer AS (
    SELECT
        payment_id,
        count(*) OVER w3600 AS customer_count_1h,
        count(*) OVER w86400 AS customer_count_24h,
        count(*) OVER w2592000 AS customer_count_30d,
        CAST(coalesce(sum(amount_minor) OVER w86400, 0) AS BIGINT) AS customer_sum_24h,
        CAST(coalesce(sum(amount_minor) OVER w2592000, 0) AS BIGINT) AS customer_sum_30d,
        max(amount_minor) OVER w2592000 AS customer_max_30d,
        at_us - max(at_us) OVER w2592000 AS customer_last_30d
    FROM payments
    WHERE customer_key IS NOT NULL
    WINDOW
        w3600 AS (PARTITION BY customer_key ORDER BY at_us RANGE BETWEEN 3600000000 PRECEDING AND 1 PRECEDING),
        w86400 AS (PARTITION BY customer_key ORDER BY at_us RANGE BETWEEN 86400000000 PRECEDING AND 1 PRECEDING),
        w2592000 AS (PARTITION BY customer_key ORDER BY at_us RANGE BETWEEN 2592000000000 PRECEDING AND 1 PRECEDING)
),
of_instrument AS (
    SELECT
        payment_id,
        count(*) OVER w3600 AS instrument_count_1h,
        count(*) OVER w86400 AS instrument_count_24h,
        count(*) OVER w2592000 AS instrument_count_30d,
        CAST(coalesce(sum(amount_minor) OVER w86400, 0) AS BIGINT) AS instrument_sum_24h,
        CAST(coalesce(sum(amount_minor) OVER w2592000, 0) AS BIGINT) AS instrument_sum_30d,
        max(amount_minor) OVER w2592000 AS instrument_max_30d,
        at_us - max(at_us) OVER w2592000 AS instrument_last_30d
    FROM payments
    WHERE instrument IS NOT NULL
    WINDOW
        w3600 AS (PARTITION BY instrument ORDER BY at_us RANGE BETWEEN 3600000000 PRECEDING AND 1 PRECEDING),
        w86400 AS (PARTITION BY instrument ORDER BY at_us RANGE BETWEEN 86400000000 PRECEDING AND 1 PRECEDING),
        w2592000 AS (PARTITION BY instrument ORDER BY at_us RANGE BETWEEN 2592000000000 PRECEDING AND 1 PRECEDING)
),
of_device AS (
    SELECT
        payment_id,
        count(*) OVER w3600 AS device_count_1h,
        count(*) OVER w86400 AS device_count_24h,
        count(*) OVER w2592000 AS device_count_30d,
        count(DISTINCT customer_key) OVER w604800 AS device_customers_7d,
        at_us - max(at_us) OVER w2592000 AS device_last_30d
    FROM payments
    WHERE device_key IS NOT NULL
    WINDOW
        w3600 AS (PARTITION BY device_key ORDER BY at_us RANGE BETWEEN 3600000000 PRECEDING AND 1 PRECEDING),
        w86400 AS (PARTITION BY device_key ORDER BY at_us RANGE BETWEEN 86400000000 PRECEDING AND 1 PRECEDING),
        w604800 AS (PARTITION BY device_key ORDER BY at_us RANGE BETWEEN 604800000000 PRECEDING AND 1 PRECEDING),
        w2592000 AS (PARTITION BY device_key ORDER BY at_us RANGE BETWEEN 2592000000000 PRECEDING AND 1 PRECEDING)
),
of_pair AS (
    SELECT
        payment_id,
        count(*) OVER w2592000 AS pair_count_30d,
        CAST(coalesce(sum(amount_minor) OVER w2592000, 0) AS BIGINT) AS pair_sum_30d,
        at_us - max(at_us) OVER w2592000 AS pair_last_30d
    FROM payments
    WHERE instrument IS NOT NULL AND merchant_id IS NOT NULL
    WINDOW
        w2592000 AS (PARTITION BY instrument, merchant_id ORDER BY at_us RANGE BETWEEN 2592000000000 PRECEDING AND 1 PRECEDING)
),
labels_of_instrument AS (
    SELECT
        payment_id,
        count(known_us) OVER w7776000 AS instrument_fraud_90d
    FROM (
        SELECT payment_id, instrument, at_us, NULL::BIGINT AS known_us FROM payments
        UNION ALL
        SELECT NULL, instrument, known_us, known_us FROM labels WHERE fraud
    )
    WINDOW
        w7776000 AS (PARTITION BY instrument ORDER BY at_us RANGE BETWEEN 7776000000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IS NOT NULL
),
labels_of_merchant AS (
    SELECT
        payment_id,
        count(known_us) OVER w604800 AS merchant_fraud_7d,
        count(known_us) OVER w2419200 AS merchant_fraud_28d
    FROM (
        SELECT payment_id, merchant_id, at_us, NULL::BIGINT AS known_us FROM payments
        UNION ALL
        SELECT NULL, merchant_id, known_us, known_us FROM labels WHERE fraud
    )
    WINDOW
        w604800 AS (PARTITION BY merchant_id ORDER BY at_us RANGE BETWEEN 604800000000 PRECEDING AND 1 PRECEDING),
        w2419200 AS (PARTITION BY merchant_id ORDER BY at_us RANGE BETWEEN 2419200000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IS NOT NULL
)
SELECT
    p.payment_id,
    coalesce(customer_count_1h, 0) AS customer_count_1h,
    coalesce(customer_count_24h, 0) AS customer_count_24h,
    coalesce(customer_count_30d, 0) AS customer_count_30d,
    coalesce(customer_sum_24h, 0) AS customer_sum_24h,
    coalesce(customer_sum_30d, 0) AS customer_sum_30d,
    customer_max_30d,
    customer_last_30d,
    coalesce(instrument_count_1h, 0) AS instrument_count_1h,
    coalesce(instrument_count_24h, 0) AS instrument_count_24h,
    coalesce(instrument_count_30d, 0) AS instrument_count_30d,
    coalesce(instrument_sum_24h, 0) AS instrument_sum_24h,
    coalesce(instrument_sum_30d, 0) AS instrument_sum_30d,
    instrument_max_30d,
    instrument_last_30d,
    coalesce(device_count_1h, 0) AS device_count_1h,
    coalesce(device_count_24h, 0) AS device_count_24h,
    coalesce(device_count_30d, 0) AS device_count_30d,
    coalesce(device_customers_7d, 0) AS device_customers_7d,
    device_last_30d,
    coalesce(pair_count_30d, 0) AS pair_count_30d,
    coalesce(pair_sum_30d, 0) AS pair_sum_30d,
    pair_last_30d,
    coalesce(instrument_fraud_90d, 0) AS instrument_fraud_90d,
    coalesce(merchant_fraud_7d, 0) AS merchant_fraud_7d,
    coalesce(merchant_fraud_28d, 0) AS merchant_fraud_28d
FROM payments AS p
LEFT JOIN of_customer USING (payment_id)
LEFT JOIN of_instrument USING (payment_id)
LEFT JOIN of_device USING (payment_id)
LEFT JOIN of_pair USING (payment_id)
LEFT JOIN labels_of_instrument USING (payment_id)
LEFT JOIN labels_of_merchant USING (payment_id)
