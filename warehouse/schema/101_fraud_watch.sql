-- grain: one model version in one role (champion decided, challenger would have) on a day, by mode of the books
-- owner: data-science
-- day: business_date
CREATE TABLE fraud_watch (
    business_date DATE,
    livemode BOOLEAN,
    role VARCHAR,
    model_version VARCHAR,
    decisions BIGINT,
    allowed BIGINT,
    challenged BIGINT,
    reviewed BIGINT,
    blocked BIGINT,
    captured BIGINT,
    without_model BIGINT,
    by_failure_mode BIGINT,
    without_customer BIGINT,
    without_device BIGINT,
    without_ip BIGINT,
    amount_minor BIGINT,
    alerted_minor BIGINT,
    alerts_paid BIGINT,
    alerts_paid_known BIGINT,
    alerts_known BIGINT,
    alerts_fraud BIGINT,
    passed_known BIGINT,
    passed_fraud BIGINT,
    labels_until TIMESTAMPTZ
);
