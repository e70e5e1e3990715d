-- grain: one break of the day, as known at the last run; ages are of that run's `as_of`
-- owner: finance
-- day: business_date
CREATE TABLE recon_breaks (
    break_id UUID,
    business_date DATE,
    kind VARCHAR,
    side VARCHAR,
    rail VARCHAR,
    row_ids VARCHAR[],
    reference VARCHAR,
    expected_minor BIGINT,
    actual_minor BIGINT,
    currency VARCHAR,
    reason VARCHAR,
    row_type VARCHAR,
    cause VARCHAR,
    owner VARCHAR,
    opened_on DATE,
    at_stake_minor BIGINT,
    suspense_minor BIGINT,
    suspense_account VARCHAR,
    suspense_cause UUID,
    transit_account VARCHAR,
    bank_account VARCHAR,
    posted_on DATE,
    tat_due_on DATE,
    tat_per_day_minor BIGINT,
    as_of DATE,
    age_days INTEGER,
    age_bucket VARCHAR
);
