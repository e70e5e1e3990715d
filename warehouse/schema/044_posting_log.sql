-- grain: one posting that a day's files and matches asked for, or its taking back; append only
-- owner: finance
-- day: business_date
CREATE TABLE posting_log (
    business_date DATE,
    posting_key VARCHAR,
    generation INTEGER,
    state VARCHAR,
    content VARCHAR
);
