-- grain: one decision of the day with what it was made from; at most $sampled of a model, by hash
-- inputs: fraud_decisions
-- owner: data-science
SELECT
    livemode,
    model_version,
    probability,
    challenger_version,
    challenger_probability,
    created_at,
    amount_minor,
    currency,
    method,
    has_customer,
    has_device,
    has_ip,
    features
FROM fraud_decisions
WHERE business_date = $day
    AND feature_set = $feature_set
    -- Where the engine was late there is no score to compare, and often nothing was read.
    AND coalesce(probability, challenger_probability) IS NOT NULL
QUALIFY
    row_number() OVER (PARTITION BY livemode, model_version, challenger_version ORDER BY md5(payment_id::VARCHAR))
    <= $sampled::INTEGER
