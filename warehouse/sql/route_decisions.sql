-- grain: one try of a payment at a rail, decided on one of some days, with its outcome as known by now
-- inputs: raw_events
-- owner: data-science
WITH tried AS (
    SELECT
        (event."timestamp" + INTERVAL 330 MINUTE)::DATE AS business_date,
        uuid_of(event.data ->> '$.attempt_id') AS attempt_id,
        event.aggregate_id AS payment_id,
        event."timestamp" AS decided_at,
        event.merchant_id,
        event.livemode,
        event.data ->> '$.rail' AS rail,
        json_transform(event.data -> '$.route_decision', '{
            "route": "VARCHAR", "strategy": "VARCHAR", "reason": "VARCHAR", "rule": "VARCHAR",
            "split": "VARCHAR", "config_version": "VARCHAR", "candidates": [{
                "name": "VARCHAR", "eligible": "BOOLEAN", "reason": "VARCHAR",
                "fee_bps": "INTEGER", "score": "BIGINT", "failure_bps": "INTEGER",
                "latency_ms": "INTEGER", "state": "VARCHAR", "propensity_bps": "INTEGER"
            }]
        }') AS decision
    FROM raw_events AS event
    WHERE event.event_type = 'payment.processing'
        AND event."timestamp" >= midnight(list_min($days::DATE []))
        AND event."timestamp" < midnight(list_max($days::DATE []) + 1)
        AND (event."timestamp" + INTERVAL 330 MINUTE)::DATE IN (SELECT unnest($days::DATE []))
        -- What a simulated past was given was decided by nobody.
        AND json_type(event.data -> '$.route_decision') = 'OBJECT'
),

-- What the payment was: it is created with its first try, which may have been the day before.
created AS (
    SELECT
        aggregate_id AS payment_id,
        json_transform(data, '{
            "method": "VARCHAR", "amount": "BIGINT", "currency": "VARCHAR", "mcc": "VARCHAR",
            "funding": "VARCHAR", "card": {"network": "VARCHAR"}
        }') AS payment
    FROM raw_events
    WHERE event_type = 'payment.created'
        AND "timestamp" >= midnight(list_min($days::DATE []) - 1)
        AND "timestamp" < midnight(list_max($days::DATE []) + 1)
),

-- The call's own answer has its latency; an enquiry, a callback or recovery may say more later.
heard AS (
    SELECT
        event.aggregate_id AS attempt_id,
        arg_min(event.event_type, event.version).replace('attempt.', '') AS answered,
        arg_max(event.event_type, event.version).replace('attempt.', '') AS outcome,
        arg_max(event.data ->> '$.code', event.version) AS code,
        any_value((event.data ->> '$.latency_ms')::INTEGER) AS latency_ms,
        max(event."timestamp") AS outcome_at,
        bool_or(coalesce((event.data ->> '$.late')::BOOLEAN, false)) AS late
    FROM raw_events AS event
    SEMI JOIN tried ON event.aggregate_id = tried.attempt_id
    WHERE event.aggregate_type = 'attempt'
        AND event.event_type <> 'attempt.sent'
        AND event."timestamp" >= midnight(list_min($days::DATE []))
    GROUP BY event.aggregate_id
)

SELECT
    tried.business_date,
    tried.attempt_id,
    tried.payment_id,
    -- Of the routes that it did not take, those it had tried.
    1 + len(list_filter(decision.candidates, lambda each: each.reason = 'already_tried')) AS try_number,
    tried.decided_at,
    tried.merchant_id,
    tried.livemode,
    created.payment.method,
    created.payment.amount AS amount_minor,
    created.payment.currency,
    created.payment.mcc,
    created.payment.card.network,
    created.payment.funding,
    decision.strategy,
    decision.reason,
    decision."rule",
    decision.split,
    decision.config_version,
    decision.route,
    tried.rail,
    list_filter(decision.candidates, lambda each: each.name = decision.route)[1].propensity_bps
        AS propensity_bps,
    list_sum(list_transform(decision.candidates, lambda each: each.propensity_bps))::BIGINT
        AS propensities_bps,
    len(list_filter(decision.candidates, lambda each: each.eligible)) AS eligible_routes,
    decision.candidates,
    heard.answered,
    coalesce(heard.outcome, 'sent') AS outcome,
    heard.code,
    heard.latency_ms,
    heard.outcome_at,
    coalesce(heard.late, false) AS late
FROM tried
LEFT JOIN created ON tried.payment_id = created.payment_id
LEFT JOIN heard ON tried.attempt_id = heard.attempt_id
