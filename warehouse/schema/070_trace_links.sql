-- grain: one place outside our own books where an attempt of the day shows
-- owner: finance
-- day: business_date
CREATE TABLE trace_links (
    business_date DATE,
    attempt VARCHAR,
    hop VARCHAR,
    reference VARCHAR,
    at_date DATE,
    amount_minor BIGINT,
    currency VARCHAR,
    sha256 VARCHAR
);
