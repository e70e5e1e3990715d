-- grain: one try of a payment at a rail: what was known when its route was chosen, and what came of it
-- owner: data-science
-- day: business_date
CREATE TABLE route_decisions (
    business_date DATE,
    attempt_id UUID,
    payment_id UUID,
    try_number INTEGER,
    decided_at TIMESTAMPTZ,
    merchant_id UUID,
    livemode BOOLEAN,
    method VARCHAR,
    amount_minor BIGINT,
    currency VARCHAR,
    mcc VARCHAR,
    network VARCHAR,
    funding VARCHAR,
    strategy VARCHAR,
    reason VARCHAR,
    "rule" VARCHAR,
    split VARCHAR,
    config_version VARCHAR,
    route VARCHAR,
    rail VARCHAR,
    propensity_bps INTEGER,
    propensities_bps BIGINT,
    eligible_routes INTEGER,
    candidates STRUCT(
        "name" VARCHAR, eligible BOOLEAN, reason VARCHAR, fee_bps INTEGER, score BIGINT,
        failure_bps INTEGER, latency_ms INTEGER, "state" VARCHAR, propensity_bps INTEGER
    ) [],
    answered VARCHAR,
    outcome VARCHAR,
    code VARCHAR,
    latency_ms INTEGER,
    outcome_at TIMESTAMPTZ,
    late BOOLEAN
);
