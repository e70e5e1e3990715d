-- grain: one day on which fraud decisions were made, replayed: are they what training computes?
-- owner: data-science
-- day: day
CREATE TABLE fraud_parity (
    day DATE,
    feature_set VARCHAR,
    compared BIGINT,
    mismatches BIGINT,
    left_out BIGINT,
    reasons JSON,
    first_payment UUID,
    first_feature VARCHAR,
    first_served VARCHAR,
    first_replayed VARCHAR
);
