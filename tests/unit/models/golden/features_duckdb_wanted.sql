WITH
asked AS MATERIALIZED (
    SELECT payment_id, at_us, customer_key, card_key, vpa_key, device_key, merchant_id, ip_key
    FROM payments SEMI JOIN wanted USING (payment_id)
),
of_customer AS (
    SELECT
        payment_id,
        count(at_us) OVER w3600 AS customer_count_1h,
        count(at_us) OVER w86400 AS customer_count_24h,
        count(at_us) OVER w604800 AS customer_count_7d,
        count(at_us) OVER w2592000 AS customer_count_30d,
        count(at_us) OVER w7776000 AS customer_count_90d,
        CAST(coalesce(sum(amount_minor) OVER w86400, 0) AS BIGINT) AS customer_sum_24h,
        CAST(coalesce(sum(amount_minor) OVER w604800, 0) AS BIGINT) AS customer_sum_7d,
        CAST(coalesce(sum(amount_minor) OVER w2592000, 0) AS BIGINT) AS customer_sum_30d,
        CAST(coalesce(sum(amount_minor) OVER w7776000, 0) AS BIGINT) AS customer_sum_90d,
        coalesce(sum(amount_minor::HUGEINT * amount_minor) OVER w7776000, 0) AS customer_sum_squares_90d,
        max(amount_minor) OVER w604800 AS customer_max_7d,
        max(amount_minor) OVER w2592000 AS customer_max_30d,
        at_us - max(at_us) OVER w2592000 AS customer_last_30d
    FROM payments
    WHERE customer_key IS NOT NULL
      AND at_us >= (SELECT min(at_us) FROM asked) - 7776000000000
      AND at_us <= (SELECT max(at_us) FROM asked)
      AND EXISTS (SELECT 1 FROM asked WHERE asked.customer_key IS NOT DISTINCT FROM payments.customer_key)
    WINDOW
        w3600 AS (PARTITION BY customer_key ORDER BY at_us RANGE BETWEEN 3600000000 PRECEDING AND 1 PRECEDING),
        w86400 AS (PARTITION BY customer_key ORDER BY at_us RANGE BETWEEN 86400000000 PRECEDING AND 1 PRECEDING),
        w604800 AS (PARTITION BY customer_key ORDER BY at_us RANGE BETWEEN 604800000000 PRECEDING AND 1 PRECEDING),
        w2592000 AS (PARTITION BY customer_key ORDER BY at_us RANGE BETWEEN 2592000000000 PRECEDING AND 1 PRECEDING),
        w7776000 AS (PARTITION BY customer_key ORDER BY at_us RANGE BETWEEN 7776000000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IN (SELECT payment_id FROM asked)
),
of_card AS (
    SELECT
        payment_id,
        count(at_us) OVER w3600 AS card_count_1h,
        count(at_us) OVER w86400 AS card_count_24h,
        count(at_us) OVER w2592000 AS card_count_30d,
        CAST(coalesce(sum(amount_minor) OVER w86400, 0) AS BIGINT) AS card_sum_24h,
        CAST(coalesce(sum(amount_minor) OVER w2592000, 0) AS BIGINT) AS card_sum_30d,
        max(amount_minor) OVER w2592000 AS card_max_30d,
        at_us - max(at_us) OVER w2592000 AS card_last_30d
    FROM payments
    WHERE card_key IS NOT NULL
      AND at_us >= (SELECT min(at_us) FROM asked) - 2592000000000
      AND at_us <= (SELECT max(at_us) FROM asked)
      AND EXISTS (SELECT 1 FROM asked WHERE asked.card_key IS NOT DISTINCT FROM payments.card_key)
    WINDOW
        w3600 AS (PARTITION BY card_key ORDER BY at_us RANGE BETWEEN 3600000000 PRECEDING AND 1 PRECEDING),
        w86400 AS (PARTITION BY card_key ORDER BY at_us RANGE BETWEEN 86400000000 PRECEDING AND 1 PRECEDING),
        w2592000 AS (PARTITION BY card_key ORDER BY at_us RANGE BETWEEN 2592000000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IN (SELECT payment_id FROM asked)
),
of_vpa AS (
    SELECT
        payment_id,
        count(at_us) OVER w3600 AS vpa_count_1h,
        count(at_us) OVER w86400 AS vpa_count_24h,
        count(at_us) OVER w2592000 AS vpa_count_30d,
        CAST(coalesce(sum(amount_minor) OVER w86400, 0) AS BIGINT) AS vpa_sum_24h,
        CAST(coalesce(sum(amount_minor) OVER w2592000, 0) AS BIGINT) AS vpa_sum_30d,
        max(amount_minor) OVER w2592000 AS vpa_max_30d,
        at_us - max(at_us) OVER w2592000 AS vpa_last_30d
    FROM payments
    WHERE vpa_key IS NOT NULL
      AND at_us >= (SELECT min(at_us) FROM asked) - 2592000000000
      AND at_us <= (SELECT max(at_us) FROM asked)
      AND EXISTS (SELECT 1 FROM asked WHERE asked.vpa_key IS NOT DISTINCT FROM payments.vpa_key)
    WINDOW
        w3600 AS (PARTITION BY vpa_key ORDER BY at_us RANGE BETWEEN 3600000000 PRECEDING AND 1 PRECEDING),
        w86400 AS (PARTITION BY vpa_key ORDER BY at_us RANGE BETWEEN 86400000000 PRECEDING AND 1 PRECEDING),
        w2592000 AS (PARTITION BY vpa_key ORDER BY at_us RANGE BETWEEN 2592000000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IN (SELECT payment_id FROM asked)
),
of_device AS (
    SELECT
        payment_id,
        count(at_us) OVER w3600 AS device_count_1h,
        count(at_us) OVER w86400 AS device_count_24h,
        count(at_us) OVER w2592000 AS device_count_30d,
        count(DISTINCT customer_key) OVER w604800 AS device_customers_7d,
        at_us - max(at_us) OVER w2592000 AS device_last_30d
    FROM payments
    WHERE device_key IS NOT NULL
      AND at_us >= (SELECT min(at_us) FROM asked) - 2592000000000
      AND at_us <= (SELECT max(at_us) FROM asked)
      AND EXISTS (SELECT 1 FROM asked WHERE asked.device_key IS NOT DISTINCT FROM payments.device_key)
    WINDOW
        w3600 AS (PARTITION BY device_key ORDER BY at_us RANGE BETWEEN 3600000000 PRECEDING AND 1 PRECEDING),
        w86400 AS (PARTITION BY device_key ORDER BY at_us RANGE BETWEEN 86400000000 PRECEDING AND 1 PRECEDING),
        w604800 AS (PARTITION BY device_key ORDER BY at_us RANGE BETWEEN 604800000000 PRECEDING AND 1 PRECEDING),
        w2592000 AS (PARTITION BY device_key ORDER BY at_us RANGE BETWEEN 2592000000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IN (SELECT payment_id FROM asked)
),
of_ip AS (
    SELECT
        payment_id,
        count(at_us) OVER w3600 AS ip_count_1h,
        count(DISTINCT customer_key) OVER w3600 AS ip_customers_1h
    FROM payments
    WHERE ip_key IS NOT NULL
      AND at_us >= (SELECT min(at_us) FROM asked) - 3600000000
      AND at_us <= (SELECT max(at_us) FROM asked)
      AND EXISTS (SELECT 1 FROM asked WHERE asked.ip_key IS NOT DISTINCT FROM payments.ip_key)
    WINDOW
        w3600 AS (PARTITION BY ip_key ORDER BY at_us RANGE BETWEEN 3600000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IN (SELECT payment_id FROM asked)
),
of_merchant AS (
    SELECT
        payment_id,
        count(at_us) OVER w86400 AS merchant_count_24h,
        count(at_us) OVER w2592000 AS merchant_count_30d,
        CAST(coalesce(sum(amount_minor) OVER w2592000, 0) AS BIGINT) AS merchant_sum_30d,
        coalesce(sum(amount_minor::HUGEINT * amount_minor) OVER w2592000, 0) AS merchant_sum_squares_30d
    FROM payments
    WHERE merchant_id IS NOT NULL
      AND at_us >= (SELECT min(at_us) FROM asked) - 2592000000000
      AND at_us <= (SELECT max(at_us) FROM asked)
      AND EXISTS (SELECT 1 FROM asked WHERE asked.merchant_id IS NOT DISTINCT FROM payments.merchant_id)
    WINDOW
        w86400 AS (PARTITION BY merchant_id ORDER BY at_us RANGE BETWEEN 86400000000 PRECEDING AND 1 PRECEDING),
        w2592000 AS (PARTITION BY merchant_id ORDER BY at_us RANGE BETWEEN 2592000000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IN (SELECT payment_id FROM asked)
),
of_pair AS (
    SELECT
        payment_id,
        count(at_us) OVER w2592000 AS pair_count_30d,
        CAST(coalesce(sum(amount_minor) OVER w2592000, 0) AS BIGINT) AS pair_sum_30d,
        at_us - max(at_us) OVER w2592000 AS pair_last_30d
    FROM payments
    WHERE coalesce(card_key, vpa_key) IS NOT NULL AND merchant_id IS NOT NULL
      AND at_us >= (SELECT min(at_us) FROM asked) - 2592000000000
      AND at_us <= (SELECT max(at_us) FROM asked)
      AND EXISTS (SELECT 1 FROM asked WHERE asked.card_key IS NOT DISTINCT FROM payments.card_key AND asked.vpa_key IS NOT DISTINCT FROM payments.vpa_key AND asked.merchant_id IS NOT DISTINCT FROM payments.merchant_id)
    WINDOW
        w2592000 AS (PARTITION BY card_key, vpa_key, merchant_id ORDER BY at_us RANGE BETWEEN 2592000000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IN (SELECT payment_id FROM asked)
),
labels_of_customer AS (
    SELECT
        payment_id,
        count(known_us) FILTER (WHERE fraud) OVER w7776000 AS customer_fraud_90d
    FROM (
        SELECT
            *
        FROM (
            SELECT payment_id, customer_key, at_us, NULL::BIGINT AS known_us,
                NULL::BOOLEAN AS fraud, NULL::BIGINT AS amount_minor,
                1 AS closing
            FROM asked
            WHERE customer_key IS NOT NULL
            UNION ALL
            SELECT NULL, customer_key, known_us, known_us, fraud, amount_minor, 1
            FROM labels
            WHERE customer_key IS NOT NULL
              AND (fraud)
              AND known_us >= (SELECT min(at_us) FROM asked) - 7776000000000
              AND known_us <= (SELECT max(at_us) FROM asked)
              AND EXISTS (SELECT 1 FROM asked WHERE asked.customer_key IS NOT DISTINCT FROM labels.customer_key)
        )
    )
    WINDOW
        w7776000 AS (PARTITION BY customer_key ORDER BY at_us RANGE BETWEEN 7776000000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IS NOT NULL
),
labels_of_card AS (
    SELECT
        payment_id,
        count(known_us) FILTER (WHERE fraud) OVER w7776000 AS card_fraud_90d
    FROM (
        SELECT
            *
        FROM (
            SELECT payment_id, card_key, at_us, NULL::BIGINT AS known_us,
                NULL::BOOLEAN AS fraud, NULL::BIGINT AS amount_minor,
                1 AS closing
            FROM asked
            WHERE card_key IS NOT NULL
            UNION ALL
            SELECT NULL, card_key, known_us, known_us, fraud, amount_minor, 1
            FROM labels
            WHERE card_key IS NOT NULL
              AND (fraud)
              AND known_us >= (SELECT min(at_us) FROM asked) - 7776000000000
              AND known_us <= (SELECT max(at_us) FROM asked)
              AND EXISTS (SELECT 1 FROM asked WHERE asked.card_key IS NOT DISTINCT FROM labels.card_key)
        )
    )
    WINDOW
        w7776000 AS (PARTITION BY card_key ORDER BY at_us RANGE BETWEEN 7776000000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IS NOT NULL
),
labels_of_vpa AS (
    SELECT
        payment_id,
        count(known_us) FILTER (WHERE fraud) OVER w7776000 AS vpa_fraud_90d
    FROM (
        SELECT
            *
        FROM (
            SELECT payment_id, vpa_key, at_us, NULL::BIGINT AS known_us,
                NULL::BOOLEAN AS fraud, NULL::BIGINT AS amount_minor,
                1 AS closing
            FROM asked
            WHERE vpa_key IS NOT NULL
            UNION ALL
            SELECT NULL, vpa_key, known_us, known_us, fraud, amount_minor, 1
            FROM labels
            WHERE vpa_key IS NOT NULL
              AND (fraud)
              AND known_us >= (SELECT min(at_us) FROM asked) - 7776000000000
              AND known_us <= (SELECT max(at_us) FROM asked)
              AND EXISTS (SELECT 1 FROM asked WHERE asked.vpa_key IS NOT DISTINCT FROM labels.vpa_key)
        )
    )
    WINDOW
        w7776000 AS (PARTITION BY vpa_key ORDER BY at_us RANGE BETWEEN 7776000000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IS NOT NULL
),
labels_of_merchant AS (
    SELECT
        payment_id,
        count(known_us) FILTER (WHERE fraud) OVER w604800 AS merchant_fraud_7d,
        count(known_us) FILTER (WHERE fraud) OVER w2419200 AS merchant_fraud_28d,
        count(known_us) OVER w2419200 AS merchant_known_28d,
        coalesce(max(fraud_so_far) OVER w7776000 - max(fraud_so_far) FILTER (WHERE NOT (fraud)) OVER w7776000, count(known_us) FILTER (WHERE fraud) OVER w7776000) AS merchant_fraud_streak_90d,
        at_us - max(known_us) FILTER (WHERE fraud) OVER w7776000 AS merchant_fraud_last_90d,
        at_us - max(known_us) FILTER (WHERE not fraud) OVER w7776000 AS merchant_good_last_90d
    FROM (
        SELECT
            *,
            count(*) FILTER (WHERE fraud) OVER (PARTITION BY merchant_id ORDER BY at_us) AS fraud_so_far
        FROM (
            SELECT payment_id, merchant_id, at_us, NULL::BIGINT AS known_us,
                NULL::BOOLEAN AS fraud, NULL::BIGINT AS amount_minor,
                1 AS closing
            FROM asked
            WHERE merchant_id IS NOT NULL
            UNION ALL
            SELECT NULL, merchant_id, known_us, known_us, fraud, amount_minor, 1
            FROM labels
            WHERE merchant_id IS NOT NULL
              AND known_us >= (SELECT min(at_us) FROM asked) - 7776000000000
              AND known_us <= (SELECT max(at_us) FROM asked)
              AND EXISTS (SELECT 1 FROM asked WHERE asked.merchant_id IS NOT DISTINCT FROM labels.merchant_id)
        )
    )
    WINDOW
        w604800 AS (PARTITION BY merchant_id ORDER BY at_us RANGE BETWEEN 604800000000 PRECEDING AND 1 PRECEDING),
        w2419200 AS (PARTITION BY merchant_id ORDER BY at_us RANGE BETWEEN 2419200000000 PRECEDING AND 1 PRECEDING),
        w7776000 AS (PARTITION BY merchant_id ORDER BY at_us RANGE BETWEEN 7776000000000 PRECEDING AND 1 PRECEDING)
    QUALIFY payment_id IS NOT NULL
)
SELECT
    payment_id,
    coalesce(customer_count_1h, 0) AS customer_count_1h,
    coalesce(customer_count_24h, 0) AS customer_count_24h,
    coalesce(customer_count_7d, 0) AS customer_count_7d,
    coalesce(customer_count_30d, 0) AS customer_count_30d,
    coalesce(customer_count_90d, 0) AS customer_count_90d,
    coalesce(customer_sum_24h, 0) AS customer_sum_24h,
    coalesce(customer_sum_7d, 0) AS customer_sum_7d,
    coalesce(customer_sum_30d, 0) AS customer_sum_30d,
    coalesce(customer_sum_90d, 0) AS customer_sum_90d,
    coalesce(customer_sum_squares_90d, 0) AS customer_sum_squares_90d,
    customer_max_7d,
    customer_max_30d,
    customer_last_30d,
    coalesce(customer_fraud_90d, 0) AS customer_fraud_90d,
    coalesce(card_count_1h, 0) AS card_count_1h,
    coalesce(card_count_24h, 0) AS card_count_24h,
    coalesce(card_count_30d, 0) AS card_count_30d,
    coalesce(card_sum_24h, 0) AS card_sum_24h,
    coalesce(card_sum_30d, 0) AS card_sum_30d,
    card_max_30d,
    card_last_30d,
    coalesce(card_fraud_90d, 0) AS card_fraud_90d,
    coalesce(vpa_count_1h, 0) AS vpa_count_1h,
    coalesce(vpa_count_24h, 0) AS vpa_count_24h,
    coalesce(vpa_count_30d, 0) AS vpa_count_30d,
    coalesce(vpa_sum_24h, 0) AS vpa_sum_24h,
    coalesce(vpa_sum_30d, 0) AS vpa_sum_30d,
    vpa_max_30d,
    vpa_last_30d,
    coalesce(vpa_fraud_90d, 0) AS vpa_fraud_90d,
    coalesce(device_count_1h, 0) AS device_count_1h,
    coalesce(device_count_24h, 0) AS device_count_24h,
    coalesce(device_count_30d, 0) AS device_count_30d,
    coalesce(device_customers_7d, 0) AS device_customers_7d,
    device_last_30d,
    coalesce(ip_count_1h, 0) AS ip_count_1h,
    coalesce(ip_customers_1h, 0) AS ip_customers_1h,
    coalesce(merchant_count_24h, 0) AS merchant_count_24h,
    coalesce(merchant_count_30d, 0) AS merchant_count_30d,
    coalesce(merchant_sum_30d, 0) AS merchant_sum_30d,
    coalesce(merchant_sum_squares_30d, 0) AS merchant_sum_squares_30d,
    coalesce(pair_count_30d, 0) AS pair_count_30d,
    coalesce(pair_sum_30d, 0) AS pair_sum_30d,
    pair_last_30d,
    coalesce(merchant_fraud_7d, 0) AS merchant_fraud_7d,
    coalesce(merchant_fraud_28d, 0) AS merchant_fraud_28d,
    coalesce(merchant_known_28d, 0) AS merchant_known_28d,
    coalesce(merchant_fraud_streak_90d, 0) AS merchant_fraud_streak_90d,
    merchant_fraud_last_90d,
    merchant_good_last_90d
FROM asked
LEFT JOIN of_customer USING (payment_id)
LEFT JOIN of_card USING (payment_id)
LEFT JOIN of_vpa USING (payment_id)
LEFT JOIN of_device USING (payment_id)
LEFT JOIN of_ip USING (payment_id)
LEFT JOIN of_merchant USING (payment_id)
LEFT JOIN of_pair USING (payment_id)
LEFT JOIN labels_of_customer USING (payment_id)
LEFT JOIN labels_of_card USING (payment_id)
LEFT JOIN labels_of_vpa USING (payment_id)
LEFT JOIN labels_of_merchant USING (payment_id)
