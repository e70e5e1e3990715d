-- grain: one payment created on the day that risk decided about; of several decisions the first
-- inputs: raw_events
-- owner: data-science
WITH created AS (
    SELECT
        aggregate_id,
        "timestamp" AS at_time,
        merchant_id,
        livemode,
        json_transform(data, '{
            "amount": "BIGINT", "currency": "VARCHAR", "method": "VARCHAR",
            "customer_id": "VARCHAR", "device_id": "VARCHAR", "ip_hash": "VARCHAR"
        }') AS payment
    FROM raw_events
    WHERE event_type = 'payment.created'
        AND "timestamp" >= midnight($day)
        AND "timestamp" < midnight($day + 1)
),

-- Decided when it is created; a day is left for one that was made to wait.
first_decision AS (
    SELECT
        aggregate_id,
        min(version) AS version
    FROM raw_events
    WHERE event_type IN ('payment.processing', 'payment.blocked')
        AND "timestamp" >= midnight($day)
        AND "timestamp" < midnight($day + 2)
    GROUP BY aggregate_id
),

-- Read in one go: a record has thousands of characters.
decided AS (
    SELECT
        event.aggregate_id,
        json_transform(event.data, '{"risk": {
            "score": "INTEGER", "level": "VARCHAR", "decision": "VARCHAR", "model_version": "VARCHAR",
            "probability": "DOUBLE", "challenger": {"version": "VARCHAR", "probability": "DOUBLE"},
            "external": {"scorer": "VARCHAR"}, "factors": [{"code": "VARCHAR", "score": "INTEGER"}],
            "thresholds": {"challenge": "INTEGER", "review": "INTEGER", "block": "INTEGER"},
            "rules_version": "INTEGER", "rules_hash": "VARCHAR", "failure": "VARCHAR",
            "shadow_rules": ["VARCHAR"], "lists": ["VARCHAR"], "assess_us": "BIGINT",
            "feature_set": "VARCHAR", "features": "JSON", "snapshot": "VARCHAR"
        }}').risk AS risk
    FROM raw_events AS event
    SEMI JOIN first_decision
        ON event.aggregate_id = first_decision.aggregate_id AND event.version = first_decision.version
    WHERE event.event_type IN ('payment.processing', 'payment.blocked')
        AND event."timestamp" >= midnight($day)
        AND event."timestamp" < midnight($day + 2)
),

pointed AS (
    SELECT
        created.*,
        risk,
        coalesce(list_sum(list_transform(risk.factors, factor -> factor.score)), 0)::INTEGER AS factors_sum,
        coalesce(list_sum(list_transform(
            list_filter(
                risk.factors,
                factor -> NOT starts_with(factor.code, 'model_') AND factor.code NOT IN ('capped', 'floored')
            ),
            factor -> factor.score
        )), 0)::INTEGER AS rules_points
    FROM created
    INNER JOIN decided ON created.aggregate_id = decided.aggregate_id
    -- What a simulated past was given was decided by nobody.
    WHERE risk.rules_version IS NOT NULL
),

-- What the challenger would have made of it: the same rules, its own points.
challenged AS (
    SELECT
        *,
        CASE WHEN risk.challenger.probability IS NOT NULL THEN
            greatest(0, least(
                100,
                rules_points + floor(100 * greatest(0.0, least(1.0, risk.challenger.probability)))::INTEGER
            ))
        END AS challenger_score
    FROM pointed
)

SELECT
    $day AS business_date,
    aggregate_id AS payment_id,
    at_time AS created_at,
    merchant_id,
    livemode,
    payment.amount AS amount_minor,
    payment.currency,
    payment.method,
    payment.customer_id IS NOT NULL AS has_customer,
    payment.device_id IS NOT NULL AS has_device,
    payment.ip_hash IS NOT NULL AS has_ip,
    risk.score,
    risk.level,
    risk.decision,
    factors_sum,
    rules_points,
    risk.model_version,
    risk.probability,
    risk.challenger.version AS challenger_version,
    risk.challenger.probability AS challenger_probability,
    CASE
        WHEN challenger_score IS NULL OR risk.thresholds.block IS NULL THEN NULL
        WHEN challenger_score >= risk.thresholds.block THEN 'block'
        WHEN challenger_score >= risk.thresholds.review THEN 'review'
        WHEN challenger_score >= risk.thresholds.challenge THEN 'challenge'
        ELSE 'allow'
    END AS challenger_decision,
    risk.thresholds.review AS review_at,
    risk.thresholds.block AS block_at,
    risk.failure,
    risk.rules_version,
    risk.rules_hash,
    coalesce(risk.shadow_rules, []) AS shadow_rules,
    coalesce(risk.lists, []) AS lists,
    risk.external.scorer AS scorer,
    risk.assess_us,
    risk.feature_set,
    risk.features,
    risk.snapshot
FROM challenged
