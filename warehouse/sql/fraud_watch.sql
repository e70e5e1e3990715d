-- grain: one model version in one role on each of some days, by mode of the books, with the labels known by now
-- inputs: fraud_decisions, raw_events
-- owner: data-science
WITH decision AS (
    SELECT
        business_date,
        payment_id,
        livemode,
        amount_minor,
        failure,
        model_version,
        challenger_version,
        has_customer,
        has_device,
        has_ip,
        decision,
        challenger_decision
    FROM fraud_decisions
    WHERE business_date IN (SELECT unnest($days::DATE []))
),

-- The newest label counts; of two known in the same microsecond, fraud is believed.
label AS (
    SELECT
        uuid_of(data ->> '$.payment_id') AS payment_id,
        arg_max((data ->> '$.fraud')::BOOLEAN, ("timestamp", (data ->> '$.fraud')::BOOLEAN)) AS fraud,
        max("timestamp") AS known_at
    FROM raw_events
    WHERE event_type = 'label.recorded' AND "timestamp" >= midnight(list_min($days::DATE []))
    GROUP BY ALL
),

paid AS (
    SELECT DISTINCT aggregate_id AS payment_id
    FROM raw_events
    WHERE event_type = 'payment.captured'
        AND "timestamp" >= midnight(list_min($days::DATE []))
        AND aggregate_id IN (SELECT payment_id FROM decision)
),

in_role AS (
    SELECT
        *,
        'champion' AS role,
        coalesce(model_version, 'rules') AS version,
        decision AS made
    FROM decision
    UNION ALL
    SELECT
        *,
        'challenger' AS role,
        challenger_version AS version,
        challenger_decision AS made
    FROM decision
    WHERE challenger_decision IS NOT NULL
),

judged AS (
    SELECT
        in_role.*,
        made IN ('review', 'block') AS alerted,
        label.fraud,
        label.known_at,
        paid.payment_id IS NOT NULL AS captured
    FROM in_role
    LEFT JOIN label ON in_role.payment_id = label.payment_id
    LEFT JOIN paid ON in_role.payment_id = paid.payment_id
)

SELECT
    business_date,
    livemode,
    role,
    version AS model_version,
    count(*) AS decisions,
    count(*) FILTER (made = 'allow') AS allowed,
    count(*) FILTER (made = 'challenge') AS challenged,
    count(*) FILTER (made = 'review') AS reviewed,
    count(*) FILTER (made = 'block') AS blocked,
    count(*) FILTER (captured) AS captured,
    count(*) FILTER (role = 'champion' AND model_version IS NULL) AS without_model,
    count(*) FILTER (failure IS NOT NULL) AS by_failure_mode,
    count(*) FILTER (NOT has_customer) AS without_customer,
    count(*) FILTER (NOT has_device) AS without_device,
    count(*) FILTER (NOT has_ip) AS without_ip,
    sum(amount_minor)::BIGINT AS amount_minor,
    coalesce(sum(amount_minor) FILTER (alerted), 0)::BIGINT AS alerted_minor,
    -- What was paid gets its label by age at the latest; what was blocked may never have one.
    count(*) FILTER (alerted AND captured) AS alerts_paid,
    count(*) FILTER (alerted AND captured AND fraud IS NOT NULL) AS alerts_paid_known,
    count(*) FILTER (alerted AND fraud IS NOT NULL) AS alerts_known,
    count(*) FILTER (alerted AND fraud) AS alerts_fraud,
    count(*) FILTER (NOT alerted AND fraud IS NOT NULL) AS passed_known,
    count(*) FILTER (NOT alerted AND fraud) AS passed_fraud,
    max(known_at) AS labels_until
FROM judged
GROUP BY ALL
