-- grain: one input of a model version in a role, or its score, on a day, by mode of the books
-- owner: data-science
-- day: business_date
CREATE TABLE fraud_drift (
    business_date DATE,
    livemode BOOLEAN,
    role VARCHAR,
    model_version VARCHAR,
    input VARCHAR,
    "rows" BIGINT,
    missing BIGINT,
    counts BIGINT [],
    psi DOUBLE,
    week_rows BIGINT,
    week_psi DOUBLE,
    verdict VARCHAR
);
